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


def test_a_home_that_lost_files_ends_with_1(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store(home, TRADES, [row(TRADES, 1)])
    target = tmp_path / "backup"
    assert main(["backup", str(target)]) == 0
    (path,) = (home / "lake").rglob("*.parquet")
    path.unlink()
    capsys.readouterr()
    assert main(["backup", str(target)]) == 1
    out, err = capsys.readouterr()
    assert "0 files of 0" in out
    assert err.splitlines() == [
        f"lost: {path.relative_to(home)} (the backup has it)",
        f"1 file of the lake of {home} should be there, and is not; the backup has 1 of them",
        f"Fix: copy what is missing from {target} to {home}, then tidemark verify",
    ]
    path.write_bytes((target / path.relative_to(home)).read_bytes())
    assert main(["verify"]) == 0


def test_exit_codes(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["backup", str(tmp_path / "backup")]) == 1
    assert "Fix: " in capsys.readouterr().err
    store(home, TRADES, [row(TRADES, 1)])
    assert main(["backup", str(home / "copy")]) == 2
    assert "Fix: " in capsys.readouterr().err
    assert main(["backup"]) == 2
