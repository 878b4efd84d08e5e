"""What Tidemark stores: the dataset declarations, and the errors and names every floor shares.

The lowest floor. It imports nothing of the project, so that connectors (which speak HTTP) and the
warehouse (which stores) can both use it without knowing each other.
"""

from schemas.datasets import COVERAGE, DATASETS, TABLES, Column, Dataset, Period, Table, dataset
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
