"""Make ``quarantine`` rows of received rows that cannot be stored exactly."""

import hashlib
import json
from collections.abc import Sequence

import pyarrow as pa

from schemas import RejectedRow, StreamId, dataset
from warehouse.clock import now_us
from warehouse.paths import QUARANTINE


def quarantine_rows(stream: StreamId, rejected: Sequence[RejectedRow]) -> pa.Table:
    """``rejected`` as ``quarantine`` rows. The same row of a stream has the same hash."""
    schema = dataset(QUARANTINE).connector_schema
    hashes = [
        hashlib.sha256(f"{stream.label}\0{row.payload}".encode()).hexdigest() for row in rejected
    ]
    # the same row rejected twice in one commit is one row, with its first reason
    first = {h: row for h, row in reversed(list(zip(hashes, rejected, strict=True)))}
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


def contradictions(rows: pa.Table, reason: str) -> list[RejectedRow]:
    """Well-formed rows that may not replace a stored one, as text with exact figures."""
    return [
        RejectedRow(
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
