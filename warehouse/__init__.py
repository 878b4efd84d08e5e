"""The store: a hive-partitioned Parquet lake, a metastore of its coverage, and a DuckDB file.

Knows no exchange and no scheduler. Reading::

    import warehouse
    warehouse.sql("SELECT count(*) FROM trades")           # pyarrow.Table, decimals exact
    warehouse.sql("FROM marts.vwap_daily", as_="pandas")   # Arrow-backed; or "polars"
    warehouse.table("trades", symbol="BTC-USD", start="2026-01-10")    # straight from the lake
"""

from typing import TYPE_CHECKING

from schemas.exports import exported

if TYPE_CHECKING:
    from warehouse.backups import Backup, backup
    from warehouse.errors import StorageError
    from warehouse.lake_reader import table
    from warehouse.paths import LINK
    from warehouse.published import Published
    from warehouse.publishing import publish
    from warehouse.query import connect, sql
    from warehouse.streams import StreamStatus, coverage, has_data, status
    from warehouse.verification import Finding, Verification, rebuild, verify

__all__ = [
    "LINK",
    "Backup",
    "Finding",
    "Published",
    "StorageError",
    "StreamStatus",
    "Verification",
    "backup",
    "connect",
    "coverage",
    "has_data",
    "publish",
    "rebuild",
    "sql",
    "status",
    "table",
    "verify",
]

__getattr__ = exported(
    __name__,
    {
        "backups": ("Backup", "backup"),
        "errors": ("StorageError",),
        "lake_reader": ("table",),
        "paths": ("LINK",),
        "published": ("Published",),
        "publishing": ("publish",),
        "query": ("connect", "sql"),
        "streams": ("StreamStatus", "coverage", "has_data", "status"),
        "verification": ("Finding", "Verification", "rebuild", "verify"),
    },
)
