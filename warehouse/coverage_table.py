"""The ``coverage`` table out of the metastore: complete, gap and lost intervals per stream."""

import pyarrow as pa

from schemas import COVERAGE
from schemas.times import to_datetime
from warehouse.intervals import Interval, Intervals, gaps, subtract, union
from warehouse.metastore import Metastore
from warehouse.state import StreamState


def spans(state: StreamState) -> list[tuple[str, Interval]]:
    """``(state, interval)`` of one stream, oldest first; half-open and disjoint."""
    lost = subtract(state.lost, state.complete)
    missing = missing_intervals(state)
    found = [("complete", i) for i in state.complete]
    found += [("lost", i) for i in lost] + [("gap", i) for i in missing]
    return sorted(found, key=lambda item: item[1].lower)


def missing_intervals(state: StreamState) -> Intervals:
    """Intervals that are wanted and neither complete nor lost."""
    known = union([*state.complete, *state.lost])
    if not known or state.unit == "none":
        return ()
    lowest = known[0]
    low = lowest.lower
    if state.unit == "time" and state.wanted_from is not None:
        low = min(low, state.wanted_from)
    elif state.unit == "id" and not reaches(lowest, state.wanted_from):
        low = min(low, 0)
    return tuple(
        Interval(g.lower, g.upper)
        for g in reversed(gaps(known, low, known[-1].upper))
        if g.upper is not None
    )


def reaches(lowest: Interval, wanted_from: int | None) -> bool:
    """Whether coverage of ids that begins with ``lowest`` reaches back to ``wanted_from``."""
    if lowest.lower <= 0:
        return True
    return wanted_from is not None and lowest.first_at is not None and lowest.first_at < wanted_from


def coverage_rows(metastore: Metastore) -> pa.Table:
    """The ``coverage`` table, as ``schemas.COVERAGE`` declares it.

    Ids: both bounds inclusive. Times: microseconds since 1970, upper exclusive.
    """
    rows: list[dict[str, object]] = []
    for stream, (state, recorded_at) in metastore.states().items():
        for name, interval in spans(state):
            rows.append(
                {
                    "exchange": stream.exchange,
                    "dataset": stream.dataset,
                    "stream": stream.label,
                    "lower": interval.lower,
                    "upper": interval.upper - (1 if state.position == "id" else 0),
                    "unit": state.position,
                    "state": name,
                    "ingested_at": to_datetime(recorded_at),
                }
            )
    return pa.Table.from_pylist(rows, schema=COVERAGE.schema)
