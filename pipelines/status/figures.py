"""The status of streams as JSON, for programs: every figure."""

import json
from collections.abc import Sequence, Set
from pathlib import Path
from typing import Any

from pipelines.ingest.checkpoint import paging_profile
from pipelines.output.formatting import instant
from pipelines.status.judged import asked_again_at, condition
from schemas import StreamId
from schemas.times import to_datetime
from warehouse.coverage_table import spans
from warehouse.streams import StreamStatus


def as_json(streams: Sequence[StreamStatus], home: Path, gone: Set[StreamId] = frozenset()) -> str:
    """One JSON object with every stream. Times are ISO 8601 in UTC, bounds as in ``coverage``."""
    return json.dumps(
        {"home": str(home), "streams": [_plain(s, s.stream not in gone) for s in streams]}, indent=2
    )


def _plain(status: StreamStatus, collected: bool) -> dict[str, Any]:
    stream, state = status.stream, status.state
    known = spans(state)
    last = state.position == "id"  # the upper bound of ids is inclusive, as in `coverage`
    return {
        "exchange": stream.exchange,
        "dataset": stream.dataset,
        "stream": stream.label,
        "of_dataset": stream.source,
        "symbol": stream.symbol,
        "account": stream.account,
        "timeframe": stream.timeframe,
        "condition": condition(status, collected),
        "rows": status.rows,
        "files": status.files,
        "oldest_at": _iso(status.oldest_at),
        "newest_at": _iso(status.newest_at),
        "checked_at": _iso(state.checked_at),
        "wanted_from": _iso(state.wanted_from),
        "unit": state.position if known else state.unit,
        "coverage": [
            {"state": kind, "lower": interval.lower, "upper": interval.upper - last}
            for kind, interval in known
        ],
        "not_shown": [
            {
                "lower": stretch.lower,
                "upper": stretch.upper - last,
                "first_asked_at": _iso(stretch.since),
                "last_asked_at": _iso(stretch.asked_at),
                "times": stretch.times,
                "lost": stretch.lost,
                "asked_again_at": _iso(asked_again_at(stream, stretch) or None),
            }
            for stretch in state.unshown
        ],
        "unsettled": len(state.unsettled),
        "paging": paging_profile(state.checkpoint) or None,
        "collected": collected,
        "delisted": state.delisted,
        "remark": state.remark or None,
    }


def _iso(microseconds: int | None) -> str | None:
    return None if microseconds is None else instant(to_datetime(microseconds), "T")
