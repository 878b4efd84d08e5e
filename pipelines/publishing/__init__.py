"""From the lake into DuckDB, and what the published tables show.

``tables``          bring DuckDB up to the lake; the state of each table
``periodic``        publish while a long pull still runs
``reconciliation``  whether the balances agree with the history of the accounts
"""

from typing import TYPE_CHECKING

from schemas.exports import exported

if TYPE_CHECKING:
    from pipelines.publishing.periodic import periodic_publish
    from pipelines.publishing.reconciliation import Difference, Reconciliation, reconcile
    from pipelines.publishing.tables import PublishReport, TableState, publish, table_state

__all__ = [
    "Difference",
    "PublishReport",
    "Reconciliation",
    "TableState",
    "periodic_publish",
    "publish",
    "reconcile",
    "table_state",
]

__getattr__ = exported(
    __name__,
    {
        "periodic": ("periodic_publish",),
        "reconciliation": ("Difference", "Reconciliation", "reconcile"),
        "tables": ("PublishReport", "TableState", "publish", "table_state"),
    },
)
