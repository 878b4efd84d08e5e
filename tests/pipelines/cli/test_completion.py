"""``tidemark completion``: a real bash completes commands, options, feeds and streams."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.cli import main
from schemas import StreamId
from tests.conftest import REPO
from tests.feeds import write_feed
from tests.warehouse.tools import store

FEED = "exchange: wex\nmarkets: [BTC-USD]\nstart: 2016-01-01\ndatasets: {trades: {}, tickers: {}}"


@pytest.fixture
def held(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TIDEMARK_FEEDS", str(write_feed(tmp_path / "feeds", FEED, "mine")))
    store(home, StreamId("bitexbit", "candles", "BTC-USD", timeframe="5m"), [])
    return home


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_shell_has_its_script(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    assert f"_TIDEMARK_COMPLETE={shell}_complete" in capsys.readouterr().out


def test_a_shell_that_is_not_known(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "cmd"]) == 2
    assert "'bash', 'zsh', 'fish'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("tidemark st", ["status"]),
        ("tidemark pull --fr", ["--from"]),
        ("tidemark pull m", ["mine", "mine/trades", "mine/tickers"]),
        ("tidemark status bit", ["bitexbit", "bitexbit/candles"]),
        ("tidemark export be", ["beancount"]),
    ],
)
def test_what_is_completed(
    line: str,
    expected: list[str],
    held: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("_TIDEMARK_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", line)
    monkeypatch.setenv("COMP_CWORD", str(len(line.split()) - 1))
    assert main([]) == 0
    found = [entry.partition(",")[2] for entry in capsys.readouterr().out.splitlines()]
    assert found == expected


def test_a_mistake_in_the_feeds_is_no_noise(
    held: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TIDEMARK_FEEDS", str(held / "nowhere"))
    monkeypatch.setenv("_TIDEMARK_COMPLETE", "bash_complete")
    monkeypatch.setenv("COMP_WORDS", "tidemark pull m")
    monkeypatch.setenv("COMP_CWORD", "2")
    assert main([]) == 0
    captured = capsys.readouterr()
    assert (captured.out.strip(), captured.err) == ("", "")


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")
def test_in_a_real_bash(held: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program = tmp_path / "bin" / "tidemark"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m pipelines "$@"\n')
    program.chmod(0o755)
    main(["completion", "bash"])
    script = capsys.readouterr().out + (
        "COMP_WORDS=(tidemark hea); COMP_CWORD=1; _tidemark_completion tidemark\n"
        'echo "${COMPREPLY[@]}"\n'
    )
    path = f"{program.parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "--norc", "-c", script],
        env={**os.environ, "PATH": path, "PYTHONPATH": str(REPO)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert (done.stdout, done.stderr) == ("health\n", "")
