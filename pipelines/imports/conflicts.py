"""Rows of a file beside the rows that are stored under the same keys."""

import json
from collections.abc import Sequence
from datetime import datetime

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.ingest.windows.evidence import Numbers
from schemas import RejectedRow
from warehouse import files
from warehouse.quarantine import contradictions
from warehouse.store import StreamWriter


def described(
    writer: StreamWriter, rows: pa.Table, lines: Numbers, conflicts: Sequence[RejectedRow]
) -> dict[str, str]:
    """What each of ``conflicts`` says and what is stored, by its key.

    ``rows``: those that were to be stored, ``lines``: of each, its line in the file.
    """
    name = writer.declared.naming_column
    wrong = _by_key(conflicts, name)
    keys = [_key(value) for value in rows.column(name).to_pylist()]
    line_of = dict(zip(keys, lines.tolist(), strict=True))
    mine = rows.filter(pa.array([key in wrong for key in keys]))
    stored = _stored(writer, files.file_rows(writer.declared, [mine], 0), name)
    reasons = {str(json.loads(row.payload)[name]): row.reason for row in conflicts}
    found: dict[str, str] = {}
    for key, row in wrong.items():
        held = stored.get(key, {})
        if not held:
            found[key] = f"line {line_of.get(key, '?')}: {name} {key}: {reasons[key]}"
            continue
        other = [f"{n} {v}, stored {held[n]}" for n, v in row.items() if held.get(n, v) != v]
        found[key] = (
            f"line {line_of.get(key, '?')}: {name} {key} contradicts the row that is stored: "
            f"{'; '.join(other) or 'it is stored with another time'}"
        )
    return found


def of_open_candles(writer: StreamWriter, rows: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Candles whose stored state is open, which they replace; and the others.

    Open candles of the file count only where none is stored.
    """
    ends = pc.min_max(pc.cast(rows.column("timestamp"), pa.int64())).as_py()
    held = writer.between(ends["min"], ends["max"] + 1, ["timestamp", "is_final"])
    at = pc.index_in(rows.column("timestamp"), value_set=held.column("timestamp"))
    is_held, final = pc.is_valid(at), rows.column("is_final")
    was_final = pc.fill_null(held.column("is_final").take(at), True)
    usable = pc.or_(final, pc.invert(is_held))
    opened = pc.and_(usable, pc.invert(was_final))
    return rows.filter(opened), rows.filter(pc.and_(usable, was_final))


def _by_key(rows: Sequence[RejectedRow], name: str) -> dict[str, dict[str, object]]:
    """Rows as ``contradictions`` writes them, by the text of their key."""
    found = (json.loads(row.payload) for row in rows)
    return {str(row[name]): row for row in found}


def _key(value: object) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _stored(writer: StreamWriter, rows: pa.Table, name: str) -> dict[str, dict[str, object]]:
    """The stored rows with the keys of ``rows``."""
    found: dict[str, dict[str, object]] = {}
    for record in writer.files_meeting(rows):
        table = writer.read(record)
        same = pc.is_in(table.column(name), value_set=rows.column(name))
        found |= _by_key(contradictions(table.filter(same), ""), name)
    return found
