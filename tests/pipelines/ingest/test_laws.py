"""Whatever law an exchange pages by, a pull ends with every row once and claims no more."""

from dataclasses import replace
from datetime import UTC, datetime
from itertools import product
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pipelines.ingest.streams import Task, pull_stream
from warehouse.lake import StreamWriter
from warehouse.ledger import Ledger, StreamState

from connectors.base import Cursor, Page, Stream, Window
from pipelines.ingest.report import StreamReport
from tests.pipelines.ingest.model import ModelExchange, ModelLaw
from warehouse.coverage_table import spans

EVER = datetime(1980, 1, 1, tzinfo=UTC)
STREAM = Stream("trades", symbol="BTC-USD")
STEP = 300_000_000

laws = st.builds(
    ModelLaw,
    keeps=st.sampled_from(["newest", "oldest"]),
    cap=st.integers(2, 60),
    lower_inclusive=st.booleans(),
    upper_inclusive=st.booleans(),
    unit=st.sampled_from(["ms", "s"]),
    order=st.sampled_from([1, -1]),
)
ids = st.lists(st.integers(1, 5000), max_size=200, unique=True)
relaxed = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def pull(
    home: Path, exchange: ModelExchange, stream: Stream = STREAM, start: datetime = EVER
) -> StreamReport:
    task = Task(home, Ledger(home), exchange, exchange.offer, stream, start, None, None)  # type: ignore[arg-type]
    return pull_stream(task)


def held(home: Path, stream: Stream = STREAM) -> tuple[list[int], StreamState]:
    ledger = Ledger(home)
    exchange = ModelExchange(ModelLaw(), [])
    task = Task(home, ledger, exchange, exchange.offer, stream, EVER, None, None)  # type: ignore[arg-type]
    writer = StreamWriter(home, ledger, task.id)
    column = "trade_id" if stream.dataset == "trades" else "timestamp"
    table = writer.tail(10**9, [column])
    values = [
        int(v) if stream.dataset == "trades" else v.value
        for v in (table.column(0).to_pylist() if stream.dataset == "trades" else table.column(0))
    ]
    return values, ledger.state(task.id)


