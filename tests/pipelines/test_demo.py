"""``tidemark demo``: everything from the sandbox through Dagster, twice."""

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
import yaml

import warehouse
from pipelines.cli import main
from pipelines.demo.exchange import DEMO_FEEDS, environment
from pipelines.feeds import load_feeds
from pipelines.report.page import Written
from pipelines.ui.instance import dagster_home
from pipelines.ui.server import only_one
from sandbox.clock import DAY
from schemas import ConfigError
from tests.modes import loose
from warehouse import LINK

COLLECTED = {feed.exchange: list(feed.datasets) for feed in load_feeds(DEMO_FEEDS)}
PROGRESS = re.compile(r": [\d,]+ rows?, [\d,]+ requests?(, .+)?$")
TABLES = {name for names in COLLECTED.values() for name in names}


def table(out: str, title: str) -> list[list[str]]:
    """The rows of the table below a title, without its head."""
    _, _, below = out.partition(f"== {title}")
    lines = below.partition("\n==")[0].splitlines()
    return [[c.strip() for c in line.split("|")[1:-1]] for line in lines if "|" in line][2:]


def rows(out: str, name: str) -> dict[str, int]:
    """The numbers of rows that the demo's first table shows, by exchange and ``together``."""
    (line,) = (line for line in table(out, "What was collected") if line[0] == name)
    found = [int(cell.replace(",", "").replace("–", "0")) for cell in line[1:-1]]
    return dict(zip([*COLLECTED, "together"], found, strict=True))


def metadata_of(
    instance: dg.DagsterInstance, owner: str, name: str
) -> Mapping[str, dg.MetadataValue[Any]]:
    """Of the newest time that an asset was materialised."""
    event = instance.get_latest_materialization_event(dg.AssetKey([owner, name]))
    assert event and event.asset_materialization
    return event.asset_materialization.metadata


