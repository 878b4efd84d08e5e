"""``tidemark init``: the first feed, by options or by questions; where it lies."""

import os
import pty
import stat
import subprocess
import sys
from pathlib import Path

import pytest

import connectors
from pipelines.cli import main
from pipelines.feeds import folder, load_feeds
from tests.conftest import REPO

WEX = ["init", "--exchange", "wex", "--markets", "BTC-USD, LTC-USD", "--start", "2017-01-01"]


@pytest.fixture
def clone(home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working folder; Tidemark is a clone, as in every test."""
    monkeypatch.delenv("TIDEMARK_HOME")
    return Path.cwd()


def test_in_a_clone_your_feeds_are_not_those_of_git(
    clone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(WEX) == 0
    out = capsys.readouterr().out
    assert out.startswith("wrote feeds/wex/defs.yaml\nset TIDEMARK_FEEDS=feeds in .env")
    assert "next: tidemark pull wex" in out and "WEX_API_KEY and WEX_API_SECRET" in out
    assert (clone / ".env").read_text() == "TIDEMARK_FEEDS=feeds\n"
    assert stat.S_IMODE((clone / ".env").stat().st_mode) == 0o600
    (feed,) = load_feeds()
    assert (feed.path, feed.markets) == (Path("feeds/wex/defs.yaml"), ("BTC-USD", "LTC-USD"))


def test_what_is_in_the_file_of_settings_stays(clone: Path) -> None:
    (clone / ".env").write_text("WEX_API_KEY=mine")
    (clone / ".env").chmod(0o640)
    assert main(WEX) == 0
    assert (clone / ".env").read_text() == "WEX_API_KEY=mine\nTIDEMARK_FEEDS=feeds\n"
    assert stat.S_IMODE((clone / ".env").stat().st_mode) == 0o640


def test_installed_with_pip_the_feeds_are_in_the_working_folder(
    clone: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(folder, "CLONE", clone / "pyproject.toml")  # there is none
    assert main(["pull"]) == 2
    assert "Fix: tidemark init writes the first feed" in capsys.readouterr().err
    assert main(WEX) == 0
    assert "TIDEMARK_FEEDS" not in capsys.readouterr().out
    assert not (clone / ".env").exists()
    assert [feed.name for feed in load_feeds()] == ["wex"]


def test_the_folder_that_is_set_is_used(
    clone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEMARK_FEEDS", str(tmp_path / "mine"))
    assert main([*WEX, "--account", "desk"]) == 0
    assert main([*WEX[:4], "XRP-USD", *WEX[5:], "--name", "more"]) == 0
    assert sorted(p.name for p in (tmp_path / "mine").iterdir()) == ["more", "wex-desk"]
    assert not (clone / ".env").exists() and not (clone / "feeds").exists()
    assert [feed.name for feed in load_feeds()] == ["more", "wex-desk"]


def test_a_feed_is_never_overwritten(clone: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(WEX) == 0
    before = (clone / "feeds/wex/defs.yaml").read_text()
    assert main([*WEX[:4], "all", *WEX[5:]]) == 2
    assert "feeds/wex/defs.yaml is there already" in capsys.readouterr().err
    assert (clone / "feeds/wex/defs.yaml").read_text() == before


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--exchange", "wexx", "unknown exchange 'wexx'; did you mean 'wex'?"),
        ("--markets", " , ", "markets is empty"),
        ("--start", "soon", "start 'soon' is not a date"),
        ("--name", "../up", "a feed's name"),
        ("--name", "", "a feed's name"),
    ],
)
def test_what_no_feed_can_have(
    clone: Path, option: str, value: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*WEX, option, value]) == 2
    assert message in capsys.readouterr().err
    assert list(clone.iterdir()) == []


def test_nobody_is_asked_where_nobody_is(
    clone: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with open(os.devnull) as nobody:
        monkeypatch.setattr("sys.stdin", nobody)
        assert main(["init", "--exchange", "wex"]) == 2
    assert "Fix: tidemark init --exchange" in capsys.readouterr().err


def test_three_questions(clone: Path) -> None:
    """In a real terminal: an exchange that there is not is asked for again."""
    terminal, other = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "pipelines", "init"],
        cwd=clone,
        env={**os.environ, "PYTHONPATH": str(REPO)},
        stdin=other,
        stdout=other,
        stderr=other,
    ) as process:
        os.close(other)
        os.write(terminal, b"nowhere\nwex\n\n2018-02-03\n")
        shown = b""
        while True:
            try:
                part = os.read(terminal, 4096)
            except OSError:  # the other end was closed
                break
            if not part:
                break
            shown += part
        assert process.wait() == 0, shown
    os.close(terminal)
    text = shown.decode()
    assert text.index("Exchange (") < text.index("Markets (") < text.index("History back to")
    assert f"there is no 'nowhere'; there are: {connectors.names()[0]}" in text
    assert "markets: [BTC-USD]" in (clone / "feeds/wex/defs.yaml").read_text()
    assert "start: 2018-02-03" in (clone / "feeds/wex/defs.yaml").read_text()
