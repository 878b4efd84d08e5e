"""The summary of the demo: rows, coverage, files, three queries with results, what next."""

from datetime import UTC, datetime
from pathlib import Path

import warehouse
from pipelines.demo.exchange import Feeding
from pipelines.feeds.folder import CLONE
from pipelines.output.console import print_table, say
from pipelines.output.formatting import age, count
from pipelines.output.results import write_table
from pipelines.status import write_status
from schemas import DATASETS

QUERIES = sorted((Path(__file__).parent / "queries").glob("*.sql"))


def rows(home: Path) -> dict[str, int]:
    """Rows of every table of the warehouse; nothing where there is none yet."""
    if not (home / warehouse.LINK).exists():
        return {}
    counts = " UNION ALL ".join(f"SELECT '{n}' AS name, count(*) AS n FROM {n}" for n in DATASETS)
    result = warehouse.sql(counts, home=home).to_pylist()
    return {row["name"]: row["n"] for row in result}


def show(exchange: Feeding, before: dict[str, int], seconds: float) -> None:
    """Write the summary on stdout."""
    home = exchange.home
    after = rows(home)
    added = sum(after.values()) - sum(before.values())
    if exchange.last_run is None:
        say(f"First run: {count(added, 'row')} in {seconds:.1f} s.")
    else:
        since = age(datetime.now(UTC) - exchange.last_run)
        say(
            f"Incremental run: {count(added, 'new row')} since the last one {since} ago, "
            f"in {seconds:.1f} s."
        )
    _title("Rows per table")
    print_table(
        ("table", "rows", "new"),
        ((name, f"{n:,}", f"{n - before.get(name, 0):,}") for name, n in after.items()),
        right=("rows", "new"),
    )
    _title("Coverage per stream")
    write_status(warehouse.status(home), datetime.now(UTC))
    _title("Where it is stored")
    files = list((home / "lake").rglob("*.parquet"))
    size = sum(file.stat().st_size for file in files)
    say(f"Parquet  {home / 'lake'} ({count(len(files), 'file')}, {size / 1e6:.1f} MB)")
    say(f"DuckDB   {home / warehouse.LINK}")
    for file in QUERIES:
        query = file.read_text(encoding="utf-8")
        question, _, statement = query.partition("\n")
        _title(question.removeprefix("--").strip())
        say(statement.strip())
        say()
        write_table(warehouse.sql(query, home=home))
    _title("What next")
    _next(home)


def _title(text: str) -> None:
    say()
    say(f"== {text}")


def _next(home: Path) -> None:
    place = f"TIDEMARK_HOME={_shown(home)}"
    page = home / "report.html"  # not there without the extra
    command = ".venv/bin/tidemark" if CLONE.is_file() else "tidemark"
    for what, how in (
        ("pull what is new since now", f"{command} demo"),
        *([("look at it in a browser", _shown(page))] if page.exists() else []),
        ("query it yourself", f'{place} {command} sql "SHOW TABLES"'),
        ("see what is covered", f"{place} {command} status"),
        ("open Dagster on it", f"{place} {command} ui --demo"),
        ("collect from a real exchange", f"{command} init, then {command} pull"),
    ):
        say(f"{what:<32} {how}")


def _shown(home: Path) -> str:
    """The home as one types it from here."""
    return str(home.relative_to(Path.cwd())) if home.is_relative_to(Path.cwd()) else str(home)
