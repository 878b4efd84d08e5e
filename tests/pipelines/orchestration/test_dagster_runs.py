"""Runs in Dagster around a stand-in engine: what they pull, publish, report, and how they fail."""

import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from pipelines.orchestration.code import all_definitions
from schemas import ConfigError, TidemarkError
from tests.pipelines.engine import EVERYTHING, FIVE, OFFERS, Engine, declare, keys, marts_on


def run(instance: dg.DagsterInstance, *names: str) -> dg.ExecuteInProcessResult:
    job = all_definitions().resolve_job_def("everything")
    return job.execute_in_process(
        instance=instance,
        asset_selection=keys(*names) or None,
        raise_on_error=False,
    )


def materialized(result: dg.ExecuteInProcessResult) -> dict[str, Mapping[str, Any]]:
    found: dict[str, Mapping[str, Any]] = {}
    for event in result.get_asset_materialization_events():
        assert event.asset_key is not None
        values = event.step_materialization_data.materialization.metadata
        found[event.asset_key.to_user_string()] = {n: v.value for n, v in values.items()}
    return found


def test_one_run_pulls_every_feed_once_and_publishes_once(
    engine: Engine, instance: dg.DagsterInstance
) -> None:
    engine.notices["wex/account_trades"] = "wex: public data only"
    result = run(instance)
    assert result.success
    assert sorted(engine.pulled) == [[f"{e}/{name}" for name in FIVE] for e in OFFERS]
    assert engine.published == [sorted(FIVE)]
    recorded = materialized(result)
    assert set(recorded) == EVERYTHING
    trades = recorded["bitexbit/trades"]
    assert trades["rows_added"] == 7
    assert trades["requests"] == 2
    assert trades["dagster/row_count"] == 50
    assert trades["files"] == 2
    assert trades["gaps"] == 1
    assert 60 <= trades["lag_seconds"] < 120
    spec = (
        all_definitions()
        .get_assets_def(keys("bitexbit/trades")[0])
        .get_asset_spec(keys("bitexbit/trades")[0])
    )
    assert spec.metadata["dagster/column_schema"].columns[0].name == "exchange"
    assert recorded["wex/account_trades"]["notices"] == "- wex: public data only"
    assert recorded["warehouse/trades"]["dagster/row_count"] == 100


def test_a_part_of_the_assets(engine: Engine, instance: dg.DagsterInstance) -> None:
    result = run(instance, "bitexbit/trades", "bitexbit/tickers", "warehouse/trades")
    assert result.success
    assert engine.pulled == [["bitexbit/trades", "bitexbit/tickers"]]
    # what has no table in the run is published by the pull itself, as `tidemark pull` does
    assert engine.published == [["tickers"], ["trades"]]
    assert set(materialized(result)) == {
        *("bitexbit/trades", "bitexbit/tickers", "warehouse/trades", "warehouse/tickers"),
        *marts_on("tickers"),
    }


def test_a_failure_comes_after_everything_is_stored_and_published(
    engine: Engine, instance: dg.DagsterInstance
) -> None:
    engine.problems["bitexbit/candles"] = "the exchange says no"
    result = run(instance)
    assert not result.success
    assert len(engine.pulled) == 2
    assert engine.published[-1] == sorted(FIVE)
    missing = {"bitexbit/candles", "marts/report"}  # Dagster skips what lies downstream
    assert set(materialized(result)) == EVERYTHING - missing
    (event,) = result.filter_events(lambda e: e.is_step_failure)
    failure = event.step_failure_data.user_failure_data
    assert failure is not None
    assert failure.description == "bitexbit/candles BTC-USD: the exchange says no"


def test_what_is_pulled_after_a_failure_is_published_too(
    engine: Engine, instance: dg.DagsterInstance
) -> None:
    # bitexbit's step comes first, and Dagster then skips the publish step of the run
    engine.problems["bitexbit/trades"] = "no"
    run(instance, "bitexbit/trades", "wex/trades", "warehouse/trades")
    assert sorted(engine.pulled) == [["bitexbit/trades"], ["wex/trades"]]
    assert engine.published == [["trades"], ["trades"]]


def test_the_report_is_linked(engine: Engine, instance: dg.DagsterInstance, tmp_path: Path) -> None:
    graph = all_definitions().resolve_asset_graph()
    (page,) = keys("marts/report")
    assert graph.get(page).parent_keys >= set(
        keys("warehouse/trades", "warehouse/candles", "marts/health", "marts/reconciliation")
    )
    recorded = materialized(run(instance, "marts/report"))["marts/report"]
    file = tmp_path / "home" / "report.html"
    assert engine.written == [file.parent]
    assert recorded == {
        "path": str(file),
        "bytes": 2_000_000,
        "written": pytest.approx(time.time(), abs=60),
    }
    engine.refuses = TidemarkError("nothing is published yet")
    (event,) = run(instance, "marts/report").filter_events(lambda e: e.is_step_failure)
    failure = event.step_failure_data.user_failure_data
    assert failure is not None and failure.description == "nothing is published yet"


def test_wrong_configuration_is_one_message(engine: Engine, instance: dg.DagsterInstance) -> None:
    engine.refuses = ConfigError("WEX_API_SECRET is not set, but WEX_API_KEY is")
    result = run(instance, "wex/account_trades")
    (event,) = result.filter_events(lambda e: e.is_step_failure)
    failure = event.step_failure_data.user_failure_data
    assert failure is not None
    assert failure.description == "WEX_API_SECRET is not set, but WEX_API_KEY is"


