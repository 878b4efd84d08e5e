"""The shipped code location pulls from the sandbox exchange into Parquet and DuckDB."""

import os
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

import sandbox
import warehouse
from pipelines.definitions import defs
from pipelines.feeds import load_feeds
from pipelines.orchestration.marts import marts_of
from tests.feeds import write_feed
from tests.pipelines.orchestration.daemon import daemon
from tests.worlds import world_at

FEED = """\
exchange: {exchange}
markets: [BTC-USD]
start: 2016-01-01
datasets:
  tickers: {{schedule: "* * * * *"}}
"""
COLLECTED = {feed.exchange: set(feed.datasets) for feed in load_feeds()}


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[sandbox.World]:
    world = world_at(seed=1)
    with sandbox.serve(world, limits=False) as server:
        server.advance(12 * 3600)
        for name, value in server.env.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("TIDEMARK_HOME", str(tmp_path))
        monkeypatch.setenv("TIDEMARK_LOOKUPS", "3")
        monkeypatch.delenv("TIDEMARK_FEEDS", raising=False)
        yield world


def row_count(metadata: Mapping[str, dg.MetadataValue[Any]]) -> int:
    count = metadata["dagster/row_count"].value
    assert isinstance(count, int)
    return count


@pytest.mark.torture  # in make test: test_demo, twice and of three exchanges
def test_everything_is_pulled_and_published(
    world: sandbox.World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.orchestration.measuring.SECONDS", 1.0)  # views: test_marts
    job = defs().resolve_job_def("everything")
    with dg.DagsterInstance.ephemeral() as instance:
        result = job.execute_in_process(instance=instance, raise_on_error=False)
    failures = [
        event.step_failure_data.user_failure_data
        for event in result.filter_events(lambda e: e.is_step_failure)
    ]
    assert [failure.description for failure in failures if failure] == []
    assert result.success
    recorded = {
        event.asset_key.to_user_string(): event.step_materialization_data.materialization.metadata
        for event in result.get_asset_materialization_events()
        if event.asset_key
    }
    every = set().union(*COLLECTED.values())
    owners = {**COLLECTED, "warehouse": every, "marts": {mart.name for mart in marts_of(every)}}
    owners["marts"].add("report")
    assert set(recorded) == {f"{owner}/{name}" for owner in owners for name in owners[owner]}
    page = tmp_path / "report.html"
    assert recorded["marts/report"]["bytes"].value == page.stat().st_size
    for dataset in every:
        answer = warehouse.sql(f"SELECT count(*) AS rows FROM {dataset}", home=tmp_path)
        (rows,) = answer.column("rows").to_pylist()
        assert rows > 0
        assert row_count(recorded[f"warehouse/{dataset}"]) == rows
        assert rows == sum(
            row_count(recorded[f"{exchange}/{dataset}"])
            for exchange, collected in COLLECTED.items()
            if dataset in collected
        )


@pytest.mark.torture  # three processes that load Dagster
@pytest.mark.filterwarnings("ignore")
def test_a_process_for_each_step(
    world: sandbox.World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for exchange in COLLECTED:
        write_feed(tmp_path / "feeds", FEED.format(exchange=exchange), exchange)
    monkeypatch.setenv("TIDEMARK_FEEDS", str(tmp_path / "feeds"))
    monkeypatch.setenv("TIDEMARK_EXECUTOR", "multiprocess")
    now = datetime(2026, 1, 10, 12, tzinfo=UTC)
    with daemon(tmp_path) as running:
        running.start_schedules(now - timedelta(minutes=1))
        running.minute(now)
        (run,) = running.instance.get_runs(dg.RunsFilter(job_name="collect"))
        steps = running.instance.all_logs(run.run_id, of_type=dg.DagsterEventType.STEP_SUCCESS)
    assert run.status is dg.DagsterRunStatus.SUCCESS
    processes = {e.step_key: e.dagster_event.pid for e in steps if e.dagster_event}
    assert set(processes) == {"pull_bitexbit", "pull_wex", "publish"}
    assert len({*processes.values(), os.getpid()}) == 4
    held = warehouse.sql("SELECT DISTINCT exchange FROM tickers ORDER BY ALL", home=tmp_path)
    assert held.column("exchange").to_pylist() == sorted(COLLECTED)
