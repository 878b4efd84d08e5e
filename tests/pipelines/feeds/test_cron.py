"""Cron schedules: what Dagster takes is taken, all else is a mistake."""

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise

import pytest

from pipelines.feeds import cron


@pytest.mark.parametrize(
    "text",
    [
        "* * * * *", "*/15 0-6 1,15 jan-mar mon", "0 0 * * 7", "5,10-20/3 4 * 12 SUN", "@daily",
        "59 23 31 12 0", "0-59/5 * * * mon-fri",
    ],
)  # fmt: skip
def test_cron_that_dagster_takes_too(text: str) -> None:
    from dagster._utils.schedules import is_valid_cron_schedule

    assert cron.problem(text) is None
    assert is_valid_cron_schedule(text)


@pytest.mark.parametrize(
    "text",
    [
        "", "*", "* * * * * *", "a * * * *", "60 * * * *", "* 24 * * *", "* * 0 * *",
        "* * * 13 *", "* * * * 8", "*/0 * * * *", "5-1 * * * *", "5/ * * * *", "1,,2 * * * *",
        "@sometimes", "* * * foo *", "-5 * * * *", "٣ * * * *",
    ],
)  # fmt: skip
def test_what_is_not_cron(text: str) -> None:
    assert cron.problem(text) is not None


@pytest.mark.parametrize(
    ("text", "ticks"),
    [
        ("* * * * *", 100), ("*/7 * * * *", 100), ("5,10 0,12 * * *", 100), ("@daily", 100),
        ("0 3 1,15 * mon", 300), ("*/30 9-17 * * 1-5", 300), ("0 0 31 * *", 60),
        ("0 0 29 2 *", 3), ("@yearly", 4),
    ],
)  # fmt: skip
def test_the_longest_pause_is_what_dagster_leaves(text: str, ticks: int) -> None:
    from dagster._utils.schedules import schedule_execution_time_iterator

    start = datetime(2024, 1, 1, tzinfo=UTC).timestamp()
    times = list(islice(schedule_execution_time_iterator(start, text, "UTC"), ticks))
    assert cron.longest_pause(text) == max((b - a for a, b in pairwise(times)), default=timedelta())
