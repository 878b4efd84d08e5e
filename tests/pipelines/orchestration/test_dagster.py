"""The Dagster definitions: assets, pools, schedules, and what the graph shows of them."""

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

import pipelines
from pipelines.orchestration.code import all_definitions
from schemas import DATASETS
from tests.pipelines.engine import EVERYTHING, FIVE, OFFERS, Engine, keys, marts_on


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
        keys("warehouse/trades", "warehouse/candles", "marts/candles_rebuilt")
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
    assert definitions.executor is dg.in_process_executor


def test_schedules(engine: Engine) -> None:
    definitions = all_definitions()
    names = {f"{exchange}_{name}" for exchange in OFFERS for name in FIVE}
    schedules = {s.name: s for s in definitions.schedules or []}
    by_the_hour = schedules.pop("report")
    assert isinstance(by_the_hour, dg.ScheduleDefinition)
    assert by_the_hour.cron_schedule == "0 * * * *"
    assert by_the_hour.default_status is dg.DefaultScheduleStatus.STOPPED
    nightly = schedules.pop("checks")
    assert nightly.default_status is dg.DefaultScheduleStatus.STOPPED
    assert set(schedules) == names
    for name, schedule in schedules.items():
        assert isinstance(schedule, dg.ScheduleDefinition)
        assert schedule.cron_schedule == "*/5 * * * *"
        assert schedule.execution_timezone == "UTC"
        assert schedule.default_status is dg.DefaultScheduleStatus.STOPPED
        exchange, dataset = name.split("_", 1)
        job = definitions.resolve_job_def(name)
        assert job.asset_layer.selected_asset_keys == set(
            keys(f"{exchange}/{dataset}", f"warehouse/{dataset}", *marts_on(dataset))
        )
    assert definitions.resolve_job_def("everything").asset_layer.selected_asset_keys == set(
        keys(*EVERYTHING)
    )


@pytest.mark.parametrize(
    ("status", "skips"),
    [
        (None, False),
        (dg.DagsterRunStatus.NOT_STARTED, True),
        (dg.DagsterRunStatus.STARTED, True),
        (dg.DagsterRunStatus.SUCCESS, False),
    ],
)
def test_a_tick_waits_for_the_last_run(
    engine: Engine, status: dg.DagsterRunStatus | None, skips: bool
) -> None:
    with dg.instance_for_test() as instance:
        check_ticks(instance, status, skips)


def check_ticks(
    instance: dg.DagsterInstance, status: dg.DagsterRunStatus | None, skips: bool
) -> None:
    definitions = all_definitions()
    if status:
        job = definitions.resolve_job_def("bitexbit_trades")
        instance.create_run_for_job(job, status=status)
    schedule = definitions.resolve_schedule_def("bitexbit_trades")
    now = datetime.now(UTC)
    with dg.build_schedule_context(instance, scheduled_execution_time=now) as context:
        answer = schedule.evaluate_tick(context)
    assert bool(answer.skip_message) is skips
    assert bool(answer.run_requests) is not skips
    # a run that has been going on for a day may be the ghost of a process that was killed
    later = now + timedelta(days=1)
    with dg.build_schedule_context(instance, scheduled_execution_time=later) as context:
        answer = schedule.evaluate_tick(context)
    assert bool(answer.run_requests) is (status is not dg.DagsterRunStatus.NOT_STARTED)


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
