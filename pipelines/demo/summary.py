"""The summary of the demo: rows, proof, files, queries with results, what next."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import warehouse
from pipelines.demo.exchange import DEMO_FEEDS, Feeding
from pipelines.feeds.folder import CLONE
from pipelines.output.console import print_table, say
from pipelines.output.formatting import age, interval_text, verdict
from pipelines.output.results import write_table
from schemas import DATASETS
from schemas.wording import count
from warehouse.coverage_table import spans
from warehouse.streams import StreamStatus

QUERIES: Final = sorted((Path(__file__).parent / "queries").glob("*.sql"))
Rows = Mapping[tuple[str, str], int]
"""How many rows there are, by table and exchange."""


def rows(home: Path) -> Rows:
    """Rows of every table of the warehouse; nothing where there is none yet."""
    if not (home / warehouse.LINK).exists():
        return {}
    counts = " UNION ALL ".join(
        f"SELECT '{name}' AS name, exchange, count(*) AS n FROM {name} GROUP BY exchange"
        for name in DATASETS
    )
    result = warehouse.sql(counts, home=home).to_pylist()
    return {(row["name"], row["exchange"]): row["n"] for row in result}


def show(exchange: Feeding, before: Rows, seconds: float) -> bool:
    """Write the summary on stdout. Returns whether lake, metastore and DuckDB agree."""
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
    _title("What was collected: rows per table and exchange")
    _write_rows(exchange.exchanges, before, after)
    _title("Is anything missing? Streams are markets, their candles, histories of accounts")
    _write_proof(exchange.exchanges, warehouse.status(home))
    for file in QUERIES:
        query = file.read_text(encoding="utf-8")
        question, _, statement = query.partition("\n")
        _title(question.removeprefix("--").strip())
        say(statement.strip())
        say()
        write_table(warehouse.sql(query, home=home))
    _title("Where it is stored, and whether all of it agrees")
    files = list((home / "lake").rglob("*.parquet"))
    size = sum(file.stat().st_size for file in files)
    say(f"Parquet  {home / 'lake'} ({count(len(files), 'file')}, {size / 1e6:.1f} MB)")
    say(f"DuckDB   {home / warehouse.LINK}")
    verified = warehouse.verify(home)
    say(f"tidemark verify: {verdict(verified).removeprefix('verdict: ')}")
    _title("What next")
    _next(home)
    return verified.ok


def _write_rows(exchanges: Sequence[str], before: Rows, after: Rows) -> None:
    def line(name: str, tables: Iterable[str]) -> list[str]:
        found = {e: sum(after.get((t, e), 0) for t in tables) for e in exchanges}
        new = sum(n - before.get(key, 0) for key, n in after.items() if key[0] in tables)
        shown = [f"{n:,}" if n else "–" for n in found.values()]
        return [name, *shown, f"{sum(found.values()):,}", f"{new:,}"]

    columns = (*exchanges, "together", "new")
    lines = [line(name, [name]) for name in DATASETS]
    print_table(("table", *columns), [*lines, line("all tables", [*DATASETS])], right=columns)


def _write_proof(exchanges: Sequence[str], streams: Sequence[StreamStatus]) -> None:
    counted = [s for s in streams if s.stream.dataset != "quarantine" and s.state.unit != "none"]
    table = []
    for exchange in exchanges:
        own = [s for s in counted if s.stream.exchange == exchange]
        whole = sum(not s.gaps and not s.lost for s in own)
        table.append((exchange, *map(str, (len(own), whole, sum(s.gaps > 0 for s in own)))))
    columns = ("streams", "complete", "with gaps")
    print_table(("exchange", *columns), table, right=columns)
    for status in counted:
        for kind, interval in spans(status.state):
            if kind == "lost":
                text = interval_text(interval, status.state.unit)
                say(f"older than the exchange shows: {status.stream}: {text}")


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
        ("see what is covered", f"TIDEMARK_FEEDS={_shown(DEMO_FEEDS)} {place} {command} status"),
        ("open Dagster on it", f"{place} {command} ui --demo"),
        ("collect from a real exchange", f"{command} init, then {command} pull"),
    ):
        say(f"{what:<32} {how}")


def _shown(path: Path) -> str:
    """``path`` as one types it from here."""
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
