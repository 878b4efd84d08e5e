"""The coverage timeline: what of every stream is held, missing and lost, with dates."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, Final

from pipelines.output.formatting import interval_text
from pipelines.report.query import Row
from schemas import DATASETS, StreamId
from schemas.timeframes import TIMEFRAMES
from warehouse.intervals import Interval

STREAMS: Final = 60
"""How many streams of one exchange are drawn, those with holes first."""
SPANS: Final = 600
"""How many spans of one exchange are drawn: of every stream a like number of holes, the longest."""
_MARGIN: Final = 0.04
"""Room before the oldest row, as a part of the whole span: for what was lost before it."""

HELD, EMPTY, SEEN, GAP, LOST = "held", "empty", "seen", "gap", "lost"
"""Proved and held; proved, and there are no rows; observations; missing; lost."""
_MEANINGS: Final = {
    HELD: "held, proved complete",
    EMPTY: "proved: no rows",
    SEEN: "observed",
    GAP: "missing, not fetched yet",
    LOST: "lost, not shown by the exchange",
}
_TICKS: Final = 2


@dataclass(frozen=True)
class Bar:
    """A span as it is drawn: ``left`` and ``width`` in percent of the whole line."""

    state: str
    left: float
    width: float
    text: str


@dataclass(frozen=True)
class Axis:
    """The time that a line shows."""

    since: datetime
    until: datetime

    def bar(self, state: str, since: datetime, until: datetime, what: str) -> Bar:
        """A span of rows or ids, in words too."""
        text = f"{_MEANINGS[state]}: {since:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M} UTC"
        left = self._place(since)
        return Bar(state, left, self._place(until) - left, f"{text}, {what}" if what else text)

    def ticks(self) -> list[str]:
        """Dates at equal distances, with the time of day where all is within days."""
        step = (self.until - self.since) / _TICKS
        form = "%m-%d %H:%M" if step < timedelta(days=2) else "%Y-%m-%d"
        return [(self.since + step * i).strftime(form) for i in range(_TICKS + 1)]

    def _place(self, moment: datetime) -> float:
        share = (moment - self.since) / (self.until - self.since)
        return round(min(max(share, 0), 1) * 100, 3)


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
        axis = Axis(begin, now)
        room = SPANS // len(shown)
        found.append(
            {
                "exchange": exchange,
                "ticks": axis.ticks(),
                "left": len(dated) - len(shown),
                "cut": any(len(known.get(_id(r), [])) > room for r in shown),
                "streams": [
                    {
                        "dataset": r["dataset"],
                        "stream": r["stream"],
                        "rows": r["rows"],
                        "bars": _bars(r, known.get(_id(r), []), axis, room),
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


def _bars(stream: Row, spans: Sequence[Row], axis: Axis, room: int) -> list[Bar]:
    """What is missing is drawn on top. Of more than ``room``: one bar, and the longest holes."""
    if not spans:
        if stream["oldest"] is None:
            return []
        return [axis.bar(SEEN, stream["oldest"], stream["newest"], "")]
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
            bars.append((EMPTY, since, oldest, ""))
            since = oldest
        if span["unit"] == "id" or since < until:
            bars.append((HELD, since, until, _words(span) if span["unit"] == "id" else ""))
    missing = [
        (s["state"], s["since"] or axis.since, s["until"] or axis.until, _words(s))
        for s in spans
        if s["state"] in (GAP, LOST)
    ]
    if bars and len(spans) > room:
        bars = [(HELD, bars[0][1], bars[-1][2], "with more holes than are drawn")]
    longest = sorted(missing, key=lambda span: span[1] - span[2])[:room]
    return [axis.bar(*span) for span in bars + longest]


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
