"""The coverage timeline: what of every stream is held, missing and lost, with dates."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, Final

from pipelines.output.formatting import interval_text
from pipelines.report.figures import milliseconds
from pipelines.report.query import Row
from schemas import DATASETS, StreamId
from schemas.timeframes import TIMEFRAMES
from warehouse.intervals import Interval

STREAMS: Final = 60
"""How many streams of one exchange are drawn, those with holes first."""
SPANS: Final = 1500
"""How many spans of one exchange are drawn: of every stream a like number of holes, the longest."""
_MARGIN: Final = 0.04
"""Room before the oldest row, as a part of the whole span: for what was lost before it."""

HELD, EMPTY, SEEN, GAP, LOST = "held", "empty", "seen", "gap", "lost"
"""Proved and held; proved, and there are no rows; observations; missing; lost."""


def timelines(
    streams: Sequence[Row], spans: Sequence[Row], candles: Sequence[Row], now: datetime
) -> list[dict[str, Any]]:
    """What to draw of every exchange, of all streams that have dates."""
    places = {_id_of(row): (row["symbol"], TIMEFRAMES[row["timeframe"]]) for row in candles}
    known: dict[tuple[str, ...], list[Row]] = {}
    for row in spans:
        known.setdefault(_id(row), []).append(row)
    found = []
    for exchange, group in groupby(streams, lambda r: str(r["exchange"])):
        dated = [r for r in group if r["oldest"] is not None or _id(r) in known]
        if not dated:
            continue
        shown = sorted(dated, key=lambda r: not (r["gaps"] or r["lost"]))[:STREAMS]
        oldest = min((r["oldest"] for r in dated if r["oldest"]), default=now - timedelta(days=1))
        begin = oldest - max(now - oldest, timedelta(hours=1)) * _MARGIN
        room = SPANS // len(shown)
        found.append(
            {
                "exchange": exchange,
                "from": milliseconds(begin),
                "until": milliseconds(now),
                "left": len(dated) - len(shown),
                "cut": any(len(known.get(_id(r), [])) > room for r in shown),
                "streams": [
                    {
                        "dataset": r["dataset"],
                        "stream": r["stream"],
                        "rows": r["rows"],
                        "spans": _bars(r, known.get(_id(r), []), begin, now, room),
                    }
                    for r in sorted(shown, key=lambda r: _place(r, places))
                ],
            }
        )
    return found


def holes(spans: Sequence[Row], state: str) -> list[Row]:
    """Every span in ``state``, as the page lists it."""
    return [
        {
            "stream": f"{row['exchange']}/{row['dataset']} {row['stream']}",
            "span": _words(row),
            "unit": row["unit"],
            "since": row["since"],
            "until": row["until"],
        }
        for row in spans
        if row["state"] == state
    ]


def _bars(
    stream: Row, spans: Sequence[Row], begin: datetime, now: datetime, room: int
) -> list[list[Any]]:
    """``[state, from, until, what]`` each, in milliseconds; what is missing is drawn on top.

    Of more than ``room`` spans: one bar, with the longest holes.
    """
    if not spans:
        if stream["oldest"] is None:
            return []
        return [_bar(SEEN, stream["oldest"], stream["newest"], "")]
    bars = []
    complete = [span for span in spans if span["state"] == "complete"]
    for span in complete:
        since, until = span["since"], span["until"]
        if len(complete) == 1:  # one span of ids covers all rows
            since, until = since or stream["oldest"], until or stream["newest"]
        if since is None or until is None:
            continue
        oldest = min(stream["oldest"] or until, until)
        if span["unit"] == "time" and since < oldest:
            bars.append(_bar(EMPTY, since, oldest, ""))
            since = oldest
        if span["unit"] == "id" or since < until:
            bars.append(_bar(HELD, since, until, _words(span) if span["unit"] == "id" else ""))
    missing = [
        _bar(s["state"], s["since"] or begin, s["until"] or now, _words(s))
        for s in spans
        if s["state"] in (GAP, LOST)
    ]
    if bars and len(spans) > room:
        bars = [[HELD, bars[0][1], bars[-1][2], "with more holes than are drawn"]]
    return bars + sorted(missing, key=lambda bar: int(bar[1] - bar[2]))[:room]


def _bar(state: str, since: datetime, until: datetime, what: str) -> list[Any]:
    return [state, milliseconds(since), milliseconds(until), what]


def _words(span: Row) -> str:
    upper = span["upper"] + (span["unit"] == "id")  # published inclusive
    return interval_text(Interval(span["lower"], upper), span["unit"])


def _id(row: Row) -> tuple[str, ...]:
    return row["exchange"], row["dataset"], row["stream"]


def _id_of(candles: Row) -> tuple[str, ...]:
    stream = StreamId(
        candles["exchange"], "candles", candles["symbol"], timeframe=candles["timeframe"]
    )
    return stream.exchange, stream.dataset, stream.label


def _place(
    row: Row, places: Mapping[tuple[str, ...], tuple[str, int]]
) -> tuple[int, tuple[str, int]]:
    """As datasets are declared; candles by market, then by length."""
    return list(DATASETS).index(row["dataset"]), places.get(_id(row), (row["stream"], 0))
