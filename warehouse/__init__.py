"""The store: an exact, hive-partitioned Parquet lake, a ledger of what is proved, and DuckDB.

Knows no exchange and no scheduler. Reading::

    import warehouse
    warehouse.sql(home, "SELECT count(*) FROM trades")     # pyarrow.Table, decimals exact
"""

from warehouse.errors import StorageError
from warehouse.publish import LINK, Published, publish
from warehouse.query import StreamStatus, connect, coverage, has_data, sql, status
from warehouse.verify import Finding, Verification, rebuild, verify

__all__ = [
    "LINK",
    "Finding",
    "Published",
    "StorageError",
    "StreamStatus",
    "Verification",
    "connect",
    "coverage",
    "has_data",
    "publish",
    "rebuild",
    "sql",
    "status",
    "verify",
]
