"""How numbers, times and progress are written."""

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest

from pipelines.ingest.report import StreamProgress
from pipelines.output.formatting import age, instant, number
from pipelines.progress import PlainLines
from schemas.wording import count


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("433.000000000000", "433"),
        ("0.006928410000", "0.00692841"),
        ("1E+3", "1000"),
        ("1E-12", "0.000000000001"),
        ("-0.50", "-0.5"),
        ("100", "100"),
        ("0E-12", "0"),
    ],
)
def test_decimals_are_exact_and_plain(value: str, text: str) -> None:
    assert number(Decimal(value)) == text


def test_times_are_utc() -> None:
    berlin = timezone(timedelta(hours=2))
    assert instant(datetime(2024, 8, 9, 2, 0, 0, 120000, berlin)) == "2024-08-09 00:00:00.12Z"
    assert instant(datetime(2024, 8, 9, tzinfo=UTC), "T") == "2024-08-09T00:00:00Z"
    assert instant(datetime(2024, 8, 10)) == "2024-08-10 00:00:00"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-3, "0 s"), (59, "59 s"), (60, "1 min"), (3_725, "1 h 2 min"), (90_000, "1 d 1 h")],
)
def test_ages(seconds: int, text: str) -> None:
    assert age(timedelta(seconds=seconds)) == text


def test_counts() -> None:
    assert [count(n, "row") for n in (0, 1, 12_345)] == ["0 rows", "1 row", "12,345 rows"]


def test_plain_progress_speaks_at_the_end_and_now_and_then(
    capsys: pytest.CaptureFixture[str],
) -> None:
    now = [0.0]
    report = PlainLines(clock=lambda: now[0])

    def progress(rows: int, done: bool = False) -> None:
        oldest = datetime(2019, 10, 11, tzinfo=UTC)
        report(StreamProgress("bitexbit", "trades", "BTC-USD", rows, rows, oldest, done))

    progress(1)
    now[0] = 9.0
    progress(2)
    now[0] = 10.0
    progress(3)
    now[0] = 11.0
    progress(4)
    progress(5, done=True)
    assert capsys.readouterr().err.splitlines() == [
        "bitexbit/trades BTC-USD: 3 rows, 3 requests, back to 2019-10-11 00:00",
        "bitexbit/trades BTC-USD: 5 rows, 5 requests, back to 2019-10-11 00:00, done",
    ]
