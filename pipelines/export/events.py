"""What happened to the accounts, from the double-entry ``ledger``: one row per event."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import duckdb

from pipelines.export import sql
from pipelines.output.formatting import with_fix
from schemas import ConfigError

Row = dict[str, Any]

_BATCH: Final = 5_000


@dataclass(frozen=True)
class Scope:
    """Whose events; ``start`` inclusive, ``end`` exclusive."""

    exchange: str | None = None
    account: str | None = None
    start: datetime | None = None
    end: datetime | None = None


def prepare(db: duckdb.DuckDBPyConnection, scope: Scope) -> None:
    """Make the temporary table ``events``. ``ConfigError`` where there are none."""
    whose = {"exchange": scope.exchange, "account": scope.account}
    db.execute(sql.text("events"), whose)
    if db.execute("FROM events LIMIT 1").fetchall():
        return
    known = db.execute("SELECT DISTINCT exchange, account FROM ledger ORDER BY ALL").fetchall()
    if not known:
        raise ConfigError(
            with_fix(
                "the ledger has no entries: no trades or transactions of an account are held",
                "tidemark pull '*/account_*' with the account's key set",
            )
        )
    asked = " ".join(f"--{name} {value}" for name, value in whose.items() if value is not None)
    choices = ", ".join("--exchange {} --account {}".format(*k) for k in known)
    raise ConfigError(
        with_fix(f"the ledger has no entries for {asked}", f"choose one of: {choices}")
    )


def rows(db: duckdb.DuckDBPyConnection, query: str, scope: Scope) -> Iterator[Row]:
    """The rows of ``queries/<query>.sql`` in the span of ``scope``, a batch at a time."""
    span = {"start": scope.start, "end": scope.end}
    for batch in db.sql(sql.text(query), params=span).to_arrow_reader(_BATCH):
        yield from batch.to_pylist()


def left_out(db: duckdb.DuckDBPyConnection, scope: Scope) -> list[str]:
    """What is not counted because it may still fail: deposits and credits that are under way."""
    found = db.execute(
        sql.text("left_out"), {"exchange": scope.exchange, "account": scope.account}
    ).fetchall()
    return [text for (text,) in found]
