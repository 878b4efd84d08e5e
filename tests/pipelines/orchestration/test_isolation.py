"""The trouble of one feed, account or market colours only itself."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from pipelines.feeds import BrokenFeed, load_feeds
from pipelines.orchestration import code
from pipelines.orchestration.code import all_definitions
from schemas import ConfigError
from tests.pipelines.engine import EVERYTHING, FIVE, Engine, declare, keys, marts_on

WEX = {f"wex/{name}" for name in FIVE}
MISTAKE = "wex/defs.yaml:5: unknown key 'market'"


@pytest.fixture
def broken(engine: Engine, tmp_path: Path) -> Path:
    file = tmp_path / "wex" / "defs.yaml"
    file.write_text(file.read_text().replace("markets", "market"))
    return file


def assets_of(definitions: dg.Definitions) -> set[str]:
    return {spec.key.to_user_string() for spec in definitions.resolve_all_asset_specs()}


def failures(result: dg.ExecuteInProcessResult) -> dict[str, str]:
    found = {}
    for event in result.filter_events(lambda e: e.is_step_failure):
        data = event.step_failure_data.user_failure_data
        assert data is not None and data.description is not None
        found[str(event.step_key)] = data.description
    return found


def materialized(
    instance: dg.DagsterInstance, result: dg.ExecuteInProcessResult
) -> dict[str, Mapping[str, Any]]:
    """By asset: the metadata. Of a step that failed, the result itself does not have all."""
    found: dict[str, Mapping[str, Any]] = {}
    kind = dg.DagsterEventType.ASSET_MATERIALIZATION
    for entry in instance.all_logs(result.run_id, of_type=kind):
        made = entry.asset_materialization
        assert made is not None
        values = {name: value.value for name, value in made.metadata.items()}
        found[made.asset_key.to_user_string()] = values
    return found


def run(instance: dg.DagsterInstance, *names: str) -> dg.ExecuteInProcessResult:
    job = all_definitions().resolve_job_def("everything")
    selection = keys(*names) or None
    return job.execute_in_process(
        instance=instance, asset_selection=selection, raise_on_error=False
    )


def test_a_mistake_in_a_feed_costs_that_feed(
    broken: Path, engine: Engine, instance: dg.DagsterInstance, capsys: pytest.CaptureFixture[str]
) -> None:
    definitions = all_definitions()
    assert MISTAKE in capsys.readouterr().err
    assert assets_of(definitions) == EVERYTHING - WEX | {"feeds/wex"}
    (spec,) = [s for s in definitions.resolve_all_asset_specs() if s.group_name == "feeds"]
    assert MISTAKE in (spec.description or "")
    result = run(instance)
    assert engine.pulled == [[f"bitexbit/{name}" for name in FIVE]]
    assert set(materialized(instance, result)) == EVERYTHING - WEX
    ((step, problem),) = failures(result).items()
    assert step == "feeds__wex" and MISTAKE in problem


def test_a_mistake_in_a_feed_is_a_failing_check(
    broken: Path, engine: Engine, instance: dg.DagsterInstance
) -> None:
    definitions = all_definitions()
    with dg.build_sensor_context(instance, definitions=definitions) as context:
        events = definitions.resolve_sensor_def("quick_checks").evaluate_tick(context).asset_events
    failing = [e for e in events if isinstance(e, dg.AssetCheckEvaluation) and not e.passed]
    (found,) = [e for e in failing if e.asset_key == dg.AssetKey(["feeds", "wex"])]
    assert MISTAKE in (found.description or "") and "Fix: " in (found.description or "")


def test_of_two_feeds_that_collect_the_same_one_stays(engine: Engine, tmp_path: Path) -> None:
    declare(tmp_path, "wex-again", "wex", "main", ["trades"])
    (tmp_path / "misnamed").mkdir()
    (tmp_path / "misnamed" / "defs.yml").write_text("type: x\n")
    assert assets_of(all_definitions()) == EVERYTHING | {"feeds/wex-again", "feeds/misnamed"}


def test_no_feed_at_all_can_be_read(engine: Engine, broken: Path, tmp_path: Path) -> None:
    (tmp_path / "bitexbit" / "defs.yaml").write_text("")
    assert assets_of(all_definitions()) == {"feeds/bitexbit", "feeds/wex"}


def test_in_a_clone_the_other_feeds_are_loaded(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    monkeypatch.delenv("TIDEMARK_FEEDS", raising=False)
    whole = assets_of(all_definitions())
    feeds = {feed.name: feed for feed in load_feeds()}
    wex = feeds.pop("wex")
    mistake = BrokenFeed("wex", wex.path, ConfigError(MISTAKE))
    monkeypatch.setattr(code, "readable_feeds", lambda: (list(feeds.values()), [mistake]))
    found = assets_of(all_definitions())
    assert {name for name in found if name.startswith("wex/")} == set()
    assert "feeds/wex" in found
    own = {name for name in whole if name.startswith("bitexbit/")}
    assert own and own <= found


def test_a_refused_account_leaves_the_other_fresh(
    engine: Engine, instance: dg.DagsterInstance, tmp_path: Path
) -> None:
    declare(tmp_path, "wex-desk", "wex", "desk", ["account_trades"])
    engine.problems["wex-desk/account_trades"] = "the exchange refuses the key"
    result = run(instance, "wex/account_trades", "wex/trades", "warehouse/account_trades")
    assert not result.success
    found = materialized(instance, result)
    assert set(found) >= {"wex/account_trades", "wex/trades", "warehouse/account_trades"}
    fills = found["wex/account_trades"]
    assert fills["streams_failed"] == 1
    assert "the exchange refuses the key" in fills["problems"]
    assert "problems" not in found["wex/trades"]
    (problem,) = failures(result).values()
    assert problem == "wex/account_trades BTC-USD: the exchange refuses the key"


def test_half_a_key_costs_its_account_only(
    engine: Engine, instance: dg.DagsterInstance, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    declare(tmp_path, "wex-desk", "wex", "desk", ["account_trades"])
    monkeypatch.setenv("WEX_DESK_API_KEY", "key")
    result = run(instance, "wex/account_trades", "wex/trades", "warehouse/account_trades")
    assert engine.pulled == [["wex/trades", "wex/account_trades"]]
    assert set(materialized(instance, result)) >= {
        *("wex/account_trades", "wex/trades", "warehouse/account_trades"),
        *marts_on("account_trades"),
    }
    (problem,) = failures(result).values()
    assert problem.startswith("wex/account_trades desk: WEX_DESK_API_SECRET is not set")
    engine.pulled.clear()
    monkeypatch.setenv("WEX_API_KEY", "key")
    result = run(instance, "wex/account_trades")
    assert engine.pulled == []
    (problem,) = failures(result).values()
    assert problem.startswith("WEX_API_SECRET is not set")
