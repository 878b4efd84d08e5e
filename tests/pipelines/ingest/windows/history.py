"""One stream of a model exchange over time, and what a home may claim of it.

The exchange remembers what its answers have demonstrated, so that a claim can be
refuted: a row that lies inside it and is not held must have appeared where an answer, given before,
had shown that there was none. Every pull that ends well keeps the promise of the look-back.
"""

from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from connectors.base import Bounds, Key, Page, Window
from pipelines.ingest.report import StreamReport
from pipelines.ingest.session import Session, Task
from pipelines.ingest.stream import pull_stream
from schemas import TIMEFRAMES, StreamId, dataset
from schemas.times import to_microseconds
from tests.pipelines.ingest.windows.model import (
    PAGINGS,
    Behaviour,
    ModelExchange,
    is_settled,
)
from tests.warehouse.tools import lake, moment
from warehouse.store import Store

STEP = TIMEFRAMES["5m"]
MIDNIGHT = 1_701_302_400_000_000
"""2023-11-30T00:00Z: candles and ids run into December."""
KINDS = {
    "trades": ("trades", "ids"),
    "trades of dense ids": ("trades", "ids without holes"),
    "trades forward": ("trades", "forward from an id"),
    "trades by one bound": ("trades", "one bound, ids without holes"),
    "trades backward": ("trades", "backward from an id"),
    "trades by time": ("trades", "forward from a time, ids prove"),
    "public_orders": ("public_orders", "ids"),
    "candles": ("candles", "candles"),
    "account_trades": ("account_trades", "ids"),
    "fills forward": ("account_trades", "forward from an id, holes"),
    "account_orders": ("account_orders", "ids"),
    "orders forward": ("account_orders", "forward from an id, holes"),
    "account_transactions": ("account_transactions", "ids"),
    "transfers by time": ("account_transactions", "times, text ids"),
    "transfers by day": ("account_transactions", "days, text ids"),
}
"""Datasets, and the cursors they are asked for by."""
STREAMS = {
    "trades": StreamId("model", "trades", "BTC-USD"),
    "public_orders": StreamId("model", "public_orders", "BTC-USD"),
    "candles": StreamId("model", "candles", "ETH-USD", timeframe="5m"),
    "account_trades": StreamId("model", "account_trades", account="main"),
    "account_orders": StreamId("model", "account_orders", account="main"),
    "account_transactions": StreamId("model", "account_transactions", account="main"),
}
Row = dict[str, Any]


@dataclass(frozen=True)
class Event:
    """What happens before the ``when``-th answer of a pull (0: before the pull).

    ``kind``: new rows on top, rows that come late (lower ids), rows that change; ``at``: which. Or
    the exchange pages otherwise from then on.
    """

    when: int
    kind: str
    at: tuple[int, ...] = ()
    behaviour: Behaviour | None = None


