"""What Dagster shows of the views: rows, a preview, column lineage; and of the report."""

import time
from pathlib import Path

import dagster as dg
import pytest

import warehouse
from pipelines.feeds import Feed, load_feeds
from pipelines.orchestration import marts, measuring
from pipelines.orchestration.code import all_definitions
from pipelines.orchestration.marts import marts_of
from pipelines.orchestration.measuring import measured
from pipelines.report import page
from schemas import StreamId
from tests.pipelines.engine import FEED, Engine
from tests.warehouse.tools import row, store
from warehouse.views import View, views

TRADES = StreamId("wex", "trades", "BTC-USD")


@pytest.fixture
def feeds(home: Path, tmp_path: Path) -> list[Feed]:
    """Of trades; three of them are published."""
    (tmp_path / "feeds" / "wex").mkdir(parents=True)
    head = "type: pipelines.components.ExchangeFeed\nattributes:\n"
    text = FEED.format(exchange="wex", account="main") + "  trades: {}"
    indented = "".join(f"  {line}\n" for line in text.splitlines())
    (tmp_path / "feeds" / "wex" / "defs.yaml").write_text(head + indented)
    store(home, TRADES, [row(TRADES, key) for key in (1, 2, 3)])
    warehouse.publish(home)
    return load_feeds(tmp_path / "feeds")


def table_of(value: object) -> list[dict[str, object]]:
    assert isinstance(value, dg.TableMetadataValue)
    return [dict(record.data) for record in value.records]


def test_rows_preview_and_lineage(home: Path, feeds: list[Feed]) -> None:
    found = measured(home, marts_of(["trades"]), feeds)
    assert set(found) == {mart.name for mart in marts_of(["trades"])}
    daily = found["vwap_daily"]
    assert daily["dagster/row_count"] == 1
    (shown,) = table_of(daily["preview"])
    assert (shown["symbol"], shown["trades"]) == ("BTC-USD", "3")
    lineage = daily["dagster/column_lineage"]
    assert isinstance(lineage, dg.TableColumnLineage)
    trades = dg.AssetKey(["warehouse", "trades"])
    assert lineage.deps_by_column["turnover"] == [dg.TableColumnDep(trades, "cost")]
    assert found["candles_compared"]["dagster/row_count"] == 0
    assert "preview" not in found["candles_compared"]
    known = {"trades", *found}  # nothing but trades is collected
    for metadata in found.values():
        sources = metadata.get("dagster/column_lineage")
        if isinstance(sources, dg.TableColumnLineage):
            for deps in sources.deps_by_column.values():
                assert {dep.asset_key.path[-1] for dep in deps} <= known


def test_a_view_that_takes_too_long_is_recorded_without(
    home: Path, feeds: list[Feed], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(measuring, "VIEW_SECONDS", 0.5)
    slow = View(
        "range(100000000000) AS r JOIN range(9999) AS s ON r.range % 7 = s.range",
        "views",
        "",
        "",
        "",
    )
    began = time.monotonic()
    daily = views()["marts.vwap_daily"]
    found = measured(home, [slow, daily], feeds)
    assert time.monotonic() - began < 5
    assert found[slow.name] == {}
    assert found["vwap_daily"]["dagster/row_count"] == 1
    monkeypatch.setattr(measuring, "SECONDS", 0.0)
    assert "dagster/row_count" not in measured(home, [daily], feeds)["vwap_daily"]


def test_a_view_that_fails_is_recorded_without(home: Path, feeds: list[Feed]) -> None:
    assert measured(home, [View("nowhere", "views", "", "", "")], feeds) == {"nowhere": {}}


def test_the_report_shows_its_figures(
    home: Path,
    feeds: list[Feed],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    instance: dg.DagsterInstance,
) -> None:
    monkeypatch.setenv("TIDEMARK_FEEDS", str(tmp_path / "feeds"))
    monkeypatch.setattr(page, "write", lambda home: page.Written(home / "report.html", 7))
    result = all_definitions().resolve_job_def("report").execute_in_process(instance=instance)
    (event,) = result.get_asset_materialization_events()
    metadata = event.step_materialization_data.materialization.metadata
    assert metadata["path"].value == str(home / "report.html")
    assert not any(isinstance(value, dg.UrlMetadataValue) for value in metadata.values())
    held = [r for r in table_of(metadata["what is held"]) if r["dataset"] == "trades"]
    assert held[0]["rows"] == "3"
    assert set(metadata) & set(marts._FIGURES) == {"what is held"}  # no balances


def test_before_the_first_publish_the_report_waits(
    home: Path,
    feeds: list[Feed],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    instance: dg.DagsterInstance,
) -> None:
    monkeypatch.setenv("TIDEMARK_FEEDS", str(tmp_path / "feeds"))
    monkeypatch.setenv("TIDEMARK_HOME", str(tmp_path / "new"))
    schedule = all_definitions().resolve_schedule_def("report")
    with dg.build_schedule_context(instance) as context:
        found = schedule.evaluate_tick(context)
        assert not found.run_requests
        assert found.skip_message == (
            f"nothing is published in {tmp_path / 'new'} yet: the first pull does that"
        )
        monkeypatch.setenv("TIDEMARK_HOME", str(home))
        assert len(schedule.evaluate_tick(context).run_requests or []) == 1


@pytest.mark.parametrize("url", [None, "http://127.0.0.1:3001/report.html"])
def test_the_report_is_linked_where_it_is_served(
    url: str | None, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    if url is not None:
        monkeypatch.setenv("TIDEMARK_REPORT_URL", url)
    graph = all_definitions().resolve_asset_graph()
    report = graph.get(dg.AssetKey(["marts", "report"]))
    assert report.description is not None
    if url is None:
        assert "report" not in report.metadata
        assert "TIDEMARK_REPORT_URL" in report.description
    else:
        assert report.metadata["report"] == dg.MetadataValue.url(url)
        assert f"]({url})" in report.description
