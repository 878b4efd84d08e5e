"""An exchange through ccxt in Dagster, whose names know no colon."""

from pathlib import Path

import dagster as dg
import pytest

import sandbox
import warehouse
from pipelines.orchestration.code import all_definitions
from tests.feeds import write_feed
from tests.worlds import world_at

FEED = "exchange: ccxt:okx\nmarkets: [BTC-USD]\nstart: 2026-01-09T20:00\ndatasets: {trades: {}}"


def test_it_is_pulled_and_published(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    home, feeds = tmp_path / "home", tmp_path / "feeds"
    write_feed(feeds, FEED, "okx")
    monkeypatch.setenv("TIDEMARK_FEEDS", str(feeds))
    monkeypatch.setenv("TIDEMARK_HOME", str(home))
    with sandbox.serve(world_at(), limits=False) as server:
        for name, value in server.env.items():
            monkeypatch.setenv(name, value)
        definitions = all_definitions()
        wanted = [dg.AssetKey(["ccxt_okx", "trades"]), dg.AssetKey(["warehouse", "trades"])]
        spec = definitions.get_assets_def(wanted[0]).get_asset_spec(wanted[0])
        assert spec.group_name == "ccxt_okx"
        assert spec.metadata["dagster/uri"] == "lake/trades/exchange=ccxt%3Aokx"
        job = definitions.resolve_job_def("everything")
        with dg.DagsterInstance.ephemeral() as instance:
            assert job.execute_in_process(instance=instance, asset_selection=wanted).success
    (row,) = warehouse.sql(
        "SELECT exchange, count(*) AS n FROM trades GROUP BY ALL", home=home
    ).to_pylist()
    assert row["exchange"] == "ccxt:okx" and row["n"] > 100
