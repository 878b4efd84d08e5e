"""Cron schedules: what Dagster takes is taken, all else is a mistake."""

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
