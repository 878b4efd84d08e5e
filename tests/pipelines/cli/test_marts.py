"""`tidemark marts` without Spark; with it: tests/spark."""

import shutil
from pathlib import Path

import duckdb
import pytest

from pipelines.cli import main
from pipelines.cli import marts as command
from pipelines.marts.folders import alone
from tests.pulled import Pulled


@pytest.fixture
def home(pulled: Pulled, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TIDEMARK_HOME", str(pulled.home))
    return pulled.home


def test_every_mart_becomes_a_folder_of_parquet(
    home: Path, pulled: Pulled, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "it's here"
    assert main(["marts", "--out", str(out)]) == 0
    assert main(["marts", "--out", str(out)]) == 0  # in place of those before
    ((rows,),) = [tuple(r.values()) for r in pulled.rows("SELECT count(*) FROM marts.fills")]
    assert f"fills: {rows:,} rows" in capsys.readouterr().out
    with duckdb.connect() as db:
        files = str(out / "fills" / "*.parquet").replace("'", "''")
        assert db.sql(f"SELECT count(*) FROM '{files}'").fetchall() == [(rows,)]
    named = {
        r["name"]
        for r in pulled.rows(
            "SELECT view_name AS name FROM duckdb_views() WHERE schema_name = 'marts'"
        )
    }
    assert {p.name for p in out.iterdir()} == named


@pytest.mark.parametrize("engine", ["duckdb", "spark"])
def test_nothing_of_the_user_is_replaced(
    engine: str, home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    note = tmp_path / "vwap_daily" / "notes.txt"
    note.parent.mkdir()
    note.write_text("mine")
    assert main(["marts", "--out", str(tmp_path), "--engine", engine]) == 2
    assert f"{note} is no file of a mart. Fix: another folder" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir() if p.is_dir()] == ["vwap_daily"]
    assert note.read_text() == "mine"


def test_a_place_that_cannot_be_written_is_told(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "file"
    file.touch()
    for out in (file, file / "below"):
        assert main(["marts", "--out", str(out)]) == 2
        assert f"cannot write to {out}: " in (said := capsys.readouterr().err)
        assert "Fix: another folder for --out" in said


def test_two_do_not_write_to_one_folder(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The files of both would lie in it, with every row twice."""
    with alone(tmp_path):
        assert main(["marts", "--out", str(tmp_path)]) == 2
    said = capsys.readouterr().err
    assert f"another process writes marts to {tmp_path}. Fix: wait for it" in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--conf", "driver=4g"], "'driver=4g' is no setting of Spark\nFix: --conf spark."),
        (["--conf", "spark.driver.memory"], "is no setting of Spark"),
        (["--conf", "spark.sql.session.timeZone=CET"], "keeps results exact. Fix: leave it out"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_before_spark_starts(
    options: list[str],
    says: str,
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if "timeZone" in options[1]:
        pytest.importorskip("pyspark")  # it says which settings it needs
    monkeypatch.setattr(command, "_check_installed", lambda: None)  # also where there is no Java
    assert main(["marts", "--engine", "spark", "--out", str(tmp_path), *options]) == 2
    assert says in capsys.readouterr().err


def test_a_missing_java_is_told(
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: object())  # the packages are there
    assert main(["marts", "--engine", "spark", "--out", str(tmp_path)]) == 2
    assert "Spark needs Java, and there is none\nFix: install Java 17" in capsys.readouterr().err


def test_a_missing_package_is_told(
    home: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert main(["marts", "--engine", "spark", "--out", str(tmp_path)]) == 2
    assert "pip install 'tidemark[spark]', or --engine duckdb" in capsys.readouterr().err
