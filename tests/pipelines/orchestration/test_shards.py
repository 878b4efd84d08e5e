"""A feed in shards: a step each in Dagster, and the same assets, rows and configuration."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

import warehouse
from connectors.local import NoLimits
from pipelines.feeds import Shard, jobs, load_feeds, select_jobs
from pipelines.ingest import PullReport
from pipelines.ingest import pull as engine_pull
from pipelines.orchestration.code import all_definitions
from pipelines.publishing import publish
from pipelines.settings import Settings
from sandbox import Served
from tests.feeds import write_feed
from tests.pipelines.engine import EVERYTHING, FIVE, Engine, keys
from tests.pipelines.ingest.conftest import settings_for
from tests.pipelines.orchestration.test_dagster_runs import materialized, pull, run

WEX = """\
exchange: wex
markets: {markets}
shards: {shards}
start: 2016-01-01
datasets:
  trades: {{schedule: "* * * * *"}}
  candles: {{schedule: "* * * * *", timeframes: [1h]}}
  tickers: {{schedule: "* * * * *"}}
  markets: {{schedule: "* * * * *"}}
  account_trades: {{schedule: "* * * * *"}}
  balances: {{schedule: "* * * * *"}}
"""
COLLECTED = ("trades", "candles", "tickers", "markets", "account_trades", "balances")


def shard(engine_root: Path, feed: str, number: int) -> None:
    """Divide one of the stand-in engine's feeds."""
    path = engine_root / feed / "defs.yaml"
    path.write_text(path.read_text().replace("  start:", f"  shards: {number}\n  start:"))


def steps(definitions: dg.Definitions, asset: str) -> list[dg.OpDefinition]:
    graph = definitions.get_assets_def(keys(asset)[0]).node_def
    assert isinstance(graph, dg.GraphDefinition)
    return [op for op in graph.node_defs if isinstance(op, dg.OpDefinition)]


def failures(result: dg.ExecuteInProcessResult) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for event in result.filter_events(lambda e: e.is_step_failure):
        failure = event.step_failure_data.user_failure_data
        found[str(event.step_key)] = failure.description if failure else None
    return found


def test_the_assets_are_those_of_an_undivided_feed(engine: Engine, tmp_path: Path) -> None:
    before = all_definitions()
    shard(tmp_path, "wex", 3)
    shard(tmp_path, "bitexbit", 1)
    after = all_definitions()
    specs = {spec.key: spec for spec in before.resolve_all_asset_specs()}
    divided = {spec.key: spec for spec in after.resolve_all_asset_specs()}
    assert divided.keys() == specs.keys() == set(keys(*EVERYTHING))
    for key, spec in specs.items():
        other = divided[key]
        assert {dep.asset_key for dep in other.deps} == {dep.asset_key for dep in spec.deps}
        assert other.description == spec.description and other.metadata == spec.metadata
        assert (other.group_name, other.kinds, other.owners, other.freshness_policy) == (
            *(spec.group_name, spec.kinds, spec.owners, spec.freshness_policy),
        )
    assert [s.name for s in after.schedules or []] == [s.name for s in before.schedules or []]
    # the step that only records needs no place in the pool
    assert {op.pool for op in steps(after, "wex/trades")} == {"wex", None}


