"""Runs in Dagster around a stand-in engine: what they pull, publish, report, and how they fail."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from pipelines.orchestration.code import all_definitions
from schemas import ConfigError, TidemarkError
from tests.pipelines.engine import EVERYTHING, FIVE, OFFERS, Engine, declare, keys, marts_on


def run(instance: dg.DagsterInstance, *names: str, **tags: str) -> dg.ExecuteInProcessResult:
    job = all_definitions().resolve_job_def("everything")
    return job.execute_in_process(
        instance=instance,
        asset_selection=keys(*names) or None,
        raise_on_error=False,
        tags={name.replace("_", "/"): value for name, value in tags.items()},
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
    assert recorded["warehouse/trades"]["dagster/table_name"] == "warehouse.main.trades"


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
    assert engine.pulled == [["bitexbit/trades"], ["wex/trades"]]
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
    definitions = all_definitions()
    assert "wex_desk_account_trades" in {s.name for s in definitions.schedules or []}
    assert run(instance, "wex/account_trades", "warehouse/account_trades").success
    assert engine.pulled.pop() == ["wex/account_trades", "wex-desk/account_trades"]
    job = definitions.resolve_job_def("wex_desk_account_trades")
    assert job.execute_in_process(instance=instance).success
    assert engine.pulled.pop() == ["wex-desk/account_trades"]


def fetch_again(instance: dg.DagsterInstance, **config: str) -> dg.ExecuteInProcessResult:
    job = all_definitions().resolve_job_def("everything")
    return job.execute_in_process(
        instance=instance,
        asset_selection=keys("bitexbit/trades"),
        raise_on_error=False,
        run_config={"ops": {"pull_bitexbit": {"config": config}}},
    )


def test_a_run_can_fetch_a_stretch_again(engine: Engine, instance: dg.DagsterInstance) -> None:
    result = fetch_again(instance, **{"from": "2026-01-10", "to": "2026-01-12"})
    assert result.success
    assert engine.again == [(1_768_003_200_000_000, 1_768_176_000_000_000)]
    recorded = materialized(result)["bitexbit/trades"]
    assert (recorded["rows_refetched"], recorded["rows_different"]) == (40, 2)


def test_a_wrong_stretch_pulls_nothing(engine: Engine, instance: dg.DagsterInstance) -> None:
    result = fetch_again(instance, **{"from": "2026-01-10", "to": "2026-01-09"})
    assert not result.success
    assert engine.pulled == []
