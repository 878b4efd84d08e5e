"""The store: a hive-partitioned Parquet lake, a metastore of its coverage, and a DuckDB file.

Knows no exchange and no scheduler. Reading::

    import warehouse
    warehouse.sql("SELECT count(*) FROM trades")           # pyarrow.Table, decimals exact
    warehouse.sql("FROM marts.vwap_daily", as_="pandas")   # Arrow-backed; or "polars"
    warehouse.table("trades", symbol="BTC-USD", start="2026-01-10")    # straight from the lake
"""

from warehouse.backups import Backup, backup
from warehouse.errors import StorageError
from warehouse.lake_reader import table
from warehouse.publishing import Published, publish
from warehouse.query import StreamStatus, connect, coverage, has_data, sql, status
from warehouse.verification import Finding, Verification, rebuild, verify
from warehouse.versions import LINK

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
