"""Every snippet of the README that reads data runs as it is and returns rows."""

import ast
import re
import shlex
from pathlib import Path
from typing import Any

import duckdb
import pytest

import warehouse
from tests.conftest import REPO
from tests.pulled import Pulled

BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def section(title: str) -> str:
    """From one heading to the next."""
    readme = (REPO / "README.md").read_text(encoding="utf-8")
    return readme.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


SNIPPETS = BLOCK.findall(section("Read the data"))
QUERIES = re.findall(r"^duckdb .*", (REPO / "README.md").read_text(encoding="utf-8"), re.MULTILINE)


def of(language: str) -> list[str]:
    return [text for kind, text in SNIPPETS if kind == language]


@pytest.fixture
def data(pulled: Pulled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """``./data`` as the README has it."""
    (tmp_path / "data").symlink_to(pulled.home)
    monkeypatch.chdir(tmp_path)
    return tmp_path / "data"


def test_there_are_snippets_of_every_kind() -> None:
    assert {kind for kind, _ in SNIPPETS} == {"sh", "python", "sql"}
    assert set(of("sh")) <= {f"{query}\n" for query in QUERIES}


@pytest.mark.parametrize("text", QUERIES)
def test_duckdb_command(text: str, data: Path) -> None:
    """What the command line of DuckDB does, by its Python package."""
    arguments = [word for word in shlex.split(text)[1:] if word not in ("-readonly", "-c")]
    *file, query = arguments
    with duckdb.connect(file[0] if file else ":memory:", read_only=bool(file)) as db:
        assert db.sql(query).to_arrow_table().num_rows


@pytest.mark.parametrize("text", [q for text in of("sql") for q in text.split(";") if q.strip()])
def test_sql(text: str, data: Path) -> None:
    assert warehouse.sql(text).num_rows


@pytest.mark.parametrize("text", of("python"))
def test_python(text: str, data: Path) -> None:
    names: dict[str, Any] = {}
    for statement in ast.parse(text).body:
        if isinstance(statement, ast.Expr):
            found = eval(ast.unparse(statement), names)
            assert len(found), ast.unparse(statement)
        else:
            exec(ast.unparse(statement), names)
    held = [value for value in names.values() if hasattr(value, "columns")]
    assert all(len(frame) for frame in held)
    if isinstance(names.get("con"), duckdb.DuckDBPyConnection):
        names["con"].close()
