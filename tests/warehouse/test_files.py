"""Files of the lake: which period a row belongs to, and how periods meet."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas import DATASETS, Period, StreamId, dataset
from tests.warehouse.tools import (
    CANDLES,
    FILLS,
    TICKERS,
    TRADES,
    TRANSFERS,
    assert_published,
    parquet,
    row,
    store,
)
from warehouse import paths
from warehouse.metastore import Metastore


@pytest.mark.parametrize(
    ("stream", "names"),
    [
        (TRADES, ["2023-12-31", "2024-01-01", "2024-02-29", "2024-03-01"]),
        (CANDLES, ["5m-2023-12", "5m-2024-01", "5m-2024-02", "5m-2024-03"]),
        (TICKERS, ["2023-12-31", "2024-01-01", "2024-02-29", "2024-03-01"]),
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
    for record in Metastore(home).files(stream):
        low, high = paths.period_bounds(declared, record.period)
        assert record.min_time is not None and record.max_time is not None
        assert low <= record.min_time <= record.max_time < high
    assert_published(home)


@given(st.integers(0, 4_102_444_800_000_000), st.sampled_from(sorted(DATASETS)))
def test_a_period_holds_its_times_and_touches_its_neighbours(time: int, name: str) -> None:
    declared = dataset(name)
    period = paths.period_of(declared, time)
    low, high = paths.period_bounds(declared, period)
    assert low <= time < high
    if declared.period is not Period.ALL:
        assert paths.period_bounds(declared, paths.period_of(declared, low - 1))[1] == low
        assert paths.period_bounds(declared, paths.period_of(declared, high))[0] == high
