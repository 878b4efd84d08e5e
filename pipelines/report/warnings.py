"""What needs attention, at the top of the page."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

import warehouse
from pipelines.report.query import Row
from pipelines.status import keys
from schemas.times import to_datetime
from schemas.wording import count

STALE: Final = timedelta(days=1)
"""Streams that no pull reached for longer are stale."""


@dataclass(frozen=True)
class Warn:
    """Something to know. ``level``: ``bad`` (act), ``note`` (nothing can be done).

    ``since``: how long ago that was ends the text.
    """

    level: str
    text: str
    fix: str = ""
    since: datetime | None = None


def warnings(
    home: Path, streams: Sequence[Row], refused: Sequence[Row], compared: Row, now: datetime
) -> list[Warn]:
    """What needs attention, the most serious first."""
    found = []
    differ = compared["unexplained"]
    if differ:
        found.append(
            Warn(
                "bad",
                f"{count(differ, 'balance')} {'differs' if differ == 1 else 'differ'} from the "
                "history, and nothing explains it",
                'tidemark sql "FROM reconciliation WHERE NOT explained"',
            )
        )
    if warehouse.has_data(home):
        found += _of_metastore(warehouse.status(home), now)
    gaps = [s for s in streams if s["gaps"]]
    if gaps:
        found.append(
            Warn(
                "bad",
                f"{count(sum(s['gaps'] for s in gaps), 'span')} not fetched yet, of {_names(gaps)}",
                f"tidemark pull {' '.join(_datasets(gaps))}",
            )
        )
    if refused:
        total = sum(r["rows"] for r in refused)
        found.append(
            Warn(
                "bad",
                f"{count(total, 'row')} in quarantine, of {', '.join(_datasets(refused))}: "
                "malformed, kept as received",
                'tidemark sql "SELECT reason, payload FROM quarantine"',
            )
        )
    lost = [s for s in streams if s["lost"]]
    if lost:
        found.append(
            Warn(
                "note",
                f"{count(sum(s['lost'] for s in lost), 'span')} lost, of {_names(lost)}: "
                "the exchange does not show them",
            )
        )
    return found


def _of_metastore(status: Sequence[warehouse.StreamStatus], now: datetime) -> list[Warn]:
    """What only the metastore holds: the rights of keys, and when streams were pulled."""
    found = [Warn("bad", key.finding, key.fix) for key in keys(status)]
    checked: dict[str, datetime] = {}
    for stream in status:
        if stream.state.checked_at is not None:
            name = f"{stream.stream.exchange}/{stream.stream.dataset}"
            moment = to_datetime(stream.state.checked_at)
            checked[name] = min(moment, checked.get(name, moment))
    stale = sorted(name for name, moment in checked.items() if now - moment > STALE)
    if stale:
        oldest = min(checked[name] for name in stale)
        text = f"{_some(stale)}: not pulled for"
        found.append(Warn("bad", text, f"tidemark pull {' '.join(stale)}", oldest))
    return found


def _datasets(rows: Iterable[Row]) -> list[str]:
    return sorted({f"{r['exchange']}/{r['dataset']}" for r in rows})


def _names(streams: Sequence[Row]) -> str:
    return _some([f"{s['exchange']}/{s['dataset']} {s['stream']}" for s in streams])


def _some(names: Sequence[str], shown: int = 3) -> str:
    rest = len(names) - shown
    return ", ".join(names[:shown]) + (f" and {rest} more" if rest > 0 else "")
