"""Trades asked for by a finer time than rows have: all that share a moment, or a gap."""

from dataclasses import dataclass, field

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connectors.base import Bounds, Cursor, Page, Paging, Window
from schemas import RejectedRow, StreamId
from tests.examples import examples
from tests.pipelines.ingest.windows.model import EPOCH_US, ModelExchange
from tests.pipelines.ingest.windows.pure import Memory, false_claims, pull

TRADES = StreamId("model", "trades", "BTC-USD")
PAGING = Paging(Cursor.TIME, bounds=Bounds.LOWER, dense=True)


@dataclass
class Kraken(ModelExchange):
    """Shows the oldest ``cap`` rows from a nanosecond on, and names that of the last one.

    ``steps``: nanoseconds from a row to the next one, by turns. Rows show microseconds, which lie
    up to 119 ns off.
    """

    steps: tuple[int, ...] = (1_000_000_000,)
    cap: int = 10
    inclusive: bool = True
    names_last: bool = True
    zeros: frozenset[int] = frozenset()
    stamps: dict[int, int] = field(default_factory=dict)

    def add(self, count: int) -> None:
        """New rows on top."""
        for _ in range(count):
            key = max(self.stamps, default=self.first - 1) + 1
            step = self.steps[key % len(self.steps)]
            self.stamps[key] = self.stamps.get(key - 1, EPOCH_US * 1000) + step
        self.keys = sorted(self.stamps)

    first: int = 1

    def time_of(self, key: int) -> int:
        return (self.stamps[key] + key * 7919 % 239 - 119) // 1000

    def fetch(self, stream: StreamId, window: Window) -> Page:
        self.requests.append(window)
        assert window.upper is None
        count = min(self.cap, window.limit)
        if window.lower is None:
            rows = self.keys[-count:]
        else:
            since = window.lower * 1000 if window.resume is None else window.resume
            low = since if self.inclusive else since + 1
            rows = [k for k in self.keys if self.stamps[k] >= low][:count]
        self.answered = [k for k in rows if k not in self.zeros]
        page = self.page(stream, self.answered)
        rejected = tuple(RejectedRow("is 0", "[]") for k in rows if k in self.zeros)
        last = self.stamps[rows[-1]] if rows and self.names_last else None
        return Page(page.table, pa.array(self.answered, pa.int64()), rejected, resume=last)


def made(count: int = 60, **changes: object) -> Kraken:
    exchange = Kraken(behaviour=None, keys=[], paging=PAGING, **changes)  # type: ignore[arg-type]
    exchange.add(count)
    return exchange


@pytest.mark.parametrize("inclusive", [True, False])
@pytest.mark.parametrize("names_last", [True, False])
@pytest.mark.parametrize("first", [1, 3])
def test_a_history(inclusive: bool, names_last: bool, first: int) -> None:
    exchange = made(first=first, inclusive=inclusive, names_last=names_last)
    memory = Memory()
    for _ in range(3):
        assert pull(exchange, TRADES, memory).problems == ()
        assert memory.held == {*exchange.keys}
        assert [(i.lower, i.upper) for i in memory.complete] == [(0, max(exchange.keys) + 1)]
        exchange.add(25)
        memory.now += 600_000_000


@pytest.mark.parametrize("inclusive", [True, False])
@pytest.mark.parametrize("step", [1, 20, 300])
def test_many_pages_within_a_microsecond(inclusive: bool, step: int) -> None:
    """Fifty rows, five pages, so close together that no microsecond tells them apart."""
    exchange = made(0, steps=(step,) * 50 + (2_000_000,), inclusive=inclusive)
    memory = Memory()
    for _ in range(3):
        exchange.add(120)
        assert pull(exchange, TRADES, memory).problems == ()
        assert memory.held == {*exchange.keys}
        assert [(i.lower, i.upper) for i in memory.complete] == [(0, max(exchange.keys) + 1)]
        memory.now += 600_000_000


@pytest.mark.parametrize("inclusive", [True, False])
def test_a_whole_page_in_one_nanosecond(inclusive: bool) -> None:
    """As many rows as an answer holds: all. More than that: what is not shown is a gap."""
    for together, all_shown in ((9, True), (14, False)):
        exchange = made(0, steps=(0,) * (together - 1) + (5_000_000,), inclusive=inclusive)
        exchange.add(together * 4)
        memory = Memory()
        problems = pull(exchange, TRADES, memory).problems
        assert not false_claims(exchange, memory)
        assert (memory.held == {*exchange.keys}) == all_shown
        assert (problems == ()) == all_shown


def test_rows_without_an_id_are_a_gap_and_no_end() -> None:
    exchange = made(100, zeros=frozenset(range(21, 55)))
    memory = Memory()
    for _ in range(2):
        assert pull(exchange, TRADES, memory).problems
        assert memory.held == {*exchange.keys} - exchange.zeros
        assert [(i.lower, i.upper) for i in memory.complete] == [(0, 21), (55, 101)]
        memory.now += 600_000_000


@settings(max_examples=examples(30), deadline=None)
@given(
    steps=st.lists(
        st.sampled_from([0, 0, 1, 119, 238, 500, 999, 1000, 2500, 10**6, 10**10]),
        min_size=1,
        max_size=60,
    ).map(tuple),
    batches=st.lists(st.integers(0, 80), min_size=1, max_size=4),
    cap=st.integers(3, 20),
    inclusive=st.booleans(),
    names_last=st.booleans(),
)
def test_any_nanoseconds(
    steps: tuple[int, ...], batches: list[int], cap: int, inclusive: bool, names_last: bool
) -> None:
    """Nothing is claimed that did not come; where no nanosecond fills a page, everything comes."""
    exchange = made(0, steps=steps, cap=cap, inclusive=inclusive, names_last=names_last)
    memory = Memory()
    for count in batches:
        exchange.add(count)
        pull(exchange, TRADES, memory)
        assert not false_claims(exchange, memory)
        memory.now += 600_000_000
    stamps = list(exchange.stamps.values())
    crowd = max((stamps.count(s) for s in stamps), default=0)
    if names_last and crowd < cap - 1:
        pull(exchange, TRADES, memory)
        assert memory.held == {*exchange.keys}
        assert len(memory.complete) == bool(exchange.keys)
