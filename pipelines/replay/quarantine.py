"""The quarantine of one stream during a replay: which of its rows can leave it."""

import json
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc

from schemas import RejectedRow
from warehouse.quarantine import bounded, contradictions
from warehouse.rewrite import quarantined_rows, release
from warehouse.store import StreamWriter


class QuarantinedRows:
    """Rejected rows as they are met, compared with those in quarantine.

    A row leaves the quarantine when its text is in a response that is read without rejecting
    it any more, or when it is just what is stored now (it had contradicted the row stored before).
    """

    def __init__(self, writer: StreamWriter) -> None:
        self._open = {payload: row for row, payload in quarantined_rows(writer).items()}
        # a bare word or number would be found anywhere
        self._texts = {p: p.encode() for p in self._open if p[:1] in ("{", "[", '"')}
        self._own = [p for p in self._open if p[:1] == "{"]
        self._read: set[str] = set()
        self._rejected: set[str] = set()
        self._waiting: dict[str, RejectedRow] = {}

    def note(self, body: bytes, rejected: Sequence[RejectedRow]) -> None:
        """A response was read, and these rows of it rejected."""
        self._rejected.update(bounded(row).payload for row in rejected)  # as it is kept
        for row in rejected:
            self._waiting.setdefault(row.payload, row)
        for payload, text in self._texts.items():
            if payload not in self._read and text in body:
                self._read.add(payload)

    def take(self) -> list[RejectedRow]:
        """The rejected rows that are not stored yet."""
        found = list(self._waiting.values())
        self._waiting.clear()
        return found

    def compare(self, rows: pa.Table) -> None:
        """``rows`` are stored now: those that had been rejected for contradicting may leave."""
        if not self._own or not rows.num_rows:
            return
        ids = {
            value
            for payload in self._own
            for key, value in _members(payload).items()
            if key in rows.column_names and key.endswith("_id") and isinstance(value, str)
        }
        for name in rows.column_names:
            if name.endswith("_id") and pa.types.is_string(rows.column(name).type) and ids:
                rows = rows.filter(pc.is_in(rows.column(name), value_set=pa.array(sorted(ids))))
                break
        self._read.update(r.payload for r in contradictions(rows, "") if r.payload in self._open)

    def release(self, writer: StreamWriter) -> int:
        """Take out what may leave; how many rows that were."""
        leaving = {self._open[payload] for payload in self._read - self._rejected}
        return release(writer, leaving) if leaving else 0


def _members(payload: str) -> dict[str, object]:
    try:
        found = json.loads(payload)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