@pytest.mark.slow
def test_a_first_run_shows_everything_and_a_second_is_incremental(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEMARK_FEEDS", "of-another-exchange")  # the demo has its own
    monkeypatch.setattr("sandbox.engine.HISTORY", DAY)
    monkeypatch.setattr("pipelines.orchestration.measuring.SECONDS", 1.0)  # views: test_marts
    variables = dict(os.environ)
    os.umask(0o022)
    with monkeypatch.context() as patch:  # the page: the second run
        patch.setattr("pipelines.report.page.write", lambda home: Written(home / "report.html", 0))
        assert main(["demo"]) == 0
    assert loose(home) == {}
    first = capsys.readouterr()
    shown = first.err.splitlines()  # how far it is, and no problem
    assert "bitexbit/markets all: 5 rows, 1 request, done" in shown
    assert all(PROGRESS.search(line) for line in shown)
    assert "First run: " in first.out
    assert "it speaks bitexbit, kraken and wex." in first.out
    assert str(home / "lake") in first.out
    assert str(home / LINK) in first.out
    assert set(rows(first.out, "quarantine").values()) == {0}
    for exchange, datasets in COLLECTED.items():
        assert all(rows(first.out, dataset)[exchange] > 0 for dataset in datasets)
    gaps = {exchange: gaps for exchange, *_, gaps in table(first.out, "Is anything missing?")}
    assert gaps == dict.fromkeys(COLLECTED, "0")
    known = table(first.out, "Do the finished hourly candles")
    assert {line[0] for line in known} == {*COLLECTED}
    assert all(candles == equal for *_, candles, equal in known)
    balances = table(first.out, "Do fills, fees, deposits and withdrawals add up")
    assert {exchange for exchange, *_ in balances} == {*COLLECTED}
    assert {difference for *_, difference in balances} == {"0"}
    assert "tidemark verify: everything agrees" in first.out
    assert "tidemark ui --demo" in first.out.partition("== What next")[2]

    assert main(["demo"]) == 0
    second = capsys.readouterr()
    assert all(PROGRESS.search(line) for line in second.err.splitlines())
    assert "Incremental run: " in second.out
    before, after = (
        {t: rows(out, t)["together"] for t in TABLES} for out in (first.out, second.out)
    )
    assert all(after[name] >= before[name] for name in TABLES)
    assert after["trades"] - before["trades"] < 1500
    assert "tidemark verify: everything agrees" in second.out
    assert dict(os.environ) == variables

    monkeypatch.delenv("TIDEMARK_FEEDS")
    assert main(["status"]) == 0
    assert "bitexbit/trades" in capsys.readouterr().out

    # `make ui` shows both runs and what they materialised: the instance is the demo's own
    folder = home / "dagster"
    monkeypatch.setenv("DAGSTER_HOME", str(folder))
    with dg.DagsterInstance.get() as instance:
        assert [run.status for run in instance.get_runs()] == [dg.DagsterRunStatus.SUCCESS] * 2
        recorded = {
            f"{owner}/{name}": metadata_of(instance, owner, name)
            for owner, names in {**COLLECTED, "warehouse": TABLES, "marts": ["report"]}.items()
            for name in names
        }
    page = home / "report.html"
    assert recorded["marts/report"]["bytes"].value == page.stat().st_size > 0
    for dataset in TABLES:
        answer = warehouse.sql(f"SELECT count(*) AS rows FROM {dataset}", home=home)
        (count,) = answer.column("rows").to_pylist()
        counts = [
            recorded[f"{owner}/{dataset}"]["dagster/row_count"].value
            for owner in COLLECTED
            if dataset in COLLECTED[owner]
        ]
        assert recorded[f"warehouse/{dataset}"]["dagster/row_count"].value == count > 0
        assert sum(counts) == count
    assert not Path("data").exists()


def test_data_that_are_not_the_sandboxs_are_left_alone(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "metastore.sqlite").write_bytes(b"mine")
    assert main(["demo"]) == 2
    err = capsys.readouterr().err
    assert str(home) in err
    assert "TIDEMARK_HOME" in err
    assert (home / "metastore.sqlite").read_bytes() == b"mine"
    assert sorted(p.name for p in home.iterdir()) == ["metastore.sqlite"]


@pytest.mark.parametrize("text", ["", "{}", '{"epoch": "yesterday", "last_run": "today"}'])
def test_a_damaged_world_is_reported(
    text: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "sandbox.json").write_text(text, encoding="utf-8")
    assert main(["demo"]) == 2
    assert str(home / "sandbox.json") in capsys.readouterr().err


def test_without_a_home_it_uses_one_of_its_own(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("TIDEMARK_HOME")
    own = Path("data", "demo")
    own.mkdir(parents=True)
    (own / "metastore.sqlite").write_bytes(b"mine")
    assert main(["demo"]) == 2
    assert str(own.absolute()) in capsys.readouterr().err


def test_the_environment_is_put_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEMARK_HOME", "before")
    with environment({"TIDEMARK_HOME": "inside", "WEX_API_KEY": "inside"}):
        assert os.environ["TIDEMARK_HOME"] == os.environ["WEX_API_KEY"] == "inside"
    assert os.environ["TIDEMARK_HOME"] == "before"
    assert "WEX_API_KEY" not in os.environ


def test_the_world_is_remembered(home: Path) -> None:
    known = {
        "seed": 1,
        "epoch": "2026-01-10T00:00:00+00:00",
        "last_run": "2026-01-10T01:00:00+00:00",
    }
    (home / "sandbox.json").write_text(json.dumps(known), encoding="utf-8")
    from pipelines.demo.exchange import feeding

    os.umask(0o022)
    with feeding() as exchange:
        assert os.umask(0o077) == 0o077  # so that what Dagster stores is private too
        assert exchange.last_run is not None
        assert exchange.last_run.isoformat() == known["last_run"]
    kept = json.loads((home / "sandbox.json").read_text(encoding="utf-8"))
    assert kept["epoch"] == known["epoch"]
    assert kept["last_run"] > known["last_run"]


def test_a_second_page_on_the_same_home_is_refused(home: Path) -> None:
    with (
        only_one(home),
        pytest.raises(ConfigError, match="another `tidemark ui` works on"),
        only_one(home),
    ):
        pass
    with only_one(home):
        pass


def test_the_demo_has_a_dagster_instance_of_its_own(home: Path) -> None:
    settings = yaml.safe_load((dagster_home(home) / "dagster.yaml").read_text(encoding="utf-8"))
    assert settings["event_log_storage"]["config"]["base_dir"] == str(home / "dagster" / "history")
    assert "data/dagster" not in (home / "dagster" / "dagster.yaml").read_text(encoding="utf-8")
