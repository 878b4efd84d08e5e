"""``tidemark ui``: which Dagster it starts, and that a mistake in the feeds is reported before."""

import io
import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipelines.cli import main
from pipelines.ui.server import only_one
from tests.feeds import write_feed

FEED = "exchange: wex\nmarkets: [BTC-USD]\nstart: 2016-01-01\ndatasets: {trades: {}}"

WRITTEN = [
    b"2026-11-26 16:14:01 +0000 - dagster - DEBUG - __ASSET_JOB - a84 - STEP_START - begun\n",
    b"2026-11-26 16:14:01 +0000 - dagster - INFO - __ASSET_JOB - a84 - pull - half done\n",
    b"2026-11-26 16:14:01 +0000 - dagster - WARNING - __ASSET_JOB - a84 - pull - no key\n",
    "Traceback: größer\n".encode(),
    b"nanobind: leaked 6 types!\n",
    b' - leaked type "_duckdb.DuckDBPyConnection"\n',
    b" - ... skipped remainder\n",
    b"nanobind: this is likely caused by a reference counting issue in the binding code.\n",
    b"See https://nanobind.readthedocs.io/en/latest/refleaks.html",
]


class Ended:
    """A Dagster that ends by itself, and how it was started."""

    started: dict[str, Any]

    def __init__(self, command: list[str], **how: Any) -> None:
        Ended.started = {"command": command, **how}
        self.returncode = 3
        self.stderr = io.BytesIO(b"".join(WRITTEN))

    def wait(self, timeout: float | None = None) -> int:
        return self.returncode

    def poll(self) -> int:
        return self.returncode


@pytest.fixture
def feeds(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = write_feed(tmp_path / "feeds", FEED)
    monkeypatch.setenv("TIDEMARK_FEEDS", str(root))
    monkeypatch.setattr("pipelines.ui.server.subprocess.Popen", Ended)
    Ended.started = {}
    return root


def test_dagster_keeps_its_records_in_the_home(home: Path, feeds: Path) -> None:
    assert main(["ui", "--port", "0"]) == 3
    environment = Ended.started["env"]
    assert environment["DAGSTER_HOME"] == str(home / "dagster")
    settings = yaml.safe_load((home / "dagster" / "dagster.yaml").read_text())
    assert settings["telemetry"] == {"enabled": False}
    assert "concurrency" in settings  # of the repository's file, which is in the wheel
    events = settings["event_log_storage"]["config"]
    assert events["base_dir"] == str(home / "dagster" / "history")
    command = Ended.started["command"]
    assert command[1:5] == ["-m", "pipelines.ui.dev", "-m", "pipelines.definitions"]
    assert command[command.index("-h") + 1] == "127.0.0.1"
    assert Ended.started["cwd"] is None  # .env and relative folders are of this one


def test_the_demo_takes_nothing_from_a_dotenv(
    home: Path, feeds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dagster takes values of ``.env`` in its working folder before those of the environment."""
    monkeypatch.chdir(tmp_path)
    text = f"TIDEMARK_FEEDS={feeds}\nTIDEMARK_METASTORE=postgresql://x@127.0.0.1:1/real\n"
    (tmp_path / ".env").write_text(text)
    (tmp_path / ".env").chmod(0o600)
    monkeypatch.setenv("TIDEMARK_METASTORE", "")  # put back after the test, which reads the file
    monkeypatch.delenv("TIDEMARK_METASTORE")
    monkeypatch.setenv("TIDEMARK_EXECUTOR", "multiprocess")
    assert main(["ui", "--port", "0", "--demo"]) == 3
    environment, folder = Ended.started["env"], Ended.started["cwd"]
    assert folder.is_dir()
    assert folder.is_relative_to(home / "dagster")  # and not that itself, see dev_servers
    assert list(folder.iterdir()) == []
    assert environment["TIDEMARK_FEEDS"].endswith("pipelines/demo/feeds")
    assert environment["TIDEMARK_METASTORE"] == ""
    assert environment["TIDEMARK_EXECUTOR"] == "in_process"
    for name in ("TIDEMARK_HOME", "TIDEMARK_FEEDS", "DAGSTER_HOME", "PYTHONPATH"):
        assert Path(environment[name].split(os.pathsep)[0]).is_absolute()


def test_what_a_dotenv_says_otherwise_than_the_environment_is_reported(
    home: Path,
    feeds: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("TIDEMARK_FEEDS=elsewhere\nBITEXBIT_API_SECRET=s3cret-word\n")
    (tmp_path / ".env").chmod(0o600)
    monkeypatch.setenv("BITEXBIT_API_SECRET", "another-word")
    assert main(["ui", "--port", "0"]) == 3
    said = capsys.readouterr().err
    assert "warning: BITEXBIT_API_SECRET, TIDEMARK_FEEDS: the environment and .env differ" in said
    assert "Fix: set each in one of them only" in said
    assert "word" not in said


def test_only_warnings_are_printed_and_no_leak_report(
    home: Path, feeds: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert main(["ui", "--port", "0"]) == 3
    assert capfdbinary.readouterr().err == b"".join(WRITTEN[2:4])


def test_the_pages_know_their_address_and_that_of_the_report(
    home: Path, feeds: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["ui", "--port", "0"]) == 3
    environment, command = Ended.started["env"], Ended.started["command"]
    port = command[command.index("-p") + 1]
    assert environment["TIDEMARK_UI_URL"] == f"http://127.0.0.1:{port}"
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+/report\.html", environment["TIDEMARK_REPORT_URL"])
    served = "https://example.org/report.html"
    monkeypatch.setenv("TIDEMARK_REPORT_URL", served)
    assert main(["ui", "--port", "0"]) == 3
    assert Ended.started["env"]["TIDEMARK_REPORT_URL"] == served


def test_a_second_one_on_the_same_home_is_refused(
    home: Path, feeds: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with only_one(home):
        assert main(["ui", "--port", "0"]) == 2
    assert "another `tidemark ui` works on" in capsys.readouterr().err
    assert Ended.started == {}


@pytest.mark.sqlite  # as every home of the demo
def test_a_second_demo_on_the_same_home_is_refused(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with only_one(home):
        assert main(["ui", "--port", "0", "--demo"]) == 2
    assert "another `tidemark ui` works on" in capsys.readouterr().err
    assert Ended.started == {}


def test_a_folder_of_dagster_that_is_set_is_used(
    home: Path, feeds: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path / "records"))
    assert main(["ui", "--port", "0"]) == 3
    assert Ended.started["env"]["DAGSTER_HOME"] == str(tmp_path / "records")
    assert not (home / "dagster").exists()


@pytest.mark.parametrize(
    ("executor", "says"),
    [("multi", "which is no executor\nFix: "), ("celery", "\nFix: ")],  # its package, or a broker
)
def test_an_executor_that_cannot_be_is_told_before(
    executor: str,
    says: str,
    home: Path,
    feeds: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("TIDEMARK_EXECUTOR", executor)
    monkeypatch.delenv("CELERY_BROKER_URL", raising=False)
    assert main(["ui"]) == 2
    assert says in capsys.readouterr().err
    assert Ended.started == {}


@pytest.mark.parametrize("wrong", ["nowhere", "mistake"])
def test_a_mistake_is_told_before(
    wrong: str,
    feeds: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    if wrong == "nowhere":
        monkeypatch.setenv("TIDEMARK_FEEDS", str(feeds / "nowhere"))
    else:
        write_feed(feeds, FEED.replace("wex", "wexx"))
    assert main(["ui"]) == 2
    assert "tidemark: " in capsys.readouterr().err
    assert Ended.started == {}
