"""Every asset that a schedule materializes says how old it may get."""

from datetime import timedelta
from pathlib import Path

import dagster as dg

from pipelines.orchestration.code import all_definitions
from tests.feeds import write_feed
from tests.pipelines.engine import EVERYTHING, FEED, Engine

MINUTE = timedelta(minutes=1)


def windows() -> dict[str, timedelta | None]:
    found: dict[str, timedelta | None] = {}
    for spec in all_definitions().resolve_all_asset_specs():
        policy = spec.freshness_policy
        name = spec.key.to_user_string()
        if policy is None:
            found[name] = None
            continue
        assert isinstance(policy, dg._core.definitions.freshness.TimeWindowFreshnessPolicy)
        assert policy.warn_window is not None
        found[name] = policy.fail_window.to_timedelta()
        assert MINUTE <= policy.warn_window.to_timedelta() < policy.fail_window.to_timedelta()
    return found


def test_every_asset_has_a_policy(engine: Engine) -> None:
    found = windows()
    assert set(found) == EVERYTHING
    marts = {found.pop(name) for name in EVERYTHING if name.startswith("marts/")}
    assert marts == {90 * MINUTE}  # hourly
    assert set(found.values()) == {20 * MINUTE}  # every five minutes


def test_the_most_frequent_schedule_counts(engine: Engine, tmp_path: Path) -> None:
    head = FEED.format(exchange="wex", account="main")
    every = "  trades: {schedule: '@daily'}\n  candles: {}\n  tickers: {schedule: '0 9 * * 1-5'}\n"
    write_feed(tmp_path, head + every, "wex")
    found = windows()
    assert found["wex/trades"] == timedelta(hours=36)
    assert found["wex/candles"] is None
    assert found["wex/tickers"] == timedelta(days=4, hours=12)  # a weekend, and half of it
    assert found["bitexbit/trades"] == found["warehouse/trades"] == 20 * MINUTE
    assert found["marts/vwap_daily"] == 90 * MINUTE
