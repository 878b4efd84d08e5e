"""A load writes what changed, and leaves the table with the rows of the lake, whatever changed."""

import tempfile
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import warehouse
from schemas import dataset
from tests.examples import examples
from tests.warehouse.tools import CANDLES, DAY, NOON, TRADES, assert_published, row, store
from warehouse.metastore import FileRecord
from warehouse.paths import period_bounds
from warehouse.store import Store
from warehouse.table_update import to_compare

DAY_8 = "2024-08-08"
LOW, HIGH = period_bounds(dataset("trades"), DAY_8)


def file(name: str, first: int, last: int, change: int) -> FileRecord:
    return FileRecord(name, DAY_8, 1, 1, 1, first, last, LOW + first, LOW + last, change)


@pytest.mark.parametrize(
    ("found", "read", "stretches"),
    [
        ([file("a", 0, 9, 7)], "a", [(LOW, HIGH)]),
        ([], "", [(LOW, HIGH)]),
        ([file("a", 0, 9, 1), file("b", 10, 19, 7)], "b", [(LOW + 10, HIGH)]),
        ([file("a", 5, 9, 1)], "", [(LOW, LOW + 5), (LOW + 10, HIGH)]),
        ([file("a", 5, 9, 1), file("b", 9, 12, 7)], "ab", [(LOW, HIGH)]),
        (
            [file("a", 5, 9, 1), file("b", 0, 8, 1), file("c", 20, 30, 7)],
            "c",
            [(LOW + 10, HIGH)],
        ),
        (
            [file("a", 5, 9, 1), file("b", 9, 12, 1), file("c", 12, 30, 7), file("d", 40, 40, 1)],
            "abc",
            [(LOW, LOW + 40), (LOW + 41, HIGH)],
        ),
    ],
)
def test_what_is_compared(
    found: list[FileRecord], read: str, stretches: list[tuple[int, int]]
) -> None:
    compared, times = to_compare(dataset("trades"), DAY_8, found, mark=5)
    assert "".join(sorted(f.path for f in compared)) == read
    assert times == stretches


STEP = st.one_of(
    st.tuples(st.just("trades"), st.lists(st.integers(0, 40), min_size=1, max_size=8)),
    st.tuples(st.just("candles"), st.lists(st.integers(0, 12), min_size=1, max_size=4)),
    st.tuples(st.just("shrink"), st.lists(st.integers(0, 40), min_size=1, max_size=8)),
)


@pytest.mark.slow
@settings(max_examples=examples(12), deadline=None)
@given(steps=st.lists(st.lists(STEP, max_size=3), min_size=1, max_size=5))
def test_the_table_is_the_lake_after_any_changes(
    steps: list[list[tuple[str, list[int]]]],
) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr("warehouse.store.SEGMENT_ROWS", 5)
        home = Path(folder) / "home"
        store(home, TRADES, [])
        for number, changes in enumerate(steps):
            for what, keys in changes:
                if what == "trades":  # of two days, in any order
                    at = [NOON + key + DAY * (key % 3 == 0) for key in keys]
                    store(home, TRADES, [row(TRADES, k, t) for k, t in zip(keys, at, strict=True)])
                elif what == "candles":  # which change
                    times = [NOON + 300_000_000 * key for key in keys]
                    rows = [
                        row(CANDLES, key, t, close=number)
                        for key, t in zip(keys, times, strict=True)
                    ]
                    store(home, CANDLES, rows)
                else:
                    _shrink(home, {str(key) for key in keys})
            assert_published(home)


def _shrink(home: Path, gone: set[str]) -> None:
    """Take rows out of the files that hold them."""
    with Store(home).open_stream(TRADES) as writer:
        for record in writer.records():
            table = writer.read(record)
            left = table.filter(
                pc.invert(pc.is_in(table.column("trade_id"), pa.array(sorted(gone))))
            )
            if left.num_rows < table.num_rows:
                writer.shrink(record, left)


def test_rows_among_those_of_another_file_leave_the_table_too(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("warehouse.store.SEGMENT_ROWS", 3)
    # later ids with earlier times: the two files of the day reach into each other's times
    for key, at in ((1, 0), (2, 10), (3, 20), (4, 5), (5, 30), (6, 40)):
        store(home, TRADES, [row(TRADES, key, NOON + at)])
    assert_published(home)
    _shrink(home, {"4"})
    assert_published(home)


def test_what_is_the_same_is_not_written_again(home: Path) -> None:
    """The places of rows in the table stay, and few are added."""
    store(home, TRADES, [row(TRADES, key) for key in range(3_000)])
    for key in range(3_000, 3_004):  # so that there are versions to bring up to date
        store(home, TRADES, [row(TRADES, key)])
        warehouse.publish(home)
    query = "SELECT trade_id, rowid AS place FROM trades ORDER BY place"
    before = warehouse.sql(query, home=home)
    store(home, TRADES, [row(TRADES, 3_004)])
    warehouse.publish(home)
    after = warehouse.sql(query, home=home)
    assert after.slice(0, 3_000).equals(before.slice(0, 3_000))