@relaxed
@given(law=laws, keys=ids, later=ids)
def test_any_law_of_ids(
    law: ModelLaw, keys: list[int], later: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = tmp_path_factory.mktemp("home")
    exchange = ModelExchange(law, keys)
    report = pull(home, exchange)
    assert report.error is None
    rows, state = held(home)
    assert sorted(rows) == sorted(keys)
    assert len(rows) == len(set(rows))
    if keys:
        assert [(n, i.lower) for n, i in spans(state)] == [("complete", 0)]
        assert state.complete[-1].upper == max(keys) + 1

    top = max(keys, default=0)
    exchange.keys = keys + [top + k for k in later]
    assert pull(home, exchange).error is None
    rows, state = held(home)
    assert sorted(rows) == sorted(exchange.keys)
    assert len(state.complete) <= 1


@relaxed
@given(law=laws, keys=ids)
def test_nothing_new_costs_one_or_two_requests(
    law: ModelLaw, keys: list[int], tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = tmp_path_factory.mktemp("home")
    exchange = ModelExchange(law, keys)
    pull(home, exchange)
    pull(home, exchange)
    exchange.requests.clear()
    assert pull(home, exchange).error is None
    limit = 2 if law.cap >= len(keys) or law.keeps == "newest" else len(keys) // law.cap + 3
    assert len(exchange.requests) <= limit


@relaxed
@given(
    law=laws,
    openings=st.lists(st.integers(0, 3000), max_size=150, unique=True),
    gone=st.integers(0, 2000),
)
def test_any_law_of_times(
    law: ModelLaw, openings: list[int], gone: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = tmp_path_factory.mktemp("home")
    base = 1_700_000_100_000_000 // STEP * STEP
    exchange = ModelExchange(law, [base + o * STEP for o in openings], Cursor.TIME)
    stream = Stream("candles", symbol="BTC-USD", timeframe="5m")
    report = pull(home, exchange, stream, datetime(2023, 1, 1, tzinfo=UTC))
    assert report.error is None
    rows, state = held(home, stream)
    assert sorted(rows) == sorted(exchange.keys)
    if rows:
        (claimed,) = state.complete
        assert claimed.lower == 1_672_531_200_000_000
        assert claimed.upper == max(rows) + STEP


EXCLUSIVE = ModelLaw(cap=2, lower_inclusive=False, upper_inclusive=False)


@relaxed
@given(law=laws, share=st.integers(2, 5), keys=ids, later=ids)
@example(law=EXCLUSIVE, share=2, keys=[1], later=[1, 2])
@example(  # the ids of the answer that leaves out row 2 are in order by chance
    law=replace(EXCLUSIVE, cap=3),
    share=3,
    keys=[1],
    later=[1, 2, 5, 8, 11, 14, 17, 20, 23, 26, 28, 29],
)
def test_a_server_that_sorts_by_time_hides_no_row_of_a_moment(
    law: ModelLaw,
    share: int,
    keys: list[int],
    later: list[int],
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    home = tmp_path_factory.mktemp("home")
    law = replace(law, sorts_by_time=True, cap=law.cap + 3 * share)
    exchange = ModelExchange(law, keys, share=share)
    top = max(keys, default=0)
    for new in ([], [top + k for k in later], []):
        exchange.keys = [*exchange.keys, *new]
        assert pull(home, exchange).error is None
        rows, state = held(home)
        assert sorted(rows) == sorted(exchange.keys)
        assert not exchange.keys or [n for n, _ in spans(state)] == ["complete"]


@pytest.mark.parametrize("keeps", ["newest", "oldest"])
@pytest.mark.parametrize("ignored", ["lower", "upper", "both"])
def test_ignored_bounds_are_recognised(keeps: str, ignored: str, tmp_path: Path) -> None:
    law = ModelLaw(
        keeps=keeps,
        cap=20,
        ignores_lower=ignored in ("lower", "both"),
        ignores_upper=ignored in ("upper", "both"),
    )
    keys = list(range(10, 1000, 3))
    exchange = ModelExchange(law, keys)
    report = pull(tmp_path, exchange)
    assert len(exchange.requests) < 60
    rows, state = held(tmp_path)
    for interval in state.complete:
        claimed = {k for k in keys if interval.lower <= k < interval.upper}
        assert claimed <= set(rows)
    if sorted(rows) != keys:
        assert report.error is not None
        assert "ignores" in report.error


def test_rows_not_shown_twice_running_are_lost(tmp_path: Path) -> None:
    """A glitch is no loss: only what two pulls do not show, edges and all, is recorded so."""
    exchange = ModelExchange(ModelLaw(cap=20), list(range(100, 200)))
    start = datetime(2100, 1, 1, tzinfo=UTC)
    assert pull(tmp_path, exchange, start=start).error is None  # the newest page is enough
    oldest = min(held(tmp_path)[0])
    exchange.keys = list(range(oldest + 5, 230))  # the exchange drops its old rows
    first = pull(tmp_path, exchange)
    assert first.error is not None and "Pull again" in first.error
    assert held(tmp_path)[1].lost == ()
    second = pull(tmp_path, exchange)
    assert second.error is None and second.lost_found
    rows, state = held(tmp_path)
    # the first answer was cut off: it did not prove that ``oldest`` was alone in its moment
    assert [(i.lower, i.upper) for i in state.lost] == [(0, oldest + 1)]
    assert sorted(rows) == list(range(oldest, 230))
    third = pull(tmp_path, exchange)
    assert third.error is None and not third.lost_found


@pytest.mark.parametrize("keeps", ["newest", "oldest"])
@pytest.mark.parametrize("inclusive", [True, False])
def test_what_vanished_between_two_pulls_is_never_claimed(
    keeps: str, inclusive: bool, tmp_path: Path
) -> None:
    """The upper edge of the gap is shown, the lower one no more: what lay between is unknown."""
    law = ModelLaw(keeps=keeps, cap=20, lower_inclusive=inclusive, upper_inclusive=inclusive)
    exchange = ModelExchange(law, list(range(1, 101)))
    assert pull(tmp_path, exchange).error is None
    exchange.keys = list(range(700, 1001))  # 101 to 699 came and went
    first = pull(tmp_path, exchange)
    assert first.error is not None and "does not show rows" in first.error
    second = pull(tmp_path, exchange)
    assert second.error is None and second.lost_found
    rows, state = held(tmp_path)
    assert rows == [*range(1, 101), *range(700, 1001)]
    assert [(name, i.lower, i.upper) for name, i in spans(state)] == [
        ("complete", 0, 101),
        ("lost", 101, 700),
        ("complete", 700, 1001),
    ]
    third = pull(tmp_path, exchange)
    assert third.error is None and not third.lost_found


def test_late_rows_below_the_first_answer_do_not_hide_the_head(tmp_path: Path) -> None:
    """Rows that turn up below an answer do not show that it kept the newest end."""
    exchange = ModelExchange(ModelLaw(keeps="oldest", cap=10), list(range(50, 53)))
    fetch = exchange.fetch

    def late(stream: Stream, window: Window) -> Page:
        if len(exchange.requests) == 2:
            exchange.keys = [10, *exchange.keys]
        return fetch(stream, window)

    exchange.fetch = late  # type: ignore[method-assign]
    assert pull(tmp_path, exchange).error is None
    for top in (60, 75, 90):
        exchange.keys = [10, *range(50, top)]
        assert pull(tmp_path, exchange).error is None
        assert held(tmp_path)[0] == exchange.keys


def test_one_row_an_answer(tmp_path: Path) -> None:
    """Where an answer holds one row, nothing next to a held one is overlooked."""
    for number, (keeps, low, high) in enumerate(
        product(("newest", "oldest"), (True, False), (True, False))
    ):
        law = ModelLaw(keeps=keeps, cap=1, lower_inclusive=low, upper_inclusive=high)
        exchange = ModelExchange(law, [3, 4, 5, 9])
        home = tmp_path / str(number)
        assert pull(home, exchange).error is None
        assert held(home)[0] == exchange.keys
        exchange.keys += [10, 12, 13]
        assert pull(home, exchange).error is None
        assert held(home)[0] == exchange.keys


@pytest.mark.parametrize("keeps", ["newest", "oldest"])
def test_a_moment_larger_than_an_answer(keeps: str, tmp_path: Path) -> None:
    """What no answer shows whole is asked for in windows of few ids."""
    law = ModelLaw(keeps=keeps, cap=12, sorts_by_time=True)
    exchange = ModelExchange(law, list(range(1, 100)), share=40)
    for new in ([], list(range(100, 150)), []):
        exchange.keys += new
        assert pull(tmp_path, exchange).error is None
        rows, state = held(tmp_path)
        assert sorted(rows) == exchange.keys
        assert [n for n, _ in spans(state)] == ["complete"]
