"""Imports run one way: pipelines -> warehouse -> schemas <- connectors. The sandbox: alone.

And within pipelines, from room to room, downwards only.
"""

import ast
from pathlib import Path

import pytest

FLOORS = {"schemas", "connectors", "warehouse", "pipelines", "sandbox", "tests", "bench"}

MAY_USE = {
    "schemas": {"schemas"},
    "connectors": {"connectors", "schemas"},
    "warehouse": {"warehouse", "schemas"},
    "pipelines": FLOORS - {"tests", "bench"},
    # An exchange of its own: were it built from the connectors, both could be wrong together.
    "sandbox": {"sandbox"},
}

NEVER = {
    "schemas": {"dagster", "duckdb", "httpx", "pandas", "sqlite3"},
    "connectors": {"dagster", "duckdb", "pandas", "sqlite3"},
    "warehouse": {"dagster", "httpx", "pandas"},
    "pipelines": set[str](),
    "sandbox": {"dagster", "duckdb", "httpx", "pyarrow"},
}

# The rooms of pipelines, the lowest first. A room imports only rooms of lower lines.
ROOMS = (
    {"output"},
    {"settings", "spans"},
    {"feeds"},
    {"exchanges"},
    {"ingest"},
    {"replay", "imports"},
    {"publishing"},
    {"progress", "status"},
    {"health"},
    {"report", "export", "marts"},
    {"orchestration"},
    {"components", "definitions"},
    {"ui"},
    {"demo"},
    {"cli"},
    {"__main__"},
)

# Results are handed over in the library that an analyst asks for.
MAY = {"warehouse/frames.py": {"pandas"}}


def imported(source: str) -> set[str]:
    """The top-level packages that ``source`` imports, anywhere in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            found.add(node.module.partition(".")[0])
    return found


def rooms_imported(source: str) -> set[str]:
    """The rooms of ``pipelines`` that ``source`` imports, anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {name.split(".")[1] for name in names if name.startswith("pipelines.")}


def test_imports_are_found_wherever_they_stand() -> None:
    source = "import a.b\ndef f():\n    from c.d import e\nfrom . import g\n"
    assert imported(source) == {"a", "c"}


def test_rooms_are_found_in_every_spelling() -> None:
    source = (
        "import pipelines.a.b\nfrom pipelines import c\ndef f():\n    from pipelines.d import e\n"
    )
    assert rooms_imported(source) == {"a", "c", "d"}


def test_every_room_of_pipelines_has_its_place(repo_root: Path) -> None:
    found = {path.stem for path in (repo_root / "pipelines").glob("*.py")} | {
        path.parent.name for path in (repo_root / "pipelines").glob("*/__init__.py")
    }
    assert found - {"__init__"} <= set().union(*ROOMS)


@pytest.mark.parametrize(("level", "rooms"), list(enumerate(ROOMS)))
def test_a_room_imports_only_lower_rooms(level: int, rooms: set[str], repo_root: Path) -> None:
    lower = set().union(*ROOMS[:level])
    for room in rooms:
        folder = repo_root / "pipelines"
        for file in [*folder.glob(f"{room}.py"), *(folder / room).rglob("*.py")]:
            wrong = rooms_imported(file.read_text(encoding="utf-8")) - lower - {room}
            assert not wrong, f"{file.relative_to(repo_root)} imports {', '.join(sorted(wrong))}"


@pytest.mark.parametrize("floor", sorted(MAY_USE))
def test_a_floor_imports_only_what_it_may(floor: str, repo_root: Path) -> None:
    files = sorted((repo_root / floor).rglob("*.py"))
    assert files, f"no code in {floor}/"
    for file in files:
        names = imported(file.read_text(encoding="utf-8"))
        never = NEVER[floor] - MAY.get(file.relative_to(repo_root).as_posix(), set())
        wrong = (names & FLOORS - MAY_USE[floor]) | (names & never)
        assert not wrong, f"{file.relative_to(repo_root)} imports {', '.join(sorted(wrong))}"


def test_nothing_is_imported_relatively(repo_root: Path) -> None:
    """One spelling of an import, so that the test above sees all of them."""
    for floor in MAY_USE:
        for file in (repo_root / floor).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
                relative = isinstance(node, ast.ImportFrom) and node.level > 0
                assert not relative, f"{file.relative_to(repo_root)} has a relative import"
