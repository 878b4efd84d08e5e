"""Files of the home are for this user alone, unless ``TIDEMARK_UMASK`` says otherwise."""

import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipelines.cli import main
from pipelines.settings import _report_exposed, load_settings
from sandbox import Served
from schemas import ConfigError
from tests.matrix import thinned
from tests.modes import loose

FEED = """\
exchange: bitexbit
markets: [BTC-USD]
start: 2026-01-09
datasets: {trades: {}, balances: {}, account_trades: {}}
"""


@pytest.fixture(autouse=True)
def usual_umask() -> Iterator[None]:
    """What most systems give a process."""
    _report_exposed.cache_clear()
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.mark.slow
@pytest.mark.parametrize("umask", thinned(["027", "077"], 2))  # 077: also test_demo
def test_everything_below_the_home_is_private(
    umask: str,
    home: Path,
    exchange: Served,
    feeds: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, value in exchange.env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("TIDEMARK_FEEDS", str(feeds(FEED)))
    monkeypatch.setenv("TIDEMARK_UMASK", umask)
    commands = (["pull"], ["verify"], ["rebuild"], ["report"], ["status"], ["sql", "FROM trades"])
    for command in commands:
        os.umask(0o022)  # each command is a process of its own
        assert main(command) == 0
    out = home.parent / "balances.csv"
    assert main(["export", "csv", "balances", "--out", str(out)]) == 0
    assert {"lake", "raw", "versions", "report.html"} <= {p.name for p in home.iterdir()}
    assert loose(home, int(umask, 8)) == {}
    assert loose(out, int(umask, 8)) == {}


def test_a_home_of_before_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEMARK_HOME", str(tmp_path))
    (tmp_path / "metastore.sqlite").touch()
    tmp_path.chmod(0o755)
    load_settings().prepare_home()
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o700


def test_a_folder_of_other_things_keeps_its_rights(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEMARK_HOME", str(tmp_path))
    (tmp_path / "photos").mkdir()
    tmp_path.chmod(0o755)
    load_settings().prepare_home()
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755


@pytest.mark.parametrize("text", ["77", "0077", "077", "027", "007"])
def test_umasks(text: str) -> None:
    assert load_settings({"TIDEMARK_UMASK": text}, None).umask == int(text, 8)


@pytest.mark.parametrize("text", ["700", "0o77", "rwx", "7", "088", "-77"])
def test_mistaken_umasks(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TIDEMARK_UMASK", text)
    with pytest.raises(ConfigError, match=f"TIDEMARK_UMASK is '{text}'") as caught:
        load_settings()
    assert "\nFix: TIDEMARK_UMASK=077" in str(caught.value)


@pytest.mark.parametrize(
    ("mode", "umask", "fix"),
    [
        (0o644, "", "600"),
        (0o640, "", "600"),
        (0o644, "027", "640"),
        (0o640, "027", None),
        (0o600, "", None),
    ],
)
def test_a_dotenv_that_others_can_read_is_reported_once(
    mode: int,
    umask: str,
    fix: str | None,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = Path.cwd() / ".env"
    file.write_text(f"WEX_API_SECRET=hush\nTIDEMARK_UMASK={umask}\n")
    file.chmod(mode)
    load_settings()
    load_settings()
    warning = f"warning: {file} can be read by other users (mode {mode:o})\n"
    expected = f"{warning}Fix: chmod {fix} {file}\n" if fix else ""
    assert capsys.readouterr().err == expected


def test_a_dotenv_on_a_system_without_modes_is_not_reported(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = Path.cwd() / ".env"
    file.write_text("WEX_API_SECRET=hush\n")
    file.chmod(0o755)
    real = os.fstat

    def every_file_is_755(handle: int) -> os.stat_result:
        return os.stat_result((0o100755, *real(handle)[1:]))

    monkeypatch.setattr("os.fstat", every_file_is_755)
    load_settings()
    assert capsys.readouterr().err == ""
