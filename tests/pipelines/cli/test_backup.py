"""``tidemark backup`` on the command line."""

from pathlib import Path

import pytest

from pipelines.cli import main
from tests.warehouse.tools import TRADES, row, store


def test_says_what_it_copied_and_what_is_not_part_of_it(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store(home, TRADES, [row(TRADES, 1)])
    target = tmp_path / "backup"
    assert main(["backup", str(target)]) == 0
    out, err = capsys.readouterr()
    assert out.startswith(f"{home} copied to {target}: 1 file of 1 were new or changed (")
    assert "keep with it: the feeds, .env" in out and err == ""
    for path in (home / "lake").rglob("*.parquet"):
        path.unlink()
    assert main(["backup", str(target)]) == 0
    assert "0 files of 0" in (out := capsys.readouterr().out)
    assert "1 file that the home has no longer moved to removed/" in out


def test_exit_codes(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["backup", str(tmp_path / "backup")]) == 1
    assert "Fix: " in capsys.readouterr().err
    store(home, TRADES, [row(TRADES, 1)])
    assert main(["backup", str(home / "copy")]) == 2
    assert "Fix: " in capsys.readouterr().err
    assert main(["backup"]) == 2
