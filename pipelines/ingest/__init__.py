"""The ingest engine: what is wanted minus what is proved is fetched, stored and claimed.

Plain Python; Dagster and the command line are thin layers around :func:`pull` and :func:`publish`.
"""

from pipelines.ingest.meanwhile import loading_meanwhile
from pipelines.ingest.publishing import PublishReport, TableState, publish, state
from pipelines.ingest.reconciling import Difference, Reconciliation, reconciliation
from pipelines.ingest.report import Listener, PullReport, StreamProgress, StreamReport
from pipelines.ingest.rights import KeyRights, key_rights
from pipelines.ingest.run import pull

__all__ = [
    "Difference",
    "KeyRights",
    "Listener",
    "PublishReport",
    "PullReport",
    "Reconciliation",
    "StreamProgress",
    "StreamReport",
    "TableState",
    "key_rights",
    "loading_meanwhile",
    "publish",
    "pull",
    "reconciliation",
    "state",
]