@dataclass
class Past(ModelExchange):
    """A model exchange that changes while it is asked, and knows what it has shown."""

    stream: StreamId = STREAMS["trades"]
    coming: list[Event] = field(default_factory=list)
    claimed: list[tuple[int, int]] = field(default_factory=list)
    """What was claimed when the pull began, and what answers showed since; inclusive."""
    excused: set[int] = field(default_factory=set)
    """Rows that came late, where it was proved that there were none."""
    amended: set[int] = field(default_factory=set)
    """Rows that changed after they had been settled."""

    def fetch(self, stream: StreamId, window: Window) -> Page:
        self.happen(len(self.requests))
        page = super().fetch(stream, window)
        shown = self.shown(stream)
        keys = sorted(self.answered)
        cut = len(keys) == min(self.behaviour.cap, window.limit)
        several = self.paging.key is not Key.TIME  # rows of one moment
        if cut and several and self.behaviour.sorts_by_time:
            end = self.time_of(keys[0 if self.keeps(window) == "newest" else -1])
            keys = [k for k in keys if self.time_of(k) != end]
        if keys:
            self.claimed.append((self.position_of(keys[0]), self.position_of(keys[-1])))
        if shown and not cut:  # all that the window holds
            low, high = self.bounds(window)
            inside = [k for k in shown if low <= self.cursor_of(k) <= high]
            if self.by_time and self.paging.key is not Key.TEXT:
                low, high = (min(inside), max(inside)) if inside else (1, 0)
            self.claimed.append((low, min(high, self.position_of(shown[-1]))))
        return page

    def happen(self, until: int) -> None:
        """What comes before the answer ``until``."""
        due = [e for e in self.coming if e.when <= until]
        self.coming = [e for e in self.coming if e.when > until]
        for event in due:
            match event.kind:
                case "new":
                    self._new(event.at)
                case "late":
                    self._late(event.at)
                case "change":
                    self._change(event.at)
                case "paging" if event.behaviour is not None:
                    self.behaviour = replace(event.behaviour, cap=self.least_cap(event.behaviour))

    def _new(self, at: tuple[int, ...]) -> None:
        for number in at:
            below = max(self.keys, default=self.first - self.unit)
            step = 1 if self.paging.dense else 1 + number % 4
            self._appear(below + self.unit * step, number)

    def _late(self, at: tuple[int, ...]) -> None:
        if not self.keys or self.paging.dense:
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
        if any(low <= self.position_of(key) <= high for low, high in self.claimed):
            self.excused.add(key)
        self.keys.append(key)
        self.settles[key] = number % 3 if self.paging.key is not Key.TIME else 0
        self.clock_us = max(self.clock_us, self.time_of(key) + number % 2 * STEP)

    def least_cap(self, behaviour: Behaviour) -> int:
        """Answers are larger than a moment where rows are sorted by time or bounds are few."""
        by_time = behaviour.sorts_by_time or self.by_time or self.paging.bounds is not Bounds.BOTH
        return behaviour.cap + 3 * self.share if by_time else behaviour.cap

    @property
    def first(self) -> int:
        """The key of the first row."""
        if self.paging.key is Key.TIME:
            return MIDNIGHT
        return 1 if self.paging.dense else 100

    @property
    def unit(self) -> int:
        """Between a key and the next possible one."""
        return STEP if self.paging.key is Key.TIME else 1


def exchange_of(name: str, behaviour: Behaviour, share: int, rows: int) -> Past:
    """An exchange with so many rows, of which ``share`` at a time happened together."""
    dataset_name, cursor = KINDS[name]
    made = Past(behaviour, [], PAGINGS[cursor], clock_us=MIDNIGHT, pace_us=500_000_000,
                share=share, stream=STREAMS[dataset_name])  # fmt: skip
    made.behaviour = replace(behaviour, cap=made.least_cap(behaviour))
    made.coming = [Event(0, "new", tuple(range(rows)))]
    made.happen(0)
    return made


def pull(
    home: Path, exchange: Past, start: int, lookback: int | None = None, every: int = 1
) -> StreamReport:
    """One pull of the stream. ``start``: microseconds; ``every``: pages to a commit."""
    store = Store(home)
    task = Task(store, exchange, exchange.stream, moment(start), lookback)  # type: ignore[arg-type]
    exchange.requests.clear()
    complete = store.state(exchange.stream).complete
    exchange.claimed = [(i.lower, i.upper - 1) for i in complete]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Session, "commit", _committing(every))
        return pull_stream(task)


def _committing(every: int) -> Any:
    """Commits that wait for their end, so that a history gives the same steps each time."""
    pages = 0

    def commit(session: Session, *work: Any) -> None:
        nonlocal pages
        pages += 1
        session._committer.put(work[0], work[1], *work[2:])
        if pages % every == 0:
            session.flush()

    return commit


def rows_of(home: Path, exchange: Past) -> dict[int, Row]:
    """What the lake's files hold of the stream, by key; none twice."""
    declared = dataset(exchange.stream.dataset)
    names = declared.connector_schema.names
    found: dict[int, Row] = {}
    for row in lake(home, declared.name):
        key = row[declared.naming_column]
        number = to_microseconds(key) if isinstance(key, datetime) else int(key.removeprefix("T-"))
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
    stream = exchange.stream
    complete = Store(home).state(stream).complete
    exchange.excused -= {
        k for k in exchange.excused if not any(exchange.position_of(k) in i for i in complete)
    }
    exchange.excused -= held.keys()
    for interval in complete:
        inside = {k for k in exchange.shown(exchange.stream) if exchange.position_of(k) in interval}
        assert inside <= held.keys() | exchange.excused, (
            f"{stream}: claims {interval} without {sorted(inside - held.keys())}"
        )
    return held
