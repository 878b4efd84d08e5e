"""The quarantine of one stream during a replay: which of its rows can leave it."""

import json
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
from warehouse.ledger import Ledger, StreamId

from connectors.base import Rejected
from warehouse.quarantine import Refused, contradictions
from warehouse.rewrite import refused_rows, release


class Refusals:
    """Refused rows as they are met, held against those in quarantine.

    A row leaves the quarantine when its text stands in an answer that is read without refusing it
    any more, or when it is just what is stored now (it had contradicted the row stored before).
    """

    def __init__(self, home: Path, ledger: Ledger, stream: StreamId) -> None:
        self._home = home
        self._ledger = ledger
        self._stream = stream
        self._open = {payload: row for row, payload in refused_rows(home, ledger, stream).items()}
        # a bare word or number would be found anywhere
        self._texts = {p: p.encode() for p in self._open if p[:1] in ("{", "[", '"')}
        self._own = [p for p in self._open if p[:1] == "{"]
        self._read: set[str] = set()
        self._refused: set[str] = set()
        self._waiting: dict[str, Refused] = {}

    def note(
        self,
        body: bytes,
        rejected: Sequence[Rejected],
        mine: Sequence[Rejected] | None = None,
    ) -> None:
        """An answer was read, and these rows of it refused; ``mine``: those that are this stream's
        to keep."""
        self._refused.update(row.payload for row in rejected)
        for row in rejected if mine is None else mine:
            self._waiting.setdefault(row.payload, Refused(row.reason, row.payload))
        for payload, text in self._texts.items():
            if payload not in self._read and text in body:
                self._read.add(payload)

    def take(self) -> list[Refused]:
        """The refused rows that wait for being stored."""
        found = list(self._waiting.values())
        self._waiting.clear()
        return found

    def compare(self, rows: pa.Table) -> None:
        """``rows`` are stored now: those that had been refused for contradicting may leave."""
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

    def release(self) -> int:
        """Let go what may leave; how many rows that were."""
        leaving = {self._open[payload] for payload in self._read - self._refused}
        return release(self._home, self._ledger, self._stream, leaving) if leaving else 0


def _members(payload: str) -> dict[str, object]:
    try:
        found = json.loads(payload)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