def test_each_shard_is_a_step_and_the_assets_are_recorded_once(
    engine: Engine, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    shard(tmp_path, "wex", 3)
    result = run(instance)
    assert result.success
    assert sorted(str(s) for s in engine.shards) == sorted(
        ["None", *(str(Shard(number, 3)) for number in (1, 2, 3))]
    )
    assert engine.published == [sorted(FIVE)]
    recorded = materialized(result)
    assert set(recorded) == EVERYTHING
    assert recorded["wex/trades"]["rows_added"] == 3 * 7
    assert recorded["wex/trades"]["requests"] == 3 * 2
    assert recorded["wex/trades"]["dagster/row_count"] == 50
    assert recorded["bitexbit/trades"]["rows_added"] == 7
    events = [e.asset_key for e in result.get_asset_materialization_events()]
    assert len(events) == len(set(events))


def test_run_configuration_is_that_of_an_undivided_feed(
    engine: Engine, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    shard(tmp_path, "bitexbit", 2)
    assert pull(instance, markets=["ETH-USD"], **{"from": "2026-01-10", "to": "2026-01-11"}).success
    assert engine.markets == [("ETH-USD",)] * 2 and len(set(engine.again)) == 1
    assert engine.again[0] is not None
    assert pull(instance, seconds=40).success
    assert all(budget is not None for budget in engine.budgets[2:])


def test_a_back_fill_goes_on_with_what_is_left_of_the_shard(
    engine: Engine, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    """Not with what a second division of the rest would leave."""
    shard(tmp_path, "bitexbit", 2)
    engine.unfinished = {"bitexbit/trades"}
    assert pull(instance, seconds=2, backfill=True).success
    asked = list(zip(engine.shards, engine.markets, strict=True))
    whole = ("BTC-USD", "ETH-USD")
    assert {(Shard(1, 2), whole), (Shard(2, 2), whole), (None, ("BTC-USD",))} == set(asked)


def test_a_part_of_the_assets(engine: Engine, instance: dg.DagsterInstance, tmp_path: Path) -> None:
    shard(tmp_path, "bitexbit", 2)
    result = run(instance, "bitexbit/trades", "bitexbit/tickers", "warehouse/trades")
    assert result.success
    assert engine.pulled == [["bitexbit/trades", "bitexbit/tickers"]] * 2
    assert engine.published == [["tickers"], ["trades"]]


def test_a_shard_fails_alone(engine: Engine, instance: dg.DagsterInstance, tmp_path: Path) -> None:
    """Its problem is the run's, what the others brought is recorded and published."""
    shard(tmp_path, "wex", 3)
    engine.problems["wex/candles 2"] = "the exchange says no"
    engine.unfinished = {"wex/trades"}
    result = run(instance)
    assert not result.success
    assert failures(result) == {"pull_wex.shard_2": "wex/candles BTC-USD: the exchange says no"}
    succeeded = {e.step_key for e in result.filter_events(lambda e: e.is_step_success)}
    assert {"pull_wex.shard_1", "pull_wex.shard_3"} <= succeeded
    assert len(engine.pulled) == 4
    assert engine.published[-1] == sorted(FIVE)
    recorded = materialized(result)  # the last of each
    assert recorded["wex/trades"]["rows_added"] == 3 * 7
    assert recorded["wex/trades"]["streams_unfinished"] == 3
    assert "the exchange says no" in str(recorded["wex/candles"]["problems"])
    assert set(recorded) == EVERYTHING - {"marts/report"}


def test_the_largest_number_of_feeds_that_share_an_asset_counts(
    engine: Engine, tmp_path: Path
) -> None:
    write_feed(
        tmp_path,
        "exchange: wex\naccount: desk\nshards: 2\nstart: 2016-01-01\n"
        "datasets: {account_trades: {}}",
        "wex-desk",
    )
    assert sorted(op.name for op in steps(all_definitions(), "wex/account_trades")) == [
        *("pull_wex__record", "pull_wex__shard_1", "pull_wex__shard_2"),
    ]


def pull_shard(settings: Settings, root: Path, of: int, number: int) -> PullReport:
    parts = [replace(feed, shard=Shard(number, of)) for feed in load_feeds(root)]
    return engine_pull(jobs(parts), settings, limits=NoLimits())


@pytest.mark.slow
@pytest.mark.parametrize("markets", ["all", "[BTC-USD, ETH-USD, LTC-BTC]"])
@pytest.mark.parametrize("days", [0.25])
def test_the_rows_are_those_of_an_undivided_feed(
    exchange: Served, tmp_path: Path, markets: str
) -> None:
    root = write_feed(tmp_path / "feeds", WEX.format(markets=markets, shards=3))
    asked: dict[int, list[str]] = {}
    for of in (1, 3):
        settings = settings_for(exchange, tmp_path / str(of))
        exchange.log.clear()
        with ThreadPoolExecutor(of) as workers:
            numbers = range(1, of + 1)
            reports = workers.map(partial(pull_shard, settings, root, of), numbers)
        assert [report.errors for report in reports] == [[]] * of
        publish(settings, COLLECTED)
        asked[of] = sorted(e.call for e in exchange.log.entries if "info" not in e.path.lower())
    for dataset in (*COLLECTED, "coverage"):
        whole, divided = (rows(tmp_path / str(of), dataset) for of in (1, 3))
        assert whole and divided == whole, dataset
    assert asked[3] == asked[1], "each page is asked for once, by one shard"


def rows(home: Path, table: str) -> list[dict[str, Any]]:
    names = warehouse.sql(f"FROM {table} LIMIT 0", home=home).column_names
    columns = ", ".join(n for n in names if n not in ("ingested_at", "observed_at"))
    return list(warehouse.sql(f"SELECT {columns} FROM {table} ORDER BY ALL", home=home).to_pylist())


def test_what_has_no_market_and_snapshots_are_of_the_first_shard(
    exchange: Served, tmp_path: Path
) -> None:
    settings = settings_for(exchange, tmp_path / "home")
    root = write_feed(tmp_path / "feeds", WEX.format(markets="all", shards=4))
    found: dict[int, set[tuple[str, str]]] = {}
    for number in (1, 2, 3, 4):
        report = pull_shard(settings, root, 4, number)
        assert report.errors == []
        found[number] = {(s.dataset, s.stream) for s in report.streams}
    of_first = {"tickers", "markets", "account_trades", "balances"}
    assert of_first <= {dataset for dataset, _ in found[1]}
    assert all({d for d, _ in found[n]} <= {"trades", "candles"} for n in (2, 3, 4))
    every = [stream for streams in found.values() for stream in streams]
    assert len(every) == len(set(every))
    traded = {stream for dataset, stream in every if dataset == "trades"}
    assert len(traded) == 4
    for streams in found.values():  # candles are built from trades: by who pulls these
        of_trades = {stream for dataset, stream in streams if dataset == "trades"}
        assert {s.partition(":")[0] for d, s in streams if d == "candles"} == of_trades


def test_a_mistake_of_the_feed_is_reported_by_one_shard(exchange: Served, tmp_path: Path) -> None:
    settings = settings_for(exchange, tmp_path / "home")
    root = write_feed(tmp_path / "feeds", WEX.format(markets="[BTC-USD, NO-SUCH]", shards=2))
    errors: list[list[str]] = []
    for number in (1, 2):
        parts = [replace(feed, shard=Shard(number, 2)) for feed in load_feeds(root)]
        report = engine_pull(select_jobs(parts, ["one/trades"]), settings, limits=NoLimits())
        errors.append(report.errors)
    assert len(errors[0]) == 1 and "does not list the market NO-SUCH" in errors[0][0]
    assert errors[1] == []
