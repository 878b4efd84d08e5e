"""The raw response archive (``keep_raw``): answers as they came, to be read again by a replay.

Between the connectors, which know no disk, and ``warehouse.raw``, which knows no exchange.
"""

from pathlib import Path

from connectors.base import RecordedResponse
from pipelines.feeds import DatasetSpec
from schemas import StreamId, dataset
from warehouse.raw import RawResponse, RawWriter


def keeps_raw(spec: DatasetSpec) -> bool:
    """Whether answers are kept: as the feed says; unless it does, those of account data are."""
    return dataset(spec.name).is_account if spec.keep_raw is None else spec.keep_raw


class HomeRecorder:
    """``connectors.base.Recorder`` for the streams that want it.

    The answer of a snapshot of several markets is kept once, under the first of them.
    """

    def __init__(self, home: Path) -> None:
        self._writer = RawWriter(home)
        self._wanted: set[StreamId] = set()

    def want(self, stream: StreamId) -> None:
        """Keep the answers of ``stream`` from now on."""
        self._wanted.add(stream)

    def keep(self, response: RecordedResponse) -> None:
        """Put ``response`` on disk, where its stream is wanted. Raises ``StorageError``."""
        if not self._wanted.isdisjoint(response.streams):
            self._writer.append(response.streams[0], to_raw(response))


def to_raw(response: RecordedResponse) -> RawResponse:
    """As it is kept: every field by name, and nothing else."""
    stream = response.streams[0]
    return RawResponse(
        response.at,
        {
            "exchange": stream.exchange,
            "dataset": stream.dataset,
            "method": response.method,
            "path": response.path,
            "query": response.query,
            "status": response.status,
            "server_time": response.server_time,
            "streams": [
                {name: text for name, text in names if text is not None}
                for names in map(_names, response.streams)
            ],
        },
        response.body,
    )


def _names(stream: StreamId) -> tuple[tuple[str, str | None], ...]:
    return (
        ("symbol", stream.symbol),
        ("account", stream.account),
        ("timeframe", stream.timeframe),
    )


def from_raw(raw: RawResponse) -> RecordedResponse:
    """The response as it was recorded. Raises ``KeyError`` for what is none."""
    about = raw.about
    exchange, dataset_ = about["exchange"], about["dataset"]
    return RecordedResponse(
        streams=tuple(StreamId(exchange, dataset_, **names) for names in about["streams"]),
        method=about["method"],
        path=about["path"],
        query=about["query"],
        status=about["status"],
        at=raw.at,
        server_time=about["server_time"],
        body=raw.body,
    )
