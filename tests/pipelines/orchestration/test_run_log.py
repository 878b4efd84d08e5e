"""What the log of a run says of a long pull."""

from datetime import UTC, datetime
from pathlib import Path

from pipelines.feeds import jobs, load_feeds
from pipelines.ingest import StreamProgress
from pipelines.orchestration.run_log import RunLog
from tests.feeds import write_feed

FEED = "exchange: bitexbit\nmarkets: [BTC-USD]\nstart: 2026-01-01\ndatasets: {trades: {}}"


def test_long_streams_show_rows_requests_and_time_left(tmp_path: Path) -> None:
    lines: list[str] = []
    now = [0.0]
    log = RunLog(jobs(load_feeds(write_feed(tmp_path, FEED))), lines.append, lambda: now[0])

    def report(day: int, rows: int, requests: int, done: bool = False, at: float = 0) -> None:
        now[0] = at
        oldest = None if done else datetime(2026, 1, day, tzinfo=UTC)
        log(StreamProgress("bitexbit", "trades", "BTC-USD", rows, requests, oldest, done))

    report(31, 1000, 1)
    report(30, 2000, 2, at=5)
    assert lines == []
    report(21, 10_000, 10, at=60)
    report(20, 11_000, 11, at=62)
    report(20, 12_000, 12, done=True, at=70)
    assert lines == [
        "bitexbit/trades BTC-USD: 10,000 rows, 10 requests, back to 2026-01-21 00:00, "
        "at most 2 min left",
        "bitexbit/trades BTC-USD: 12,000 rows, 12 requests, done for now",
    ]


def test_short_streams_are_not_worth_a_line(tmp_path: Path) -> None:
    lines: list[str] = []
    log = RunLog(jobs(load_feeds(write_feed(tmp_path, FEED))), lines.append)
    log(StreamProgress("bitexbit", "trades", "BTC-USD", 3, 1, None, True))
    assert lines == []
