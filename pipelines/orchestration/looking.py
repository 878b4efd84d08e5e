"""What a check looks at, and how its result is made."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, Final

import dagster as dg
import duckdb
import pyarrow as pa

import warehouse
from pipelines.feeds import Feed, is_collected
from pipelines.output.formatting import visible
from pipelines.settings import Settings, load_settings
from schemas import DATASETS, StreamId, TidemarkError
from warehouse import StreamStatus

SHOWN_ROWS: Final = 50
"""Failing rows that one result carries."""
_SHOWN_CHARACTERS: Final = 300
_LIMITS: Final = ("SET memory_limit = '512MB'", "SET threads = 2")

Record = Mapping[str, object]
Metadata = dict[str, dg.MetadataValue | int | str]


class CannotRunError(TidemarkError):
    """There is nothing to look at yet: the check has neither passed nor failed."""


class Look:
    """What the checks of one evaluation read, each part once. Raises ``StorageError``."""

    def __init__(self, feeds: Sequence[Feed], settings: Settings | None = None) -> None:
        self.feeds = feeds
        self.settings = settings or load_settings()
        self.now = datetime.now(UTC)

    @cached_property
    def _streams(self) -> list[StreamStatus]:
        home = self.settings.home
        return warehouse.status(home) if warehouse.has_data(home) else []

    @cached_property
    def _symbols(self) -> dict[str, dict[str, str]]:
        """By exchange, the symbols of the markets as it names them; none before a publish."""
        found: dict[str, dict[str, str]] = {}
        with suppress(warehouse.StorageError):
            for row in self.rows(
                "SELECT exchange, native_symbol, symbol FROM markets ORDER BY active"
            ):
                found.setdefault(row["exchange"], {})[row["native_symbol"]] = row["symbol"]
        return found

    def collected(self, stream: StreamId, feeds: Sequence[Feed]) -> bool:
        """Whether any of ``feeds`` collects it, whichever way that one spells the market."""
        return is_collected(feeds, stream, self._symbols.get(stream.exchange))

    def streams(self, exchange: str, dataset: str) -> list[StreamStatus]:
        """Those that a feed still collects. Raises ``CannotRunError`` where there is none."""
        found = [
            status
            for status in self._streams
            if (status.stream.exchange, status.stream.dataset) == (exchange, dataset)
            and not status.state.delisted
            and self.collected(status.stream, self.feeds)
        ]
        if not found:
            raise CannotRunError(f"nothing of {exchange}/{dataset} is collected yet")
        return found

    def quarantined(self, exchange: str, dataset: str) -> int:
        """The rows in quarantine."""
        return sum(
            status.rows
            for status in self._streams
            if (status.stream.exchange, status.stream.dataset) == (exchange, "quarantine")
            and status.stream.source == dataset
        )

    def rows(self, query: str, *parameters: object) -> list[dict[str, Any]]:
        """The result of ``query`` on what is published, in bounded memory."""
        with warehouse.connect(self.settings.home) as db:
            try:
                for limit in _LIMITS:
                    db.execute(limit)
                return list(db.sql(query, params=parameters).to_arrow_table().to_pylist())
            except duckdb.Error as error:
                raise warehouse.StorageError(str(error)) from error

    @cached_property
    def published_schemas(self) -> dict[str, pa.Schema]:
        """The schema of every published table."""
        with warehouse.connect(self.settings.home) as db:
            try:
                return {n: db.sql(f'FROM "{n}" LIMIT 0').to_arrow_table().schema for n in DATASETS}
            except duckdb.Error as error:
                raise warehouse.StorageError(str(error)) from error


@dataclass(frozen=True)
class Check:
    """A check: what is shown of it, and what it does.

    ``evaluate`` raises ``TidemarkError`` where the check cannot run.
    """

    spec: dg.AssetCheckSpec
    evaluate: Callable[[Look], dg.AssetCheckResult]


def result(
    failing: Sequence[Record],
    passed: str,
    failed: str,
    severity: dg.AssetCheckSeverity = dg.AssetCheckSeverity.ERROR,
    metadata: Metadata | None = None,
) -> dg.AssetCheckResult:
    """Passed where nothing is ``failing``; else its rows as a table.

    The descriptions ``passed`` and ``failed`` hold no ages: a result counts as changed where its
    description differs. Dagster shows a description on one line.
    """
    failed = failed.replace("\nFix:", ". Fix:")
    return dg.AssetCheckResult(
        passed=not failing,
        severity=severity,
        description=failed if failing else passed,
        metadata=(metadata or {}) | ({"failing rows": table(failing)} if failing else {}),
    )


def table(rows: Sequence[Record]) -> dg.MetadataValue:
    """``rows`` (one at least) as Dagster shows a table: text, cut where it is long."""
    records = [dg.TableRecord({k: _cell(v) for k, v in r.items()}) for r in rows[:SHOWN_ROWS]]
    columns = [dg.TableColumn(name) for name in records[0].data]
    return dg.MetadataValue.table(records, schema=dg.TableSchema(columns))


def _cell(value: object) -> str:
    if value is None:
        return ""
    text = visible(value.isoformat() if isinstance(value, datetime) else str(value), keep="")
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"