def test_two_accounts_share_one_asset(
    engine: Engine, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    declare(tmp_path, "wex-desk", "wex", "desk", ["account_trades"])
    assert run(instance, "wex/account_trades", "warehouse/account_trades").success
    assert engine.pulled.pop() == ["wex/account_trades", "wex-desk/account_trades"]
    assert pull(instance, "wex/account_trades", select=["wex-desk"]).success
    assert engine.pulled.pop() == ["wex-desk/account_trades"]


def pull(
    instance: dg.DagsterInstance, asset: str = "bitexbit/trades", **config: object
) -> dg.ExecuteInProcessResult:
    """Pull one dataset with the run configuration of the launchpad."""
    job = all_definitions().resolve_job_def("collect")
    step = f"pull_{asset.partition('/')[0]}"
    return job.execute_in_process(
        instance=instance,
        asset_selection=keys(asset),
        raise_on_error=False,
        run_config={"ops": {step: {"config": config}}},
    )


def test_a_run_can_fetch_a_stretch_again(engine: Engine, instance: dg.DagsterInstance) -> None:
    result = pull(instance, **{"from": "2026-01-10", "to": "2026-01-12"})
    assert result.success
    assert engine.again == [(1_768_003_200_000_000, 1_768_176_000_000_000)]
    recorded = materialized(result)["bitexbit/trades"]
    assert (recorded["rows_refetched"], recorded["rows_different"]) == (40, 2)


def test_a_wrong_stretch_pulls_nothing(engine: Engine, instance: dg.DagsterInstance) -> None:
    result = pull(instance, **{"from": "2026-01-10", "to": "2026-01-09"})
    assert not result.success
    assert engine.pulled == []


def failure(result: dg.ExecuteInProcessResult) -> str | None:
    """What the one failed step reports."""
    (event,) = result.filter_events(lambda e: e.is_step_failure)
    data = event.step_failure_data.user_failure_data
    return data.description if data else None


def test_a_run_can_pull_one_market(engine: Engine, instance: dg.DagsterInstance) -> None:
    assert pull(instance, markets=["eth_usd"]).success
    assert engine.markets == [("ETH-USD",)]
    text = failure(pull(instance, markets=["DOGE-USD"]))
    assert text == (
        "none of these feeds collects the market DOGE-USD\nFix: name one of: BTC-USD, ETH-USD"
    )
    assert len(engine.pulled) == 1


def test_a_scheduled_run_has_a_budget(engine: Engine, instance: dg.DagsterInstance) -> None:
    engine.unfinished = {"bitexbit/trades"}
    result = pull(instance, seconds=40)
    assert result.success  # being out of time is no failure
    (budget,) = engine.budgets
    assert budget is not None
    assert (budget.seconds, budget.stream_seconds, budget.whole_walks) == (40, 20, False)
    assert materialized(result)["bitexbit/trades"]["streams_unfinished"] == 1


def test_a_backfill_pulls_in_pieces_until_all_is_held(
    engine: Engine, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine.unfinished = {"bitexbit/trades"}
    pieces = iter([None, lambda: engine.unfinished.clear()])
    real = engine.pull

    def counted(*args: Any, **named: Any) -> Any:
        (next(pieces) or (lambda: None))()
        return real(*args, **named)

    monkeypatch.setattr("pipelines.ingest.pull", counted)
    result = pull(instance, seconds=600, backfill=True)
    assert len(engine.pulled) == 2
    assert engine.markets == [("BTC-USD", "ETH-USD"), ("BTC-USD",)]  # what is left alone
    assert all(b is not None and b.whole_walks and b.stream_seconds == 30 for b in engine.budgets)
    recorded = materialized(result)["bitexbit/trades"]
    assert (recorded["rows_added"], recorded["streams_unfinished"]) == (14, 0)


def test_a_backfill_ends_with_its_time(engine: Engine, instance: dg.DagsterInstance) -> None:
    engine.unfinished = {"bitexbit/trades"}
    result = pull(instance, seconds=1, backfill=True)
    assert result.success
    assert materialized(result)["bitexbit/trades"]["streams_unfinished"] == 1


def test_exchanges_are_pulled_side_by_side(
    engine: Engine, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    both = threading.Barrier(2, timeout=20)
    real = engine.pull

    def together(*args: Any, **named: Any) -> Any:
        both.wait()  # passes only where the other exchange is being pulled as well
        return real(*args, **named)

    monkeypatch.setattr("pipelines.ingest.pull", together)
    assert run(instance, "bitexbit/trades", "wex/trades", "warehouse/trades").success
    assert sorted(engine.pulled) == [["bitexbit/trades"], ["wex/trades"]]


def test_a_mistake_in_the_configuration_of_one_exchange_is_its_own(
    engine: Engine, instance: dg.DagsterInstance
) -> None:
    job = all_definitions().resolve_job_def("collect")
    result = job.execute_in_process(
        instance=instance,
        asset_selection=keys("bitexbit/trades", "wex/trades"),
        raise_on_error=False,
        run_config={"ops": {"pull_wex": {"config": {"markets": ["NO-SUCH"]}}}},
    )
    assert engine.pulled == [["bitexbit/trades"]]
    assert "NO-SUCH" in (failure(result) or "")
