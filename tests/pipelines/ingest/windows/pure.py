"""A pull without disk: plan, answer, assess, advance, over a model exchange."""

from dataclasses import dataclass, field, replace

from connectors.base import Key
from pipelines.ingest.windows.advance import (
    advance,
    from_held_row,
    lacks_anchor,
    may_need_anchor,
)
from pipelines.ingest.windows.evidence import assess
from pipelines.ingest.windows.plan import Done, plan
from pipelines.ingest.windows.state import Kind, Profile, Progress, Pull, Restart, Upward
from schemas import TIMEFRAMES, StreamId, dataset
from schemas.times import DAY_US
from tests.pipelines.ingest.windows.model import EPOCH_US, ModelExchange
from warehouse.intervals import Intervals, Unshown

ENDLESS = 5000
"""No pull of a model asks so often."""


@dataclass
class Memory:
    """What is known between pulls; ``held``: the keys of the rows that came."""

    complete: Intervals = ()
    unshown: tuple[Unshown, ...] = ()
    profile: Profile = field(default_factory=Profile)
    restart: Restart | None = None
    held: frozenset[int] = frozenset()
    now: int = EPOCH_US + 400 * DAY_US


def pull(
    exchange: ModelExchange, stream: StreamId, memory: Memory, wanted_from: int = 0
) -> Progress:
    """One pull; ``memory`` is what it leaves."""
    exchange.requests.clear()
    held, complete = set(memory.held), memory.complete
    newest = max(map(exchange.time_of, held), default=None)
    candles = exchange.paging.key is Key.TIME
    progress = Progress(
        Pull(
            paging=exchange.paging,
            started=memory.now,
            wanted_from=wanted_from,
            step=TIMEFRAMES[stream.timeframe] if stream.timeframe else 1,
            id_column=dataset(stream.dataset).key[-1],
            lookback=3 if candles else 0,
            of_market=stream.symbol is not None,
            held=bool(held),
            top_before=complete[-1] if complete else None,
            newest_before=newest,
        ),
        newest_at=newest,
        complete=complete,
        unshown=memory.unshown,
        profile=memory.profile,
        restart=memory.restart,
    )
    rows = sorted(map(exchange.cursor_of, held))
    anchor = rows[-min(len(rows), max(3, memory.profile.rows))] if rows else None
    if complete and memory.profile.keeps == "oldest":
        progress = from_held_row(progress, anchor)
    while not isinstance(request := plan(progress), Done):
        page = exchange.fetch(stream, request.window)
        held |= set(exchange.answered)
        assert len(exchange.requests) < ENDLESS, "the pull does not end"
        evidence = assess(page, request, progress)
        if may_need_anchor(progress, request, evidence):
            progress = replace(progress, anchor=anchor)
        progress = advance(progress, request, evidence)
        if request.kind is Kind.HEAD and lacks_anchor(progress):
            progress = replace(progress, anchor=anchor, up=Upward(anchor))
    memory.complete, memory.unshown = progress.complete, progress.unshown
    memory.profile, memory.restart = progress.profile, progress.restart
    memory.held = frozenset(held)
    return progress


def false_claims(exchange: ModelExchange, memory: Memory) -> list[int]:
    """Rows that lie in what is called complete, and did not come."""
    return [
        key
        for key in exchange.keys
        if key not in memory.held
        and any(exchange.position_of(key) in interval for interval in memory.complete)
    ]
