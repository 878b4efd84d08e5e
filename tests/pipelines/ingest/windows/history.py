"""One stream of a model exchange over time, and what a home may claim of it.

The exchange remembers what its answers have demonstrated, so that a claim of the ledger can be
refuted: a row that lies inside it and is not held must have appeared where an answer, given before,
had shown that there was none. Every pull that ends well keeps the promise of the look-back.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pipelines.ingest.context import StreamContext, to_microseconds
from pipelines.ingest.streams import Task, pull_stream
from warehouse.ledger import Ledger, StreamId

from connectors.base import Cursor, Page, Stream, Window
from pipelines.ingest.report import StreamReport
from schemas import TIMEFRAMES, dataset
from tests.pipelines.ingest.model import STATES, ModelExchange, ModelLaw, is_settled
from tests.warehouse.tools import lake, moment

STEP = TIMEFRAMES["5m"]
MIDNIGHT = 1_701_302_400_000_000
"""2023-11-30T00:00Z: candles and ids run into December."""
STREAMS = {
    "trades": Stream("trades", "BTC-USD"),
    "public_orders": Stream("public_orders", "BTC-USD"),
    "candles": Stream("candles", "ETH-USD", timeframe="5m"),
    "account_trades": Stream("account_trades", account="main"),
    "account_orders": Stream("account_orders", account="main"),
    "account_transactions": Stream("account_transactions", account="main"),
}
Row = dict[str, Any]


@dataclass(frozen=True)
class Event:
    """What happens before the ``when``-th answer of a pull (0: before the pull).

    ``kind``: new rows on top, rows that come late (lower ids), rows that change; ``at``: which.
    """

    when: int
    kind: str
    at: tuple[int, ...]


@dataclass
class Past(ModelExchange):
    """A model exchange that changes while it is asked, and knows what it has shown."""

    stream: Stream = STREAMS["trades"]
    coming: list[Event] = field(default_factory=list)
    claimed: list[tuple[int, int]] = field(default_factory=list)
    """What the ledger claimed when the pull began, and what answers showed since; inclusive."""
    excused: set[int] = field(default_factory=set)
    """Rows that came late, where it was proved that there were none."""
    amended: set[int] = field(default_factory=set)
    """Rows that changed after they had been settled."""

    def fetch(self, stream: Stream, window: Window) -> Page:
        self.happen(len(self.requests))
        page = super().fetch(stream, window)
        shown = self.shown(stream)
        keys = sorted(page.cursor.to_pylist())
        cut = len(keys) == min(self.law.cap, window.limit)
        if cut and self.law.sorts_by_time:  # between rows of one moment
            end = self.time_of(keys[0 if self.law.keeps == "newest" else -1])
            keys = [k for k in keys if self.time_of(k) != end]
        if keys:
            self.claimed.append((keys[0], keys[-1]))
        if shown and not cut:  # all that the window holds
            low, high = self.bounds(window)
            self.claimed.append((low, min(high, shown[-1])))
        return page

    def happen(self, until: int) -> None:
        """What comes before the answer ``until``."""
        due = [e for e in self.coming if e.when <= until]
        self.coming = [e for e in self.coming if e.when > until]
        for event in due:
            getattr(self, f"_{event.kind}")(event.at)

    def _new(self, at: tuple[int, ...]) -> None:
        for number in at:
            below = max(self.keys, default=self.first - self.unit)
            self._appear(below + self.unit * (1 + number % 4), number)

    def _late(self, at: tuple[int, ...]) -> None:
        if not self.keys:
            return
        for number in at:  # most of them near the head
            below = number % 8 if number < 700 else number
            key = max(self.keys) - self.unit * below
            if key not in self.keys and key >= self.first - 20 * self.unit:
                self._appear(key, number)

    def _change(self, at: tuple[int, ...]) -> None:
        keys = sorted(self.keys)
        if not keys or self.stream.dataset == "trades":
            return
        for number in at:
            key = keys[-1 - (number % 8 if number < 700 else number) % len(keys)]
            if is_settled(self.row(self.stream, key)):
                self.amended.add(key)
            self.states[key] = self.states.get(key, 0) + 1

    def _appear(self, key: int, number: int) -> None:
        if any(low <= key <= high for low, high in self.claimed):
            self.excused.add(key)
        self.keys.append(key)
        self.settles[key] = number % 3 if self.cursor is Cursor.ID else 0
        self.clock_us = max(self.clock_us, self.time_of(key) + number % 2 * STEP)

    @property
    def first(self) -> int:
        """The key of the first row."""
        return MIDNIGHT if self.cursor is Cursor.TIME else 100

    @property
    def unit(self) -> int:
        """Between a key and the next possible one."""
        return STEP if self.cursor is Cursor.TIME else 1


def exchange_of(name: str, law: ModelLaw, share: int, rows: int) -> Past:
    """An exchange with so many rows, of which ``share`` at a time happened together."""
    cursor = Cursor.TIME if name == "candles" else Cursor.ID
    if name in STATES or cursor is Cursor.TIME:  # one row an answer is enough for bare ids only
        law = replace(law, cap=max(2, law.cap))
    if law.sorts_by_time:  # a page is larger than a moment
        law = replace(law, cap=law.cap + 3 * share)
    made = Past(law, [], cursor, clock_us=MIDNIGHT, pace_us=500_000_000, share=share,
                stream=STREAMS[name])  # fmt: skip
    made.coming = [Event(0, "new", tuple(range(rows)))]
    made.happen(0)
    return made


def pull(
    home: Path, exchange: Past, start: int, lookback: int | None = None, every: int = 1
) -> StreamReport:
    """One pull of the stream. ``start``: microseconds; ``every``: pages to a commit."""
    task = Task(
        home,
        Ledger(home),
        exchange,  # type: ignore[arg-type]
        exchange.offer,
        exchange.stream,
        moment(start),
        lookback,
        None,
    )
    exchange.requests.clear()
    exchange.claimed = [(i.lower, i.upper - 1) for i in task.ledger.state(task.id).complete]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(StreamContext, "commit", _committing(every))
        return pull_stream(task)


def _committing(every: int) -> Any:
    """Commits that wait for their end, so that a history gives the same steps each time."""
    pages = 0

    def commit(context: StreamContext, *work: Any) -> None:
        nonlocal pages
        pages += 1
        context._committer.put(work[0], work[1], *work[2:])
        if pages % every == 0:
            context.flush()

    return commit


def rows_of(home: Path, exchange: Past) -> dict[int, Row]:
    """What the lake's files hold of the stream, by key; none twice."""
    declared = dataset(exchange.stream.dataset)
    names = declared.connector_schema.names
    found: dict[int, Row] = {}
    for row in lake(home, declared.name):
        key = row[declared.key[-1]]
        number = to_microseconds(key) if isinstance(key, datetime) else int(key)
        assert number not in found, f"{declared.name} {number} is held twice"
        found[number] = {name: row[name] for name in names}
    return found


