"""The SQL files in ``warehouse/sql``: views, marts and macros, each described in its own head.

``views/<name>.sql`` becomes the view ``main.<name>``, ``marts/<name>.sql`` the view
``marts.<name>``, ``macros/<name>.sql`` the macro ``main.<name>``. A file is a head of comments and
one SELECT (or the expression of a scalar macro)::

    -- What it is, in one sentence.
    -- More, if needed.
    --
    -- grain: one row per …
    -- sources: trades, marts.fills, ratio()
    -- parameters:                      (macros)
    --   since := NULL    TIMESTAMPTZ   from here
    -- columns:                         (a scalar macro has `returns: TYPE meaning` instead)
    --   exchange         VARCHAR       where; a longer text
    --                                  goes on indented deeper

Tables are named ``main.trades``, so that the views also work in an attached file. What is declared
in ``schemas`` is not repeated: ``{{timeframes}}`` is replaced by all of them.

How an exchange words the statement of an account is known beside its connector:
``connectors/<exchange>/statements.sql`` becomes the view ``main.<exchange>_statements``, and
``main.statements`` is all of them. Only these files are read, none of the connectors' code.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from graphlib import CycleError, TopologicalSorter
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from schemas import DATASETS, TIMEFRAMES, Dataset
from schemas.timeframes import SHORTEST
from warehouse.errors import StorageError

FOLDER: Final = Path(__file__).parent / "sql"


def _statement_files() -> dict[str, Path]:
    """The SQL that reads the statement of each exchange whose wording is known, by view."""
    spec = find_spec("connectors")
    folders = spec.submodule_search_locations or () if spec else ()
    found = sorted(p for folder in folders for p in Path(folder).glob("*/statements.sql"))
    return {f"{path.parent.name}_statements": path for path in found}


def _held_rows(declared: Dataset) -> str:
    """A query of the stream and the time of every row held.

    ``stream`` as ``coverage`` names it, of an account that is asked market by market with
    ``market`` behind it.
    """
    moment, market = declared.time_column, "NULL"
    if declared.is_reference:
        stream, moment = "''", "NULL"
    elif declared.is_account:
        stream = "account"
        market = "symbol" if "symbol" in declared.schema.names else market
    else:
        stream = " || ':' || ".join(("symbol", *declared.stream_columns))
    return (
        f"SELECT exchange, '{declared.name}' AS dataset, {stream} AS stream, {market} AS market,"
        f" {moment} AS moment, ingested_at FROM main.{declared.name}"
    )


_ALONG: Final = {d.history for d in DATASETS.values()}
_STREAMED: Final = [
    d
    for d in DATASETS.values()
    if {"symbol", "account", "currency"} & {*d.key} and d.name not in _ALONG
]
"""The datasets that are collected: not those which are written along with others."""
_DECLARED: Final = {
    "timeframes": " ".join(TIMEFRAMES),
    "timeframe_rows": ", ".join(f"('{name}')" for name in TIMEFRAMES),
    "shortest": SHORTEST,
    "held_tables": ", ".join(d.name for d in _STREAMED),
    "held_rows": "\n    UNION ALL\n    ".join(map(_held_rows, _STREAMED)),
    "statement_views": ", ".join(_statement_files()),
    "statements": "\nUNION ALL BY NAME\n".join(f"FROM main.{name}" for name in _statement_files()),
}
"""What a file may name in double braces instead of repeating what ``schemas`` declares."""
_SECTION: Final = re.compile(r"(grain|sources|parameters|columns|returns):\s*(.*)")
_ENTRY: Final = re.compile(r"  (\S.*?)\s{2,}(\S.*?)\s{2,}(\S.*)")


@dataclass(frozen=True)
class Column:
    """A column of a view, or a parameter of a macro (``default`` as SQL; ``None``: required)."""

    name: str
    type: str
    description: str
    default: str | None = None


@dataclass(frozen=True)
class View:
    """One SQL file. ``sources``: the tables, views and macros it reads, as it names them."""

    name: str
    folder: str
    title: str
    description: str
    body: str
    grain: str = ""
    sources: tuple[str, ...] = ()
    parameters: tuple[Column, ...] = ()
    columns: tuple[Column, ...] = ()
    returns: str = ""

    @property
    def is_macro(self) -> bool:
        """Whether it is called with arguments."""
        return self.folder == "macros"

    @property
    def schema(self) -> str:
        """The schema it lives in."""
        return "marts" if self.folder == "marts" else "main"

    @property
    def key(self) -> str:
        """As ``sources`` name it: ``ledger``, ``marts.fills``, ``candles()``."""
        if self.is_macro:  # may be called like a table
            return f"{self.name}()"
        return self.name if self.schema == "main" else f"{self.schema}.{self.name}"

    @property
    def call(self) -> str:
        """How one uses it in SQL: ``marts.fills``, ``realised_profit(method := 'fifo')``."""
        if not self.is_macro:
            return self.key
        given = (p.name + (f" := {p.default}" if p.default else "") for p in self.parameters)
        return f"{self.name}({', '.join(given)})"

    @property
    def comment(self) -> str:
        """What DuckDB shows of it."""
        return " ".join(filter(None, (self.title, self.description, _sentence(self.grain))))

    def statement(self) -> str:
        """The statement that creates it."""
        if not self.is_macro:
            return f'CREATE OR REPLACE VIEW {self.schema}."{self.name}" AS\n{self.body}'
        kind = "TABLE " if self.columns else ""
        open_, close = ("", "") if self.columns else ("(", ")")
        return f"CREATE OR REPLACE MACRO main.{self.call} AS {kind}{open_}\n{self.body}\n{close}"


def parse(folder: str, name: str, text: str) -> View:
    """The view that a file describes. Raises ``StorageError`` for a head of another form."""
    head: list[str] = []
    lines = text.strip().splitlines()
    while lines and lines[0].startswith("--"):
        head.append(lines.pop(0).removeprefix("--").removeprefix(" ").rstrip())
    body = "\n".join(lines).strip()
    words, sections = _sections(head)
    where = f"{folder}/{name}.sql"
    if not words or not body or not ("columns" in sections or "returns" in sections):
        raise StorageError(f"{where}: a head with title and columns, then the SQL, is needed")
    return View(
        name=name,
        folder=folder,
        title=words[0],
        description=" ".join(words[1:]),
        body=body,
        grain=" ".join(sections.get("grain", [])),
        sources=tuple(re.findall(r"[\w.]+(?:\(\))?", " ".join(sections.get("sources", [])))),
        parameters=tuple(_entries(where, sections.get("parameters", []))),
        columns=tuple(_entries(where, sections.get("columns", []))),
        returns=" ".join(sections.get("returns", [])),
    )


def texts() -> Iterator[tuple[str, str, str]]:
    """Folder, name and SQL of every file, with what is declared in place of its placeholders."""
    files = [(path.parent.name, path.stem, path) for path in sorted(FOLDER.glob("*/*.sql"))]
    files += [("views", name, path) for name, path in _statement_files().items()]
    for folder, name, path in files:
        text = path.read_text(encoding="utf-8")
        for placeholder, value in _DECLARED.items():
            text = text.replace(f"{{{{{placeholder}}}}}", value)
        yield folder, name, text


@cache
def views() -> Mapping[str, View]:
    """Every file by its key, in an order in which they can be created."""
    found = {view.key: view for view in (parse(*each) for each in texts())}
    try:
        reads = {k: [s for s in view.sources if s in found] for k, view in found.items()}
        return {key: found[key] for key in TopologicalSorter(reads).static_order()}
    except CycleError as error:
        raise StorageError(f"SQL files that read each other: {error.args[1]}") from error


def tables_of(view: View) -> tuple[str, ...]:
    """The tables that ``view`` reads, itself or through other views, in order of appearance."""
    found: dict[str, None] = {}
    for source in view.sources:
        inner = views().get(source)
        if inner is None:
            found[source] = None
        else:
            found |= dict.fromkeys(tables_of(inner))
    return tuple(found)


def _sections(head: Iterable[str]) -> tuple[list[str], dict[str, list[str]]]:
    words: list[str] = []
    sections: dict[str, list[str]] = {}
    current = words
    for line in head:
        begins = _SECTION.fullmatch(line)
        if begins:
            current = sections.setdefault(begins[1], [begins[2]] if begins[2] else [])
        elif line.strip():
            current.append(line if current is not words else line.strip())
    for name in ("grain", "sources", "returns"):
        if name in sections:
            sections[name] = [line.strip() for line in sections[name]]
    return words, sections


def _entries(where: str, lines: Iterable[str]) -> list[Column]:
    entries: list[Column] = []
    for line in lines:
        match = _ENTRY.fullmatch(line)
        if match and not line.startswith("   "):
            name, _, default = match[1].partition(":=")
            entries.append(Column(name.strip(), match[2], match[3], default.strip() or None))
        elif entries and line.startswith("   "):
            last = entries.pop()
            text = f"{last.description} {line.strip()}"
            entries.append(Column(last.name, last.type, text, last.default))
        else:
            raise StorageError(f"{where}: not `  name  TYPE  meaning`: {line.strip()!r}")
    return entries


def _sentence(grain: str) -> str:
    return f"{grain[0].upper()}{grain[1:]}." if grain else ""
