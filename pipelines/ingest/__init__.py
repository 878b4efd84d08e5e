"""The ingest engine: what is wanted and not proved is fetched, stored and recorded.

Plain Python; Dagster and the command line are thin layers around :func:`pull`. ``run`` plans a pull
of several feeds, ``stream`` pulls one stream in a ``session``, in the way in which its dataset is
paged: ``windows`` (the history by id or time), ``newest``, ``walk`` (page by page), ``lookup``,
``snapshot``, ``reference``, ``derived``. docs/coverage.md explains what counts as proof.
"""

from typing import TYPE_CHECKING

from schemas.exports import exported

if TYPE_CHECKING:
    from pipelines.ingest.budget import Budget
    from pipelines.ingest.report import Listener, PullReport, StreamProgress, StreamReport
    from pipelines.ingest.run import pull

__all__ = ["Budget", "Listener", "PullReport", "StreamProgress", "StreamReport", "pull"]

__getattr__ = exported(
    __name__,
    {
        "budget": ("Budget",),
        "report": ("Listener", "PullReport", "StreamProgress", "StreamReport"),
        "run": ("pull",),
    },
)
