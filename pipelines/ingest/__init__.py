"""The ingest engine: what is wanted minus what is proved is fetched, stored and claimed.

Plain Python; Dagster and the command line are thin layers around :func:`pull`.
"""

from pipelines.ingest.report import Listener, PullReport, StreamProgress, StreamReport
from pipelines.ingest.rights import KeyRights, key_rights
from pipelines.ingest.run import pull

__all__ = [
    "KeyRights",
    "Listener",
    "PullReport",
    "StreamProgress",
    "StreamReport",
    "key_rights",
    "pull",
]
