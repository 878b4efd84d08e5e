"""The Dagster definitions around a stand-in engine; with the real one: test_dagster_real.py."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

import pipelines
from connectors.base import Cursor, Offer
from pipelines.feeds import Job
from pipelines.ingest import PublishReport, PullReport, StreamReport, TableState
from pipelines.orchestration.code import all_definitions
from pipelines.orchestration.marts import marts_of
from pipelines.report import Written
from pipelines.settings import Settings
from schemas import DATASETS, ConfigError, TidemarkError

FIVE = ("trades", "candles", "tickers", "account_trades", "account_transactions")
OFFERS = {
    "bitexbit": {name: Offer(Cursor.ID) for name in FIVE},
    "wex": {name: Offer(Cursor.ID) for name in FIVE} | {"candles": Offer(Cursor.DERIVED)},
}
FEED = """\
type: pipelines.components.ExchangeFeed
attributes:
  exchange: {exchange}
  account: {account}
  markets: [BTC-USD, ETH-USD]
  start: 2016-01-01
  datasets:
"""
EVERY = '    {}: {{schedule: "*/5 * * * *"}}\n'


@dataclass
class Engine:
    """Answers as the ingest engine does, and remembers what it was asked."""

    pulled: list[list[str]] = field(default_factory=list)
    published: list[list[str]] = field(default_factory=list)
    written: list[Path] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)
    notices: dict[str, str] = field(default_factory=dict)
    refuses: TidemarkError | None = None

    def pull(self, jobs: Sequence[Job], settings: Settings, on_progress: object) -> PullReport:
        if self.refuses:
            raise self.refuses
        self.pulled.append([job.name for job in jobs])
        return PullReport(
            [
                StreamReport(
                    job.exchange,
                    job.dataset,
                    "BTC-USD",
                    requests=2,
                    rows_added=7,
                    error=self.problems.get(job.name),
                    notice=self.notices.get(job.name),
                )
                for job in jobs
            ]
        )

    def publish(self, settings: Settings, datasets: Sequence[str]) -> PublishReport:
        self.published.append(sorted(datasets))
        tables = {name: TableState(rows=100, rows_added=7, files=3) for name in datasets}
        return PublishReport(tables, True, settings.home / "warehouse.duckdb")

    def write(self, home: Path) -> Written:
        self.written.append(home)
        if self.refuses:
            raise self.refuses
        return Written(home / "report.html", 2_000_000)

    def state(self, settings: Settings, exchange: str, dataset: str) -> TableState:
        newest = datetime.now(UTC) - timedelta(seconds=60)
        return TableState(rows=50, files=2, newest=newest, gaps=1, lost=0)


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Engine:
    found = Engine()
    for name in ("pull", "publish", "state"):
        monkeypatch.setattr(f"pipelines.ingest.{name}", getattr(found, name))
    monkeypatch.setattr("pipelines.report.write", found.write)
    monkeypatch.setattr("connectors.names", lambda: tuple(OFFERS))
    monkeypatch.setattr("connectors.offers", OFFERS.__getitem__)
    monkeypatch.setenv("TIDEMARK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TIDEMARK_FEEDS", str(tmp_path))
    for exchange in OFFERS:
        write(tmp_path, exchange, exchange, "main", FIVE)
    return found


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as found:
        yield found


def write(root: Path, feed: str, exchange: str, account: str, datasets: Sequence[str]) -> None:
    (root / feed).mkdir()
    text = FEED.format(exchange=exchange, account=account)
    (root / feed / "defs.yaml").write_text(text + "".join(EVERY.format(name) for name in datasets))


def keys(*names: str) -> list[dg.AssetKey]:
    return [dg.AssetKey(name.split("/")) for name in names]


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


MARTS = {f"marts/{mart.name}" for mart in marts_of(FIVE)}
TABLES = {f"{owner}/{name}" for owner in (*OFFERS, "warehouse") for name in FIVE}
EVERYTHING = TABLES | MARTS | {"marts/report"}


def marts_on(*datasets: str) -> set[str]:
    return {f"marts/{mart.name}" for mart in marts_of(datasets)}


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


def test_one_run_pulls_every_feed_once_and_publishes_once(
    engine: Engine, instance: dg.DagsterInstance
) -> None:
    engine.notices["wex/account_trades"] = "wex: public data only"
    result = run(instance)
    assert result.success
    assert sorted(engine.pulled) == [[f"{e}/{name}" for name in FIVE] for e in OFFERS]
    assert engine.published == [sorted(FIVE)]
    told = materialized(result)
    assert set(told) == EVERYTHING
    trades = told["bitexbit/trades"]
    assert trades["rows_added"] == 7
    assert trades["requests"] == 2
    assert trades["dagster/row_count"] == 50
    assert trades["files"] == 2
    assert trades["gaps"] == 1
    assert 60 <= trades["lag_seconds"] < 120
    assert trades["dagster/column_schema"].columns[0].name == "exchange"
    assert told["wex/account_trades"]["notices"] == "- wex: public data only"
    assert told["warehouse/trades"]["dagster/row_count"] == 100
    assert told["warehouse/trades"]["dagster/table_name"] == "warehouse.main.trades"


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
    told = materialized(run(instance, "marts/report"))["marts/report"]
    file = tmp_path / "home" / "report.html"
    assert engine.written == [file.parent]
    assert told == {"path": str(file), "page": file.as_uri(), "bytes": 2_000_000}
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
    write(tmp_path, "wex-desk", "wex", "desk", ["account_trades"])
    definitions = all_definitions()
    assert "wex_desk_account_trades" in {s.name for s in definitions.schedules or []}
    assert run(instance, "wex/account_trades", "warehouse/account_trades").success
    assert engine.pulled.pop() == ["wex/account_trades", "wex-desk/account_trades"]
    job = definitions.resolve_job_def("wex_desk_account_trades")
    assert job.execute_in_process(instance=instance).success
    assert engine.pulled.pop() == ["wex-desk/account_trades"]


def test_a_mistake_in_a_feed_is_said_with_its_line(engine: Engine, tmp_path: Path) -> None:
    file = tmp_path / "wex" / "defs.yaml"
    file.write_text(file.read_text().replace("markets", "market"))
    with pytest.raises(ConfigError, match=r"wex/defs\.yaml:5: unknown key 'market'"):
        all_definitions()


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
