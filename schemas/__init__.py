"""The dataset declarations, and the errors and names that all packages share.

The lowest layer: it imports nothing of the project, so that connectors (HTTP) and the warehouse
(storage) can both use it without importing each other.
"""

from schemas.datasets import COVERAGE, DATASETS, TABLES, dataset
from schemas.declare import Column, Dataset, Period, Table
from schemas.errors import ConfigError, TidemarkError
from schemas.streams import RejectedRow, StreamId
from schemas.timeframes import TIMEFRAMES, timeframe_us

__all__ = [
    "COVERAGE",
    "DATASETS",
    "TABLES",
    "TIMEFRAMES",
    "Column",
    "ConfigError",
    "Dataset",
    "Period",
    "RejectedRow",
    "StreamId",
    "Table",
    "TidemarkError",
    "dataset",
    "timeframe_us",
]
