"""A home that an older commit wrote is used as it is: rows stay, coverage is proved again."""

import sqlite3
import tarfile
from contextlib import closing
from pathlib import Path

import pytest

import warehouse
from pipelines.cli import main
from pipelines.settings import load_settings
from tests.deploy.older_home import exchange, write_feeds
from tests.matrix import thinned
from tests.pipelines.ingest.conftest import run
from tests.warehouse.tools import assert_each_once, everything
from warehouse.metastore_file import FILE_NAME, OLDER_NAME

HOMES = Path(__file__).with_name("older_homes.tar.xz")
COMMITS = {"4ec71b1": OLDER_NAME, "ccaa1a6": FILE_NAME}
ROWS = 1791
"""Of either home: the same exchange, the same feeds."""


@pytest.fixture(params=thinned(COMMITS, 2))
def older(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The home of one commit, and the feeds that it was collected with."""
    with tarfile.open(HOMES) as archive:
        archive.extractall(tmp_path, filter="data")
    home = tmp_path / f"home-{request.param}"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TIDEMARK_HOME", str(home))
    monkeypatch.setenv("TIDEMARK_FEEDS", str(write_feeds(tmp_path / "feeds")))
    return home


@pytest.mark.slow
def test_rows_stay_and_are_proved_again(older: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = everything(older)
    assert sum(sum(rows.values()) for rows in before.values()) == ROWS
    assert main(["status"]) == 0
    assert main(["sql", "SELECT count(*) FROM trades"]) == 0
    assert "1482" in capsys.readouterr().out
    with exchange() as variables:
        report = run(load_settings({**variables, "TIDEMARK_HOME": str(older)}, None))
    assert report.errors == []
    assert sum(stream.rows_added for stream in report.streams) == 0
    assert everything(older) == before
    assert_each_once(older)
    assert warehouse.verify(older).findings == []
    coverage = warehouse.coverage(older).to_pylist()
    assert {row["dataset"] for row in coverage if row["state"] == "complete"} == {
        "trades", "candles", "account_trades", "account_orders", "account_transactions",
    }  # fmt: skip


def test_an_older_home_is_backed_up_before_anything_migrates_it(
    older: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The way back: the copy is still a home of the older version."""
    name = COMMITS[older.name.removeprefix("home-")]
    before = (older / name).read_bytes()
    target = tmp_path / "backup"
    assert main(["backup", str(target)]) == 0
    assert (older / name).read_bytes() == before
    with (
        closing(sqlite3.connect(older / name)) as old,
        closing(sqlite3.connect(target / name)) as new,
    ):
        assert list(old.iterdump()) == list(new.iterdump())
    assert everything(target) == everything(older)
    # the upgrade is backed up to the same place afterwards
    assert main(["verify"]) == 0
    assert main(["backup", str(target)]) == 0
    left = {p.name for p in target.iterdir()} - {"removed"}  # files that the upgrade wrote anew
    assert left == {FILE_NAME, "lake", "raw"}


def test_an_older_tidemark_refuses_a_newer_home(
    older: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["status"]) == 0
    with closing(sqlite3.connect(older / FILE_NAME)) as db:
        db.execute("PRAGMA user_version = 99")
    capsys.readouterr()
    assert main(["status"]) == 1
    message = capsys.readouterr().err
    assert "has version 99" in message and "Fix: update Tidemark" in message
