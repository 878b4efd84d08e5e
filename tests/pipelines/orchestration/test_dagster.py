"""The Dagster definitions: assets, pools, schedules, and what the graph shows of them."""

import sys
from pathlib import Path

import dagster as dg
import pytest

import pipelines
from pipelines.orchestration.code import all_definitions
from schemas import DATASETS, ConfigError
from tests.pipelines.engine import EVERYTHING, Engine, keys


def test_assets(engine: Engine) -> None:
    graph = all_definitions().resolve_asset_graph()
    assert {key.to_user_string() for key in graph.get_all_asset_keys()} == EVERYTHING
    (trades,) = keys("warehouse/trades")
    assert graph.get(trades).parent_keys == set(keys("bitexbit/trades", "wex/trades"))
    (candles,) = keys("wex/candles")  # built from trades, because WEX has none
    assert graph.get(candles).parent_keys == set(keys("wex/trades"))
    assert not graph.get(keys("bitexbit/candles")[0]).parent_keys
    (daily, compared, fees) = keys(
        "marts/vwap_daily", "marts/candles_compared", "marts/fees_monthly"
    )
    assert graph.get(daily).parent_keys == set(keys("warehouse/trades"))
    assert graph.get(compared).parent_keys == set(
        keys("marts/trades_proved", "warehouse/candles", "marts/candles_rebuilt")
    )
    assert graph.get(fees).parent_keys == set(keys("marts/fills"))
    assert "marts/book_depth" not in EVERYTHING  # nobody collects order books here


def test_what_the_graph_shows(engine: Engine) -> None:
    for spec in all_definitions().resolve_all_asset_specs():
        if spec.key == dg.AssetKey(["marts", "report"]):
            assert (spec.group_name, spec.kinds) == ("marts", {"html"})
            continue
        schema = spec.metadata["dagster/column_schema"]
        assert all(column.description for column in schema.columns)
        if spec.group_name == "marts":
            assert spec.kinds == {"duckdb", "sql"}
            continue
        dataset = DATASETS[spec.key.path[-1]]
        assert [c.name for c in schema.columns] == dataset.schema.names
        assert dataset.description in (spec.description or "")
        assert spec.group_name == spec.key.path[0]
        assert spec.kinds & {"parquet", "duckdb"}
        assert spec.owners


def test_a_pool_per_exchange_and_one_process(engine: Engine) -> None:
    definitions = all_definitions()
    pools = {a.op.name: a.op.pool for a in definitions.assets or [] if hasattr(a, "op")}
    assert pools == {
        "pull_bitexbit": "bitexbit",
        "pull_wex": "wex",
        "publish": None,
        "marts__report": None,
    }
    assert isinstance(definitions.executor, dg.ExecutorDefinition)
    assert definitions.executor.name == "in_process"


def test_the_executor_is_a_setting(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEMARK_EXECUTOR", "multiprocess")
    found = all_definitions().executor
    assert isinstance(found, dg.ExecutorDefinition) and found.name == "multiprocess"
    monkeypatch.setenv("TIDEMARK_EXECUTOR", "celery")
    with pytest.raises(ConfigError, match="CELERY_BROKER_URL is not set in the environment"):
        all_definitions()
    monkeypatch.setenv("CELERY_BROKER_URL", "redis://:s3cret@127.0.0.1:1/0")
    with pytest.raises(ConfigError, match="CELERY_RESULT_BACKEND is not set in the environment"):
        all_definitions()
    monkeypatch.setenv("CELERY_RESULT_BACKEND", "redis://:s3cret@127.0.0.1:1/0")
    found = all_definitions().executor
    assert isinstance(found, dg.ExecutorDefinition) and found.name == "celery"
    monkeypatch.setitem(sys.modules, "dagster_celery", None)  # as if it were not installed
    with pytest.raises(ConfigError, match=r"pip install 'tidemark\[celery\]'"):
        all_definitions()
    monkeypatch.setenv("TIDEMARK_EXECUTOR", "threads")
    with pytest.raises(ConfigError, match="TIDEMARK_EXECUTOR is 'threads'"):
        all_definitions()


def test_few_schedules(engine: Engine) -> None:
    definitions = all_definitions()
    schedules = {s.name: s for s in definitions.schedules or []}
    assert set(schedules) == {"collect", "report", "maintenance", "checks"}
    crons = {
        "collect": ["*/5 * * * *"],
        "report": "0 * * * *",
        "maintenance": "37 * * * *",
        "checks": "30 3 * * *",
    }
    for name, schedule in schedules.items():
        assert isinstance(schedule, dg.ScheduleDefinition)
        assert schedule.cron_schedule == crons[name]
        assert schedule.execution_timezone == "UTC"
        running = schedule.default_status is dg.DefaultScheduleStatus.RUNNING
        assert running is (name in ("maintenance", "checks"))  # which call no exchange
    every = definitions.resolve_job_def("everything").asset_layer.selected_asset_keys
    assert every == set(keys(*EVERYTHING))
    collected = definitions.resolve_job_def("collect").asset_layer.selected_asset_keys
    assert collected == every - set(keys("marts/report"))


def test_an_installed_package_has_the_assets_of_a_clone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    cloned = {spec.key for spec in all_definitions().resolve_all_asset_specs()}
    monkeypatch.setattr("pipelines.orchestration.code.PROJECT", tmp_path / "pyproject.toml")
    assert {spec.key for spec in all_definitions().resolve_all_asset_specs()} == cloned


def test_without_the_extra_there_is_no_report(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "jinja2", None)  # as if it were not installed
    definitions = all_definitions()
    names = {spec.key.to_user_string() for spec in definitions.resolve_all_asset_specs()}
    assert names == EVERYTHING - {"marts/report"}
    assert not any(schedule.name == "report" for schedule in definitions.schedules or [])


def test_dagster_yaml(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything lands below data/dagster of the working folder; pools, telemetry as wanted."""
    monkeypatch.chdir(tmp_path)
    top = Path(pipelines.__file__).parents[1]
    reference = dg._core.instance.InstanceRef.from_dir(str(tmp_path), config_dir=str(top))
    with dg.DagsterInstance.from_ref(reference) as instance:
        assert not instance.telemetry_enabled
        assert not instance.nux_enabled
        pools = instance.get_concurrency_config().pool_config
        assert pools.pool_granularity is dg._core.instance.config.PoolGranularity.RUN
        assert pools.default_pool_limit == 5
        assert instance.run_monitoring_settings["free_slots_after_run_end_seconds"] == 60
        instance.get_runs(limit=1)
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["dagster"]
