"""``tidemark new-exchange``: a skeleton that works as it is, in a copy of the repository."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import connectors
from pipelines.cli import main

COPIED = ("connectors", "sandbox", "schemas", "warehouse", "pipelines", "tests", "bench")


@pytest.fixture(scope="module")
def copy(repo_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository without its history, with the skeleton of two exchanges in it."""
    place = tmp_path_factory.mktemp("clone")
    skipped = shutil.ignore_patterns("__pycache__", "*.tar.xz", "*.png")
    for name in COPIED:
        shutil.copytree(repo_root / name, place / name, ignore=skipped)
    for name in ("pyproject.toml", "dagster.yaml"):
        shutil.copy(repo_root / name, place)
    # One name comes before all others in lists of imports, the other one after them.
    ok(place, "-m", "pipelines", "new-exchange", "acme", "--title", "ACME Exchange")
    ok(place, "-m", "pipelines", "new-exchange", "zz9")
    return place


def ok(place: Path, *command: str) -> str:
    """What a Python of its own says, which must succeed."""
    run = [sys.executable, *command]
    done = subprocess.run(run, cwd=place, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.slow
def test_its_tests_pass(copy: Path) -> None:
    """A Python of its own and a sandbox: some 4 s. The whole behaviour suite takes a minute."""
    tests = ("tests/connectors/test_acme.py", "tests/sandbox/test_zz9.py")
    some = ("tests/connectors/test_calls.py", "tests/connectors/test_reading_only.py")
    options = ("-n", "0", "-q", "-p", "no:cacheprovider", "-k", "acme or zz9")
    out = ok(copy, "-m", "pytest", *options, *tests, *some)
    assert "[100%]" in out


def test_it_is_in_the_style_of_the_house(copy: Path) -> None:
    written = [*copy.glob("*/acme"), *copy.glob("*/zz9"), *copy.glob("tests/**/*acme*.py")]
    assert len(written) == 7
    for check in (["check"], ["format", "--check"]):
        ok(copy, "-m", "ruff", *check, "--no-cache", *map(str, written))


def test_nothing_that_exists_is_changed(copy: Path, repo_root: Path) -> None:
    for name in COPIED:
        for path in (repo_root / name).rglob("*.py"):
            there = copy / path.relative_to(repo_root)
            assert there.read_bytes() == path.read_bytes()
    text = (copy / "connectors" / "acme" / "__init__.py").read_text()
    assert text.startswith('"""ACME Exchange: ')
    files = [p for p in copy.rglob("*acme*") if p.is_file() and p.suffix != ".pyc"]
    left = [p for p in files if "newexchange" in p.read_text()]
    assert left == []


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["wex"], "is there already"),
        (["Acme"], "2 to 20 letters"),
        (["a/../b"], "2 to 20 letters"),
        (["acme", "--title", '"""'], "a title is"),
    ],
)
def test_wrong_names(
    arguments: list[str], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    before = connectors.names()
    assert main(["new-exchange", *arguments]) == 2
    shown = capsys.readouterr().err
    assert problem in shown and "Fix: " in shown
    connectors.names.cache_clear()
    assert connectors.names() == before


def test_it_needs_a_clone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(connectors, "__file__", str(tmp_path / "connectors" / "__init__.py"))
    assert main(["new-exchange", "acme"]) == 2
    assert "needs a clone" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []
