"""Snapshots of many markets: every call adds its answer, and the last one stores them all.

An exchange shows a few markets an answer, and the files hold all of them. So a round of calls is
one commit. A market whose snapshot repeats its last one is left out.
"""

import threading
from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, replace
from itertools import chain
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from connectors.base import Page
from connectors.errors import ContractError, RequestError
from pipelines.ingest import checkpoint
from pipelines.ingest.checkpoint import Observed
from pipelines.ingest.report import StreamReport
from pipelines.ingest.session import Session, Task
from pipelines.ingest.snapshot import fingerprints
from schemas import RejectedRow, StreamId

REMEMBERED_ROWS: Final = 64 * 1024
"""Stored rows that are looked through where nothing is remembered of what was stored last."""


@dataclass(frozen=True)
class Answer:
    """The answer to one call, and the markets that it asked for."""

    symbols: Sequence[str]
    page: Page


class Round:
    """One snapshot of each of some markets, in several calls that may run side by side.

    ``calls``: the markets that each of them asks for. ``is_whole``: those are all that the exchange
    lists. ``store``: stores the answers, under the lock of the stream, and reports; ``refused``
    reports a call that got no answer.
    """

    def __init__(
        self,
        task: Task,
        calls: Sequence[Sequence[str]],
        is_whole: bool,
        store: Callable[[Task, Sequence[Answer], Set[str] | None], StreamReport],
        refused: Callable[[Task, StreamReport, Exception], StreamReport],
    ) -> None:
        self._task = task
        self._left = len(calls)
        self._listed = frozenset(chain.from_iterable(calls)) if is_whole else None
        self._store = store
        self._refused = refused
        self._lock = threading.Lock()
        self._answers: list[Answer] = []
        self._reports: list[StreamReport] = []

    def call(self, symbols: Sequence[str]) -> list[StreamReport]:
        """Ask for ``symbols``. After the last call of the round: all reports, else none."""
        self._ask(symbols)
        with self._lock:
            self._left -= 1
            is_last = not self._left
        return self.end() if is_last else []

    def end(self) -> list[StreamReport]:
        """Store what was answered so far and was not stored. Gives the reports."""
        with self._lock:
            answers, self._answers = self._answers, []
            reports, self._reports = self._reports, []
        return [*([self._store(self._task, answers, self._listed)] if answers else []), *reports]

    def _ask(self, symbols: Sequence[str]) -> None:
        connector, stream = self._task.connector, self._task.stream
        try:
            page = connector.snapshot(stream.dataset, symbols)
        except Exception as error:
            if isinstance(error, RequestError | ContractError) and len(symbols) > 1:
                # one market is refused or unreadable: the others must not go without
                for symbol in symbols:
                    self._ask([symbol])
                return
            found = [
                self._refused(
                    replace(self._task, stream=replace(stream, symbol=symbol)),
                    StreamReport(stream.exchange, stream.dataset, symbol, requests=int(not n)),
                    error,
                )
                for n, symbol in enumerate(symbols)
            ]
            with self._lock:
                self._reports += found
            return
        with self._lock:
            self._answers.append(Answer(symbols, page))


def store_answers(
    session: Session, answers: Sequence[Answer], listed: Set[str] | None = None
) -> None:
    """Store what the answers of one round show, but for snapshots that repeat the last one.

    ``listed``: all markets that the exchange lists, where all were asked for.
    """
    stream = session.stream
    seen: list[pa.Table] = []
    rejected: list[RejectedRow] = []
    silent: list[str] = []
    for answer in answers:
        page = session.count(answer.page)
        rejected += page.rejected
        asked = pc.is_in(page.table.column("symbol"), value_set=pa.array(answer.symbols))
        seen.append(page.table.filter(asked))
        shown = {*page.table.column("symbol").to_pylist()}
        unseen = (symbol for symbol in answer.symbols if symbol not in shown)
        silent += [symbol for symbol in unseen if not _may_be_shown(symbol, answer, stream)]
    notices = []
    if silent:
        names = ", ".join(silent)
        notices.append(f"the exchange showed nothing of {names} (disabled there?)")
    last = last_stored(session)
    if gone := sorted(last.keys() - listed) if listed is not None else []:
        notices.append(
            f"{stream.exchange} lists {', '.join(gone)} no longer; what was collected stays, "
            "nothing more is asked for unless it is listed again"
        )
        last = {symbol: mark for symbol, mark in last.items() if symbol in (listed or ())}
    if notices:
        session.report.notice = f"{stream}: {'; '.join(notices)}"
    rows = pa.concat_tables(seen)
    now = {symbol: mark for (symbol, _), mark in fingerprints(session.declared, rows).items()}
    fresh = [symbol for symbol, mark in now.items() if last.get(symbol) != mark]
    state = replace(
        session.state,
        unit="none",
        checked_at=session.started,
        checkpoint=checkpoint.dump(Observed({**last, **now})),
    )
    if rows.num_rows:
        state = replace(state, newest_at=pc.max(rows.column("observed_at")).value)
        rows = rows.filter(pc.is_in(rows.column("symbol"), value_set=pa.array(fresh, pa.string())))
    session.commit(rows, state, rejected)


def last_stored(session: Session) -> dict[str, str]:
    """The fingerprint of the last snapshot of each market that is stored, or that repeated it.

    They are remembered from pull to pull; rows that a crash left behind that are looked at. Where
    nothing is remembered, the newest rows are.
    """
    known = checkpoint.load(session.state.checkpoint, Observed).last
    at, newest = session.state.newest_at, session.writer.newest_time()
    if not known or at is None:
        rows = session.writer.tail(REMEMBERED_ROWS)
    elif newest is not None and newest > at:
        rows = session.writer.between(at + 1, newest + 1)
    else:
        return known
    found = fingerprints(session.declared, rows)
    return {**known, **{symbol: found[symbol, at] for symbol, at in sorted(found)}}


def _may_be_shown(symbol: str, answer: Answer, stream: StreamId) -> bool:
    """Whether an answer without rows of ``symbol`` may show it all the same."""
    if stream.dataset == "order_books":  # a book may be empty
        return True
    others = {*answer.symbols} - {symbol}
    return not all(row.symbol in others for row in answer.page.rejected)
