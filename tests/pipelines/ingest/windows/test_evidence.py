"""What one answer proves, in plain examples."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from connectors.base import Cursor, Key, Paging, Window
from pipelines.ingest.windows.changes import noted
from pipelines.ingest.windows.evidence import HOUR_US, Received, proved, spans_of
from pipelines.ingest.windows.plan import turn
from pipelines.ingest.windows.state import Attempt, Kind, Progress, Pull, Request, Step
from warehouse.intervals import Gap, Interval, Intervals, add

IDS = Paging(Cursor.ID)
DENSE = Paging(Cursor.ID, dense=True)
CANDLES = Paging(Cursor.TIME, Key.TIME)
TRANSFERS = Paging(Cursor.TIME, Key.TEXT)
HELD = (Interval(50, 61, 52, 58, 52, 58),)
"""Ids 50 to 60 are proved; 52 and 58 lie a moment inside."""


def rows(ids: list[int], times: list[int] | None = None, **more: object) -> Received:
    """Rows in the order received; the time of a row is its id where none is given."""
    at = ids if times is None else times
    return Received(np.array(ids, np.int64), np.array(at, np.int64), **more)  # type: ignore[arg-type]


def spans(found: Intervals) -> list[tuple[int, int]]:
    return [(i.lower, i.upper) for i in found]


def test_an_answer_proves_what_lies_between_its_rows_but_for_the_outermost_moments() -> None:
    assert spans(proved(rows([9, 7, 5, 3]), (), IDS)) == [(5, 8)]


def test_a_moment_of_several_rows_is_left_out_whole() -> None:
    found = proved(rows([1, 2, 3, 4, 5], [10, 20, 20, 30, 30]), (), IDS)
    assert spans(found) == [(2, 4)]
    assert spans(proved(rows([1, 2, 3], [10, 10, 10]), (), IDS)) == []


def test_rows_that_came_by_id_may_have_been_cut_by_time_all_the_same() -> None:
    """Row 2 happened before row 1, and the server answers by id with the four newest rows."""
    came = rows([1, 3, 4, 5], [10, 20, 40, 30])
    assert proved(came, (), IDS) == ()
    assert spans(proved(came, (), IDS, top_is_whole=True)) == [(4, 6)]


def test_a_late_row_widens_what_is_left_out() -> None:
    """Row 5 happened before row 3: of the rows up to there, some may not be shown."""
    in_time = rows([1, 5, 2, 3, 4, 8, 9], [10, 12, 20, 21, 30, 40, 50])
    assert proved(in_time, (), IDS) == ()
    assert spans(proved(in_time, (), IDS, top_is_whole=True)) == [(8, 10)]


@pytest.mark.parametrize(
    ("ids", "expected"),
    [
        ([57, 58, 60, 62, 65, 70], [(57, 66)]),  # deep in what is held: the lower end is sound
        ([59, 60, 62, 65, 70], [(60, 66)]),  # at its edge only: the lower end is not
        ([62, 65, 70], [(65, 66)]),  # beside it
        ([40, 44, 49, 50, 52], [(44, 53)]),  # from below
    ],
)
def test_an_end_is_sound_where_it_reaches_into_what_is_proved(
    ids: list[int], expected: list[tuple[int, int]]
) -> None:
    assert spans(proved(rows(ids), HELD, IDS)) == expected


def test_the_newest_rows_are_no_cut() -> None:
    assert spans(proved(rows([3, 5, 7]), (), IDS, top_is_whole=True)) == [(5, 8)]


def test_a_span_remembers_rows_a_moment_inside_its_ends() -> None:
    (span,) = proved(rows([1, 2, 3, 4, 5, 6], [1, 2, 2, 3, 3, 4]), (), IDS)
    assert (span.lower, span.upper) == (2, 6)
    assert (span.first, span.first_at) == (4, 3)
    assert (span.last, span.last_at) == (3, 2)


def test_candles_are_proved_up_to_the_last_final_one() -> None:
    final = np.array([True, True, False])
    assert spans(proved(rows([300, 600, 900], final=final), (), CANDLES, 300)) == [(300, 900)]
    assert proved(rows([900], final=np.array([False])), (), CANDLES, 300) == ()


def test_ids_without_holes_are_proved_in_runs() -> None:
    assert spans(proved(rows([7, 8, 9, 12, 13, 20]), (), DENSE)) == [(7, 10), (12, 14), (20, 21)]


def test_moments_of_text_ids_are_whole_or_not_proved() -> None:
    assert spans(proved(rows([10, 20, 20, 30]), (), TRANSFERS)) == [(20, 21)]


def test_a_malformed_row_inside_is_covered_and_at_an_end_is_not_believed_at_once() -> None:
    seen = rows([3, 5, 7, 9], rejected=frozenset({6, 11}))
    assert spans(proved(seen, (), IDS, top_is_whole=True)) == [(5, 10)]
    again = proved(seen, (), IDS, top_is_whole=True, seen_rejected=frozenset({11}))
    assert spans(again) == [(5, 12)]


def test_a_malformed_row_below_an_interval_proves_nothing_between_them() -> None:
    """Its time is unknown: a server that sorts by time may show a late row, and none between."""
    seen = rows([57, 58, 60, 62, 65, 70], rejected=frozenset({5}))
    assert spans(proved(seen, HELD, IDS, seen_rejected=frozenset({5}))) == [(57, 66)]


def test_a_row_beside_a_malformed_one_at_an_edge_is_no_moment_inside() -> None:
    """Rows 10 to 14 are of one moment; 10 and 14 are malformed."""
    gap = Gap(5, 20, None, HELD[0])
    asked = Attempt(gap, step=Step.NARROW, rows=6, seen=(10, 11, 12, 13, 14))
    request = Request(Kind.NARROW, Window(10, 19, 1000), asked)
    came = rows([11, 12, 13], [9, 9, 9], rejected=frozenset({10, 14}))
    (span,) = spans_of(came, request, Progress(Pull(IDS, 1000, 0), complete=HELD))
    assert (span.lower, span.upper, span.first, span.last) == (10, 20, 10, 19)


def test_a_single_row_inside_an_interval_moves_none_of_its_marks() -> None:
    """Rows 11 to 19 are of one moment: an answer that begins at 16 reaches no moment inside."""
    held = Interval(1, 20, 3, 10, 3, 10)
    assert add((held,), Interval(16, 17, 16, 16, 11, 11)) == (held,)


def test_nothing_is_proved_at_a_row_that_must_be_shown_and_is_not() -> None:
    found = proved(rows([1, 3, 5, 7, 9]), (), IDS, must_show=[4])
    assert spans(found) == [(3, 4), (5, 8)]


def test_no_row_no_proof() -> None:
    assert proved(rows([]), HELD, IDS) == ()
    assert proved(rows([], rejected=frozenset({5})), HELD, IDS) == ()


@pytest.mark.parametrize(("top_seen", "expected"), [(33, [(17, 34)]), (100, [(17, 30)])])
def test_an_answer_below_the_newest_row_seen_was_cut_however_few_rows_it_holds(
    top_seen: int, expected: list[tuple[int, int]]
) -> None:
    """Rows 30 to 33 are of one moment, and row 34 may be too; 100 rows came in an answer before."""
    held = Interval(10, 21, 12, 18, 12, 18)
    progress = Progress(
        Pull(IDS, started=1000, wanted_from=0, top_before=held),
        complete=(held,),
        raw_top=top_seen,
        most_rows=100,
    )
    came = rows([17, 18, 20, 25, 29, 30, 33], [17, 18, 20, 25, 29, 30, 30])
    request = Request(Kind.UP, Window(16, None, 1000))
    assert spans(spans_of(came, request, progress)) == expected


@pytest.mark.parametrize(
    ("times", "expected"),
    [
        ([50], [(50, 51)]),
        ([50, 70], [(50, 71)]),  # an account with two deposits
        ([50, 50], [(50, 51)]),
        ([50, 50, 50, 50, 70, 70], []),  # as many as a cap may let through
    ],
)
def test_a_few_rows_without_integer_ids_show_their_moments_whole(
    times: list[int], expected: list[tuple[int, int]]
) -> None:
    request = Request(Kind.HEAD, Window(None, None, 100))
    progress = Progress(Pull(TRANSFERS, started=100 + HOUR_US, wanted_from=0))
    assert spans(spans_of(rows(times, distinct=len(times)), request, progress)) == expected
    progress = Progress(Pull(TRANSFERS, started=60 + HOUR_US, wanted_from=0))
    newest = max(times)  # another row may join its moment, unless it is an hour old
    young = [(low, newest) for low, _ in expected if low < newest]
    assert spans(spans_of(rows(times, distinct=len(times)), request, progress)) == (
        young if newest > 59 else expected
    )


@pytest.mark.parametrize("more", [{"outside": True}, {"unreadable": 1}, {"distinct": 9}])
def test_a_few_rows_among_others_are_not_few(more: dict[str, Any]) -> None:
    """Rows of another window came along, unreadable ones, or malformed ones of the same moments."""
    weeks = replace(TRANSFERS, max_span_us=1000)
    progress = Progress(Pull(weeks, started=100 + HOUR_US, wanted_from=0))
    request = Request(Kind.UP, Window(49, None, 100))
    assert spans(spans_of(rows([50, 70]), request, progress)) == [(50, 71)]
    assert spans_of(rows([50, 70], **more), request, progress) == ()


def test_of_rows_that_came_only_those_that_may_change_are_remembered() -> None:
    """A history of a million rows that are final costs no set of a million ids."""
    p = Progress(Pull(IDS, 0, 0, changes=True, held=True), unsettled=frozenset((3, 5, 90)))
    p = noted(p, Request(Kind.HEAD, Window()), rows([2, 3, 4, 5, 6], open=frozenset((5, 6))))

    assert p.unsettled == {5, 6, 90}  # 3 is final by now, 90 was not shown
    assert p.refreshed == {5, 6}
    assert turn(p) == [90]
