"""Make ``quarantine`` rows of received rows that cannot be stored exactly."""

import hashlib
import json
from collections.abc import Sequence
from datetime import datetime
from typing import Final

import pyarrow as pa

from schemas import RejectedRow, StreamId, dataset
from warehouse.clock import now_us
from warehouse.paths import QUARANTINE

PAYLOAD_BYTES: Final = 64 * 1024
"""So much of a rejected row is kept; the raw response archive has all of it."""
_LONE: Final = "backslashreplace"
"""Half a surrogate is no text that can be stored: it is written as its escape."""


def quarantine_rows(stream: StreamId, rejected: Sequence[RejectedRow]) -> pa.Table:
    """``rejected`` as ``quarantine`` rows. The same row of a stream has the same hash.

    A payload beyond 64 KiB is cut; its reason then says how long it was, with its SHA-256.
    """
    schema = dataset(QUARANTINE).connector_schema
    hashes = [row_hash(stream, row.payload) for row in rejected]
    # the same row rejected twice in one commit is one row, with its first reason
    first = {h: row for h, row in reversed(list(zip(hashes, rejected, strict=True)))}
    kept = [bounded(row) for row in first.values()]
    moment = now_us()
    return pa.table(
        {
            "dataset": [stream.dataset] * len(first),
            "row_hash": list(first),
            "reason": [row.reason for row in kept],
            "payload": [row.payload for row in kept],
            "observed_at": pa.array([moment] * len(first), pa.int64()),
        }
    ).cast(schema)


def row_hash(stream: StreamId, payload: str) -> str:
    """What names a rejected row of ``stream``, by its whole payload."""
    return hashlib.sha256(f"{stream.label}\0{payload}".encode(errors=_LONE)).hexdigest()


def bounded(row: RejectedRow) -> RejectedRow:
    """The row as it is kept: valid text, at most ``PAYLOAD_BYTES`` of the payload."""
    content = row.payload.encode(errors=_LONE)
    reason = row.reason.encode(errors=_LONE).decode()
    if len(content) <= PAYLOAD_BYTES:
        return RejectedRow(reason, content.decode())
    where = "" if row.position is None else f", position {row.position}"
    digest = hashlib.sha256(content).hexdigest()
    return RejectedRow(
        f"{reason} (payload cut: it had {len(content)} bytes, SHA-256 {digest}{where})",
        content[:PAYLOAD_BYTES].decode(errors="ignore"),
    )


def contradictions(rows: pa.Table, reason: str) -> list[RejectedRow]:
    """Well-formed rows that contradict a rule or a stored row, as text with exact figures."""
    payloads = (
        {name: _text(value) for name, value in row.items() if name != "ingested_at"}
        for row in rows.to_pylist()
    )
    return [RejectedRow(reason, json.dumps(payload)) for payload in payloads]


def _text(value: object) -> object:
    if value is None or isinstance(value, bool | int | str):
        return value
    return value.isoformat() if isinstance(value, datetime) else format(value, "f")
