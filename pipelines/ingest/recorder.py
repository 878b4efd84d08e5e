"""Keeps answers as they came (``keep_raw``), and hands them out again for a replay.

Between the connectors, which know no disk, and ``warehouse.raw``, which knows no exchange.
"""

from pathlib import Path
from typing import Any, Final

from connectors.base import Answer, Stream
from pipelines.feeds import DatasetSpec
from schemas import dataset
from warehouse.ledger import StreamId
from warehouse.raw import RawAnswer, RawWriter

_ASKED: Final = ("method", "path", "query", "status", "server_time")
_NAMES: Final = ("symbol", "account", "timeframe")


def keeps_raw(spec: DatasetSpec) -> bool:
    """Whether answers are kept: as the feed says; unless it does, those of account data are."""
    return dataset(spec.name).is_account if spec.keep_raw is None else spec.keep_raw


class HomeRecorder:
    """``connectors.base.Recorder`` for the streams that want it.

    The answer of a snapshot of several markets is kept once, under the first of them.
    """

    def __init__(self, home: Path, exchange: str) -> None:
        self._exchange = exchange
        self._writer = RawWriter(home)
        self._wanted: set[Stream] = set()

    def want(self, stream: Stream) -> None:
        """Keep the answers of ``stream`` from now on."""
        self._wanted.add(stream)

    def keep(self, answer: Answer) -> None:
        """Put ``answer`` on disk, where its stream is wanted. Raises ``StorageError``."""
        if self._wanted.isdisjoint(answer.streams):
            return
        stream = StreamId(self._exchange, answer.dataset, answer.streams[0].label)
        self._writer.append(stream, to_raw(self._exchange, answer))


def to_raw(exchange: str, answer: Answer) -> RawAnswer:
    """As it is kept: every field by name, and nothing else."""
    about: dict[str, Any] = {"exchange": exchange, "dataset": answer.dataset}
    about |= {name: getattr(answer, name) for name in _ASKED}
    about["streams"] = [
        {name: value for name in _NAMES if (value := getattr(stream, name)) is not None}
        for stream in answer.streams
    ]
    return RawAnswer(answer.at, about, answer.body)


def from_raw(raw: RawAnswer) -> Answer:
    """The answer as it was when it was kept. Raises ``KeyError`` for what is none."""
    about = raw.about
    streams = tuple(Stream(about["dataset"], **names) for names in about["streams"])
    asked = {name: about[name] for name in _ASKED}
    return Answer(streams=streams, at=raw.at, body=raw.body, **asked)
