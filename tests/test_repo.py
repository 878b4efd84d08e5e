"""What the repository promises: a lock that installs anywhere, one way to test, no trading."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from pipelines.cli.app import app

PINNED = re.compile(
    r"^([a-z0-9][a-z0-9.-]*)(?:\[[a-z0-9,-]+\])?==([^ ;]+)(?: ; [^\\]+)? \\$", re.MULTILINE
)


def normal(name: str) -> str:
    """The name of a package as the lock spells it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def test_the_lock_pins_everything_that_is_asked_for(repo_root: Path) -> None:
    asked = {
        normal(re.split(r"[\[<>=!~ ]", line, maxsplit=1)[0])
        for line in (repo_root / "requirements.in").read_text(encoding="utf-8").splitlines()
        if line and not line.startswith("#")
    }
    lock = (repo_root / "requirements.lock").read_text(encoding="utf-8")
    pinned = {normal(found.group(1)) for found in PINNED.finditer(lock)}
    assert asked <= pinned
    assert all(
        "--hash=sha256:" in block
        for block in re.split(r"\n(?=[a-z0-9])", lock)
        if PINNED.match(block)
    )


def test_the_lock_names_no_place(repo_root: Path) -> None:
    lock = (repo_root / "requirements.lock").read_text(encoding="utf-8")
    for word in ("://", "--index", "--extra-index", "--find-links", "--trusted", " @ ", "file:"):
        assert word not in lock, f"requirements.lock holds {word!r}"
    assert not re.search(r"^\s*[./]", lock, re.MULTILINE)


def test_ci_runs_the_one_test_command(repo_root: Path) -> None:
    script = repo_root / ".ci" / "run"
    assert os.access(script, os.X_OK)
    commands = [
        line
        for line in script.read_text(encoding="utf-8").splitlines()
        if line and not line.startswith(("#", "set ", "cd "))
    ]
    assert commands == ["make test"]


def test_make_explains_itself(repo_root: Path) -> None:
    makefile = (repo_root / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, re.MULTILINE))
    phony = re.search(r"^\.PHONY: (.+)$", makefile, re.MULTILINE)
    assert phony is not None and set(phony.group(1).split()) == targets
    listed = subprocess.run(
        ["make", "--no-print-directory"],
        cwd=repo_root,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    for target in targets:
        assert re.search(rf"^  {target} ", listed, re.MULTILINE), f"make help is silent on {target}"


@pytest.mark.parametrize("target", ["demo", "test", "ui", "bench"])
def test_make_begins_with_setup(target: str, repo_root: Path) -> None:
    makefile = (repo_root / "Makefile").read_text(encoding="utf-8")
    assert re.search(rf"^{target}: setup ", makefile, re.MULTILINE)


COMMANDS = [c.name or "" for c in app.registered_commands]
COMMANDS += [g.name or "" for g in app.registered_groups]


@pytest.mark.parametrize("command", sorted(COMMANDS))
def test_every_command_is_in_the_readme(command: str, repo_root: Path) -> None:
    readme = (repo_root / "README.md").read_text(encoding="utf-8")
    assert f"tidemark {command}" in readme


@pytest.mark.parametrize("folder", ["connectors", "pipelines", "sandbox"])
def test_nothing_can_trade_or_move_money(folder: str, repo_root: Path) -> None:
    """The calls of both documents that change anything are named nowhere in the code."""
    calls = re.compile(
        r"order/create|/cancel\b|[Cc]oupon|CancelOrder|WithdrawCoin|"
        r"method=Trade\b|[\"']Trade[\"']"
    )
    for file in sorted((repo_root / folder).rglob("*.py")):
        found = calls.search(file.read_text(encoding="utf-8"))
        assert found is None, f"{file.relative_to(repo_root)} names {found and found.group()}"
