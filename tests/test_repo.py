"""What the repository promises: a lock that installs anywhere, one way to test, no trading."""

import os
import re
import subprocess
import tomllib
from collections.abc import Iterable
from importlib.metadata import Distribution, distribution
from itertools import chain
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from pipelines.cli.commands import COMMANDS

PINNED = re.compile(
    r"^([a-z0-9][a-z0-9.-]*)(?:\[[a-z0-9, -]+\])?==([^ ;]+)(?: ; [^\\]+)? \\$", re.MULTILINE
)


def normal(name: str) -> str:
    """The name of a package as the lock spells it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def declared(repo_root: Path) -> tuple[list[Requirement], dict[str, list[Requirement]]]:
    """What ``pyproject.toml`` declares: dependencies, and those of each extra."""
    project = tomllib.loads((repo_root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = {
        name: [Requirement(text) for text in texts]
        for name, texts in project["optional-dependencies"].items()
    }
    return [Requirement(text) for text in project["dependencies"]], extras


def closure(wanted: Iterable[Requirement]) -> dict[str, Distribution]:
    """The installed distributions that ``wanted`` bring, those they need included."""
    found: dict[tuple[str, frozenset[str]], Distribution] = {}
    todo = list(wanted)
    while todo:
        one = todo.pop()
        key = normal(one.name), frozenset(one.extras)
        if key in found:
            continue
        found[key] = distribution(one.name)
        for text in found[key].requires or ():
            needed = Requirement(text)
            environments = [{"extra": extra} for extra in ("", *one.extras)]
            if needed.marker is None or any(needed.marker.evaluate(e) for e in environments):
                todo.append(needed)
    return {name: installed for (name, _), installed in found.items()}


LICENCE_FIELDS = ("License-Expression", "License", "Classifier")


def licence(installed: Distribution) -> str:
    """The licence that a distribution declares, on one line."""
    given = {name: installed.metadata.get_all(name) or [] for name in LICENCE_FIELDS}
    licences = [text for text in given["Classifier"] if text.startswith("License ::")]
    # some put the whole text into License, and a permissive one may mention others
    texts = [text.partition("\n")[0] for text in given["License"]]
    return " ".join([*given["License-Expression"], *texts, *licences])


COPYLEFT = re.compile(r"\bA?GPL|GNU (Affero )?General Public", re.IGNORECASE)
LOCKS = ["requirements.lock", "requirements-spark.lock", "requirements-engines.lock"]
DEVELOPMENT = {"pytest", "hypothesis", "ruff", "mypy", "dlt", "polars", "beancount", "bittytax"}


def test_the_lock_pins_everything_that_is_declared(repo_root: Path) -> None:
    dependencies, extras = declared(repo_root)
    asked = {normal(one.name) for one in (*dependencies, *chain(*extras.values()))} - {"tidemark"}
    lock = "".join((repo_root / name).read_text(encoding="utf-8") for name in LOCKS)
    pinned = {normal(found.group(1)) for found in PINNED.finditer(lock)}
    assert asked <= pinned
    assert pinned >= set(closure(dependencies))
    assert all(
        "--hash=sha256:" in block
        for block in re.split(r"\n(?=[a-z0-9])", lock)
        if PINNED.match(block)
    )


def test_every_extra_is_declared(repo_root: Path) -> None:
    _, extras = declared(repo_root)
    assert set(extras) == {
        *("report", "export", "server", "postgres", "celery", "polars", "iceberg", "ccxt", "spark"),
        *("engines", "bench", "dev"),
    }
    own = [one for one in chain(*extras.values()) if one.name == "tidemark"]
    assert {extra for one in own for extra in one.extras} <= set(extras)


@pytest.mark.parametrize(
    "extra", ["", "report", "export", "server", "postgres", "celery", "polars", "iceberg"]
)
def test_users_get_no_development_tools_and_no_copyleft_program(
    extra: str, repo_root: Path
) -> None:
    dependencies, extras = declared(repo_root)
    installed = closure([*dependencies, *extras.get(extra, [])])
    assert not set(installed) & (DEVELOPMENT - {extra})
    for name, one in installed.items():
        assert not COPYLEFT.search(licence(one)), f"{name} is under {licence(one)}"


def test_copyleft_programs_are_recognised(repo_root: Path) -> None:
    assert all(COPYLEFT.search(licence(distribution(n))) for n in ("beancount", "bittytax"))


@pytest.mark.parametrize("package", ["schemas", "connectors", "warehouse", "pipelines", "sandbox"])
def test_the_wheel_has_every_data_file(package: str, repo_root: Path) -> None:
    text = (repo_root / "pyproject.toml").read_text(encoding="utf-8")
    patterns = tomllib.loads(text)["tool"]["setuptools"]["package-data"]
    folder = repo_root / package
    packed = set(chain(*(folder.glob(p) for p in (*patterns["*"], *patterns.get(package, [])))))
    assert folder / "py.typed" in packed
    for file in folder.rglob("*"):
        if file.is_file() and file.suffix not in (".py", ".pyc"):
            assert file in packed, f"{file.relative_to(repo_root)} is not in the wheel"


@pytest.mark.parametrize("name", LOCKS)
def test_the_lock_names_no_place(name: str, repo_root: Path) -> None:
    lock = (repo_root / name).read_text(encoding="utf-8")
    for word in (
        "://",
        "--index",
        "--extra-index",
        "--find-links",
        "--trusted",
        " @ ",
        "file:",
        "/tmp",
    ):
        assert word not in lock, f"{name} holds {word!r}"
    assert not re.search(r"^\s*[./]", lock, re.MULTILINE)


def test_ci_runs_the_tests_and_compares_the_counts(repo_root: Path) -> None:
    script = repo_root / ".ci" / "run"
    assert os.access(script, os.X_OK)
    commands = [
        line
        for line in script.read_text(encoding="utf-8").splitlines()
        if line and not line.startswith(("#", "set ", "cd "))
    ]
    # Before them, PostgreSQL, Redis, Java and Chromium are installed where the machine has none.
    # The last line of the output is that of `make test`.
    install, tests = "\n".join(commands[:-6]), commands[-6:]
    assert tests == [
        f"make {name}"
        for name in ("test-ui", "bench-check", "test-slow", "test-engines", "test-spark", "test")
    ]
    assert "make" not in install and "pytest" not in install


def test_make_explains_itself(repo_root: Path) -> None:
    makefile = (repo_root / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
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


@pytest.mark.parametrize("target", ["demo", "test", "test-ui", "ui", "screenshots", "bench"])
def test_make_begins_with_setup(target: str, repo_root: Path) -> None:
    makefile = (repo_root / "Makefile").read_text(encoding="utf-8")
    assert re.search(rf"^{target}: setup ", makefile, re.MULTILINE)


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