def state_of(exchange: Past, key: int, row: Row) -> int | None:
    """Which state of the row ``key`` this is; ``None``: it never was so."""
    states = range(exchange.states.get(key, 0) + 1)
    rows = [exchange.row(exchange.stream, key, state) for state in states]
    schema = dataset(exchange.stream.dataset).connector_schema
    for state, was in enumerate(pa.Table.from_pylist(rows, schema=schema).to_pylist()):
        if {**was, "is_final": 0} == {**row, "is_final": 0}:
            return state
    return None


def check(home: Path, exchange: Past) -> dict[int, Row]:
    """Nothing is held that was never served, nothing is claimed that can be refuted."""
    held = rows_of(home, exchange)
    for key, row in held.items():
        assert key in exchange.keys and state_of(exchange, key, row) is not None, row
    stream = StreamId(exchange.name, exchange.stream.dataset, exchange.stream.label)
    complete = Ledger(home).state(stream).complete
    exchange.excused -= {k for k in exchange.excused if not any(k in i for i in complete)}
    exchange.excused -= held.keys()
    for interval in complete:
        inside = {k for k in exchange.shown(exchange.stream) if k in interval}
        assert inside <= held.keys() | exchange.excused, (
            f"{stream}: claims {interval} without {sorted(inside - held.keys())}"
        )
    return held
