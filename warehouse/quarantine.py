"""Rows that cannot be stored exactly, kept as they were received."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from schemas import dataset
from warehouse.clock import now_us
from warehouse.ledger import StreamId

QUARANTINE: Final = "quarantine"


@dataclass(frozen=True)
class Refused:
    """A row that was not stored: why, and its text as received."""

    reason: str
    payload: str


def quarantine_stream(stream: StreamId) -> StreamId:
    """The quarantine of one stream: its own file, so that streams never wait for each other."""
    return StreamId(stream.exchange, QUARANTINE, f"{stream.dataset}.{stream.stream}")


def quarantine_rows(stream: StreamId, refused: Sequence[Refused]) -> pa.Table:
    """``refused`` as ``quarantine`` rows. The same row of a stream has the same hash."""
    schema = dataset(QUARANTINE).connector_schema
    hashes = [
        hashlib.sha256(f"{stream.stream}\0{row.payload}".encode()).hexdigest() for row in refused
    ]
    # the same row refused twice in one commit is one row, with its first reason
    first = {h: row for h, row in reversed(list(zip(hashes, refused, strict=True)))}
    moment = now_us()
    return pa.table(
        {
            "dataset": [stream.dataset] * len(first),
            "row_hash": list(first),
            "reason": [row.reason for row in first.values()],
            "payload": [row.payload for row in first.values()],
            "observed_at": pa.array([moment] * len(first), pa.int64()),
        }
    ).cast(schema)


def contradictions(rows: pa.Table, reason: str) -> list[Refused]:
    """Well-formed rows that may not replace a stored one, as text with exact figures."""
    return [
        Refused(
            reason,
            json.dumps({k: _text(v) for k, v in row.items() if k != "ingested_at"}),
        )
        for row in rows.to_pylist()
    ]


def _text(value: object) -> object:
    if value is None or isinstance(value, bool | int | str):
        return value
    isoformat = getattr(value, "isoformat", None)
    return isoformat() if isoformat else format(value, "f")
