"""A pull with a time budget ends cleanly; pulls after it fetch the rest."""

from pathlib import Path

import pytest

import warehouse
from connectors.base import Cursor
from connectors.local import NoLimits
from pipelines.feeds import load_feeds, select_jobs
from pipelines.ingest import Budget, PullReport, pull
from pipelines.ingest.budget import OutOfTimeError
from pipelines.ingest.session import Session
from pipelines.publishing import publish
from sandbox import Served
from schemas import StreamId
from tests.pipelines.ingest.conftest import settings_for
from tests.pipelines.ingest.reference_model import tape_of, trades_of
from warehouse.store import stream_lock

TRADES = "bitexbit/trades"
BITCOIN = StreamId("bitexbit", "trades", symbol="BTC-USD")


@pytest.fixture
def days() -> int:
    """The history takes more than ten requests."""
    return 3


def bounded(exchange: Served, home: Path, *select: str, **times: float) -> PullReport:
    budget = Budget(times.get("seconds", 60), times.get("stream_seconds", 60))
    jobs = select_jobs(load_feeds(), select or [TRADES])
    return pull(jobs, settings_for(exchange, home), None, NoLimits(), budget=budget)


def test_a_pull_without_time_stores_what_is_short(exchange: Served, home: Path) -> None:
    report = bounded(exchange, home, "bitexbit", seconds=0)
    unfinished = {s.dataset for s in report.streams if s.unfinished}
    assert {"trades", "candles", "account_trades"} <= unfinished
    assert not unfinished & {"tickers", "markets", "order_books", "balances"}
    assert report.errors == []
    assert all(s.rows_added for s in report.streams if s.dataset == "tickers")


@pytest.fixture
def few_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    """The time of every stream is over after ten requests."""

    def keep_going(session: Session) -> None:
        if session.report.requests >= 10:
            raise OutOfTimeError("out of time")

    monkeypatch.setattr(Session, "keep_going", keep_going)


def test_pulls_of_a_few_requests_fetch_everything(
    exchange: Served, home: Path, few_requests: None
) -> None:
    for _ in range(40):
        report = bounded(exchange, home)
        assert report.errors == []
        if not any(stream.unfinished for stream in report.streams):
            break
    else:
        pytest.fail("pulls of ten requests make no progress")
    publish(settings_for(exchange, home))
    for symbol in ("BTC-USD", "ETH-USD"):
        assert trades_of(home, "bitexbit", symbol) == tape_of(exchange, symbol)


def test_the_newest_rows_count_as_asked_for(
    exchange: Served, home: Path, few_requests: None
) -> None:
    report = bounded(exchange, home)
    assert all(stream.unfinished for stream in report.streams)
    statuses = [s for s in warehouse.status(home) if s.stream.dataset == "trades"]
    assert statuses and all(s.state.checked_at and s.gaps for s in statuses)


def test_a_stream_that_another_pull_holds_is_left_to_it(exchange: Served, home: Path) -> None:
    with stream_lock(home, BITCOIN):
        report = bounded(exchange, home)
    assert {s.stream: s.unfinished for s in report.streams} == {"BTC-USD": True, "ETH-USD": False}
    assert report.errors == []


def test_numbered_pages_are_read_to_their_end_where_there_is_time() -> None:
    assert Budget(10, 10, whole_walks=True).stream_ends_at(Cursor.PAGES) is None
    assert Budget(10, 10).stream_ends_at(Cursor.PAGES) is not None
    assert Budget(10, 10, whole_walks=True).stream_ends_at(Cursor.ID) is not None


def test_reports_of_pieces_are_one(exchange: Served, home: Path) -> None:
    first = bounded(exchange, home, seconds=0)
    second = bounded(exchange, home)
    whole = first.merged(second)
    assert {s.stream: s.rows_added for s in whole.streams} == {
        s.stream: s.rows_added for s in second.streams
    }
    assert not any(stream.unfinished for stream in whole.streams)
