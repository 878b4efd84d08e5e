"""Every snippet of the README that reads data runs as it is and returns rows."""

import ast
import re
import shlex
from pathlib import Path
from typing import Any

import duckdb
import pytest

import warehouse
from pipelines.cli import main
from tests.conftest import REPO
from tests.pulled import Pulled

README = (REPO / "README.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def section(title: str) -> str:
    """From one heading to the next."""
    return README.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


SNIPPETS = BLOCK.findall(section("Read the data"))
DUCKDB = re.findall(r"^duckdb .*", README, re.MULTILINE)
TIDEMARK = re.findall(r"^\.venv/bin/tidemark sql .*", README, re.MULTILINE)


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
    lines = {line for text in of("sh") for line in text.splitlines()}
    assert lines <= {*DUCKDB, *TIDEMARK}


@pytest.mark.parametrize("text", DUCKDB)
def test_duckdb_command(text: str, data: Path) -> None:
    """What the command line of DuckDB does, by its Python package."""
    _, option, file, query = shlex.split(text, comments=True)
    assert option == "-readonly"
    with duckdb.connect(file, read_only=True) as db:
        assert db.sql(query).to_arrow_table().num_rows


@pytest.mark.parametrize("text", TIDEMARK)
def test_tidemark_command(text: str, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(shlex.split(text)[1:]) == 0
    head, _, *rows = capsys.readouterr().out.splitlines()
    assert head.startswith("| ") and rows


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
