"""Files of the lake: which period a row belongs to, and what a name tells."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import DATASETS, Period, dataset
from tests.warehouse.tools import (
    CANDLES,
    FILLS,
    HOURLY,
    NOON,
    STREAMS,
    TICKERS,
    TRADES,
    TRANSFERS,
    assert_published,
    parquet,
    row,
    store,
)
from warehouse import files
from warehouse.ledger import Ledger, StreamId


@pytest.mark.parametrize(
    ("stream", "names"),
    [
        (TRADES, ["2023-12-31", "2024-01-01", "2024-02-29", "2024-03-01"]),
        (CANDLES, ["5m-2023-12", "5m-2024-01", "5m-2024-02", "5m-2024-03"]),
        (TICKERS, ["2023-12", "2024-01", "2024-02", "2024-03"]),
        (FILLS, ["2023", "2024"]),
        (TRANSFERS, ["2023", "2024"]),
    ],
    ids=lambda v: v.dataset if isinstance(v, StreamId) else None,
)
def test_rows_are_split_by_period_to_the_microsecond(
    home: Path, stream: StreamId, names: list[str]
) -> None:
    new_year, march = (
        int(datetime(2024, month, 1, tzinfo=UTC).timestamp()) * 1_000_000 for month in (1, 3)
    )
    times = (new_year - 1, new_year, march - 1, march)
    store(home, stream, [row(stream, k, t) for k, t in enumerate(times, 1)])
    assert [p.stem for p in parquet(home)] == names
    declared = dataset(stream.dataset)
    for record in Ledger(home).files(stream):
        low, high = files.period_bounds(declared, record.period)
        assert record.min_time is not None and record.max_time is not None
        assert low <= record.min_time <= record.max_time < high
    assert_published(home)


@given(st.integers(0, 4_102_444_800_000_000), st.sampled_from(sorted(DATASETS)))
@settings(deadline=None)
def test_a_period_holds_its_times_and_touches_its_neighbours(time: int, name: str) -> None:
    declared = dataset(name)
    period = files.period_of(declared, time)
    low, high = files.period_bounds(declared, period)
    assert low <= time < high
    if declared.period is not Period.ALL:
        assert files.period_bounds(declared, files.period_of(declared, low - 1))[1] == low
        assert files.period_bounds(declared, files.period_of(declared, high))[0] == high


@pytest.mark.parametrize("stream", [*STREAMS, HOURLY], ids=lambda s: s.stream)
def test_a_file_name_tells_its_period_and_only_to_its_stream(stream: StreamId) -> None:
    declared = dataset(stream.dataset)
    period = files.period_of(declared, NOON)
    for segment in (0, 1, 1000):
        name = files.stem(declared, stream, period, segment)
        assert files.period_of_name(declared, stream, f"{name}.parquet") == period
        assert files.period_of_name(declared, stream, f".{name}.4711.tmp") == period
    assert files.period_of_name(declared, stream, "notes.parquet") is None
    if stream is CANDLES:
        for other in ("15m-2024-08", "1h-2024-08", "2024-08"):
            assert files.period_of_name(declared, stream, f"{other}.parquet") is None


def test_a_quarantine_file_belongs_to_one_stream_even_where_names_begin_alike() -> None:
    declared = dataset("quarantine")
    mine = StreamId("x", "quarantine", "account_trades.main")
    other = StreamId("x", "quarantine", "account_trades.main.eu")
    name = files.stem(declared, other, "all", 0)
    assert files.period_of_name(declared, other, f"{name}.parquet") == "all"
    assert files.period_of_name(declared, mine, f"{name}.parquet") is None
