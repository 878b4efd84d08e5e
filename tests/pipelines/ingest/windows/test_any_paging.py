"""However an exchange pages: every row once, and nothing claimed that was not shown.

The pulls are pure (no disk), so that many histories can be tried: ``HISTORIES=1000``.
"""

from dataclasses import replace
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from connectors.base import Cursor, Key, Page, Paging, Window
from pipelines.ingest.windows.changes import unshown
from pipelines.ingest.windows.evidence import LEAST_CAP, receive
from pipelines.ingest.windows.plan import plan
from pipelines.ingest.windows.state import Kind, Profile, Progress, Pull, Request
from schemas import TIMEFRAMES, RejectedRow, StreamId
from schemas.times import DAY_US
from tests.examples import examples
from tests.pipelines.ingest.windows.model import (
    CANDLES,
    EPOCH_US,
    IDS,
    PAGINGS,
    Behaviour,
    ModelExchange,
)
from tests.pipelines.ingest.windows.pure import Memory, false_claims, pull
from warehouse.intervals import Interval, Unshown

TRADES = StreamId("model", "trades", "BTC-USD")
CANDLE = StreamId("model", "candles", "BTC-USD", timeframe="5m")
TRANSFERS = StreamId("model", "account_transactions", account="main")
STEP = TIMEFRAMES["5m"]
FIRST = EPOCH_US // STEP * STEP

behaviours = st.builds(
    Behaviour,
    keeps=st.sampled_from(["newest", "oldest"]),
    cap=st.integers(2, 60),
    lower_inclusive=st.booleans(),
    upper_inclusive=st.booleans(),
    unit=st.sampled_from(["ms", "s"]),
    order=st.sampled_from([1, -1]),
    shows_open=st.booleans(),
)
hostile = st.builds(
    replace,
    behaviours,
    cap=st.integers(2, 60),
    ignores_lower=st.sampled_from([False] * 9 + [True]),
    ignores_upper=st.sampled_from([False] * 9 + [True]),
    sorts_by_time=st.booleans(),
)
ids = st.lists(st.integers(1, 5000), max_size=120, unique=True)
later = st.lists(st.lists(st.integers(1, 120), max_size=40, unique=True), max_size=3)
relaxed = settings(
    max_examples=examples(30),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def grow(exchange: ModelExchange, new: list[int]) -> None:
    """New rows on top of those there are."""
    unit = STEP if exchange.paging.key is Key.TIME else 1
    top = max(exchange.keys, default=FIRST if unit == STEP else 0)
    exchange.keys = [*exchange.keys, *(top + unit * n for n in new)]


def stream_of(exchange: ModelExchange) -> StreamId:
    if exchange.paging.key is Key.TIME:
        return CANDLE
    return TRANSFERS if exchange.paging.key is Key.TEXT else TRADES


def all_of(keys: list[int]) -> list[tuple[int, int]]:
    """What is proved of a market with these ids: its beginning from the second row on."""
    top = max(keys, default=0) + 1
    return [(0 if len(keys) > 1 else top - 1, top)] if keys else []


@relaxed
@given(behaviour=behaviours, keys=ids, new=later)
def test_ids(behaviour: Behaviour, keys: list[int], new: list[list[int]]) -> None:
    """Bounds, limits and orders of every kind: all rows, and all of them proved, in every pull."""
    exchange, memory = ModelExchange(behaviour, keys), Memory()
    for batch in ([], *new):
        grow(exchange, batch)
        assert pull(exchange, TRADES, memory).problems == ()
        assert memory.held == {*exchange.keys}
        assert [(i.lower, i.upper) for i in memory.complete] == all_of(exchange.keys)
        memory.now += 600_000_000


@relaxed
@given(behaviour=behaviours, openings=st.lists(st.integers(0, 3000), max_size=120, unique=True))
def test_candles(behaviour: Behaviour, openings: list[int]) -> None:
    keys = [FIRST + n * STEP for n in openings]
    exchange, memory = ModelExchange(behaviour, keys, CANDLES), Memory()
    wanted = FIRST - 500 * STEP
    for _ in range(2):
        assert pull(exchange, CANDLE, memory, wanted).problems == ()
        assert memory.held == {*keys}
        spans = [(i.lower, i.upper) for i in memory.complete]
        assert spans == ([(wanted, max(keys) + STEP)] if keys else [])


@relaxed
@given(behaviour=behaviours, share=st.integers(2, 5), keys=ids, new=later)
@example(  # the ids of the answer that leaves out row 2 are in order by chance
    behaviour=Behaviour(cap=3, lower_inclusive=False, upper_inclusive=False),
    share=3,
    keys=[1],
    new=[[1, 2, 5, 8, 11, 14, 17, 20, 23, 26, 28, 29]],
)
def test_sorted_by_time_with_several_rows_a_moment(
    behaviour: Behaviour, share: int, keys: list[int], new: list[list[int]]
) -> None:
    """No row of a moment is hidden at the end of an answer; new rows may come to an old moment."""
    behaviour = replace(behaviour, sorts_by_time=True, cap=behaviour.cap + 3 * share)
    exchange, memory = ModelExchange(behaviour, keys, share=share), Memory()
    for batch in ([], *new):
        grow(exchange, batch)
        assert pull(exchange, TRADES, memory).problems == ()
        assert memory.held == {*exchange.keys}
        assert len(memory.complete) <= 1


@pytest.mark.parametrize("keeps", ["newest", "oldest"])
@pytest.mark.parametrize("moment", [12, 40])
def test_a_moment_larger_than_an_answer(keeps: str, moment: int) -> None:
    """What no answer shows whole is asked for in windows of few ids."""
    behaviour = Behaviour(keeps=keeps, cap=12, sorts_by_time=True)
    exchange, memory = ModelExchange(behaviour, [*range(1, 100)], share=moment), Memory()
    for new in ([], [*range(1, 51)], []):
        grow(exchange, new)
        assert pull(exchange, TRADES, memory).problems == ()
        assert memory.held == {*exchange.keys}
        assert [(i.lower, i.upper) for i in memory.complete] == all_of(exchange.keys)


@pytest.mark.parametrize("keeps", ["newest", "oldest"])
@pytest.mark.parametrize("low", [True, False])
@pytest.mark.parametrize("high", [True, False])
def test_one_row_an_answer(keeps: str, low: bool, high: bool) -> None:
    """Where an answer holds one row, nothing next to a held one is overlooked."""
    behaviour = Behaviour(keeps=keeps, cap=1, lower_inclusive=low, upper_inclusive=high)
    exchange, memory = ModelExchange(behaviour, [3, 4, 5, 9]), Memory()
    for new in ([], [1, 3, 4]):
        grow(exchange, new)
        pull(exchange, TRADES, memory)
        assert memory.held == {*exchange.keys}
        assert not false_claims(exchange, memory)


def test_a_first_candle_that_is_open_is_no_fault() -> None:
    """A market's first week has one weekly candle, which nothing claims before it has ended."""
    exchange, memory = ModelExchange(Behaviour(), [FIRST], CANDLES, clock_us=FIRST + 1), Memory()
    memory.now = FIRST + 7_200_000_000
    assert pull(exchange, CANDLE, memory, FIRST - STEP).problems == ()
    assert memory.held == {FIRST} and [*memory.complete] == []
    exchange.keys, exchange.clock_us = [FIRST, FIRST + STEP], FIRST + STEP
    assert pull(exchange, CANDLE, memory, FIRST - STEP).problems == ()
    assert [(i.lower, i.upper) for i in memory.complete] == [(FIRST - STEP, FIRST + STEP)]


@pytest.mark.parametrize("cap", [1000, 60, 59, 12])
@pytest.mark.parametrize("share", [1, 4])
@pytest.mark.parametrize("rows", [1, 2, 3, 5, 60])
def test_forward_from_an_id_with_holes_reaches_both_ends(cap: int, share: int, rows: int) -> None:
    """Own trades by the ids of a market: no request names an upper bound, and ids have holes."""
    paging = PAGINGS["forward from an id, holes"]
    keys = [200 + 7 * n + n % 3 for n in range(rows)]
    behaviour = Behaviour(cap=cap, sorts_by_time=True)
    exchange, memory = ModelExchange(behaviour, keys, paging, share=share), Memory()
    for new in ([], [1, 3, 9, 40], [5]):
        grow(exchange, new)
        assert pull(exchange, TRADES, memory).problems == ()
        assert memory.held == {*exchange.keys}
    assert [(i.lower, i.upper) for i in memory.complete] == [(0, max(exchange.keys) + 1)]


@pytest.mark.parametrize("cursor", ["forward from an id, holes", "backward from an id"])
@pytest.mark.parametrize("inclusive", [True, False])
@pytest.mark.parametrize("cap", [12, 50])
@pytest.mark.parametrize("sorts_by_time", [True, False])
@pytest.mark.parametrize("edges", [(0, 0), (5, 40), (100, 7)])
def test_a_moment_larger_than_an_answer_by_ids_of_one_side(
    cursor: str, inclusive: bool, cap: int, sorts_by_time: bool, edges: tuple[int, int]
) -> None:
    """Own trades of one large order: what lies behind them is reached; they are no claim."""
    moment = [2000 + 7 * n + n % 3 for n in range(130)]  # ids of a thousand share a time
    below = [1999 - 5 * n for n in range(edges[0])]
    above = [3000 + 4 * n for n in range(edges[1])]
    behaviour = Behaviour(
        cap=cap,
        lower_inclusive=inclusive,
        upper_inclusive=inclusive,
        sorts_by_time=sorts_by_time,
    )
    keys = [*below, *moment, *above]
    exchange, memory = ModelExchange(behaviour, keys, PAGINGS[cursor], share=1000), Memory()
    one = {*moment}
    exchange.time_of = lambda key: FIRST + 1_000_000 * (2500 if key in one else key)  # type: ignore[method-assign]
    for new in ([], [3, 1], []):
        grow(exchange, new)
        pull(exchange, TRADES, memory)
        assert not false_claims(exchange, memory)
        memory.now += 26 * 3_600_000_000
    missing = {*exchange.keys} - memory.held
    assert all(2000 <= key < 3000 for key in missing) and (sorts_by_time or not missing)


def newest_of_a_window(exchange: ModelExchange, memory: Memory) -> None:
    """Without bounds, the exchange answers with the rows of the last span alone."""
    answer, span = exchange.answer, exchange.paging.max_span_us or 0

    def recent(stream: StreamId, window: Window) -> list[int]:
        if window.lower is None and window.upper is None:
            window = replace(window, lower=memory.now - span)
        return answer(stream, window)

    exchange.answer = recent  # type: ignore[method-assign]


def test_windows_that_newer_rows_moved_are_the_same_stretch() -> None:
    """A quiet time is asked for twice, a day apart, though in windows with other ends."""
    paging = replace(PAGINGS["days, text ids"], max_span_us=80 * DAY_US)
    exchange = ModelExchange(Behaviour(), [1, 2, 3], paging, pace_us=3_600_000_000)
    memory, wanted = Memory(now=exchange.time_of(200 * 24)), exchange.time_of(0)
    newest_of_a_window(exchange, memory)
    for hours in (0, 7, 33, 59):
        memory.now = exchange.time_of(200 * 24 + hours)
        if hours == 7:
            exchange.keys.append(200 * 24 + 5)
        assert pull(exchange, TRANSFERS, memory, wanted).problems == ()
    assert [(i.lower, i.upper) for i in memory.complete] == [
        (wanted, exchange.time_of(200 * 24 + 5) + 1)
    ]


def test_two_moments_that_fill_an_answer_have_none_between_them() -> None:
    """Three rewards at once, fifty days of nothing, three more."""
    paging = replace(PAGINGS["days, text ids"], max_span_us=80 * DAY_US)
    keys = [1, 2, 3, 1201, 1202, 1203]
    exchange = ModelExchange(Behaviour(), keys, paging, pace_us=3_600_000_000, share=10)
    memory, wanted = Memory(now=exchange.time_of(200 * 24)), exchange.time_of(0) - DAY_US
    newest_of_a_window(exchange, memory)
    for _ in range(3):
        assert pull(exchange, TRANSFERS, memory, wanted).problems == ()
        memory.now += 26 * 3_600_000_000
    held = [i for i in memory.complete if i.lower <= exchange.time_of(1201) < i.upper]
    assert [i.lower for i in held] == [wanted] and not any(u.lost for u in memory.unshown)


def test_an_account_at_rest_for_longer_than_a_window_is_no_fault() -> None:
    """The newest transfers are those of the last days, of which there may be none any more."""
    paging = PAGINGS["days, text ids"]
    exchange = ModelExchange(Behaviour(), [*range(1, 30)], paging, pace_us=3_600_000_000)
    memory = Memory(now=exchange.time_of(29) + 7_200_000_000)
    newest_of_a_window(exchange, memory)
    for _ in range(3):
        progress = pull(exchange, TRANSFERS, memory, FIRST - 30 * DAY_US)
        assert progress.problems == () and progress.checked and not progress.head_empty
        memory.now += 40 * DAY_US
    grow(exchange, [1])  # while nobody asked, and longer ago than the newest answer reaches
    assert pull(exchange, TRANSFERS, memory, FIRST - 30 * DAY_US).problems == ()
    assert memory.held == {*exchange.keys}
    exchange.empty = frozenset({0})  # rows of the last day are held: an empty answer is suspect
    memory.now = exchange.time_of(30) + 7_200_000_000
    assert pull(exchange, TRANSFERS, memory, FIRST - 30 * DAY_US).head_empty


@pytest.mark.parametrize("behind", [1, 30])
def test_a_store_that_lags_behind_the_newest_rows_is_no_fault(behind: int) -> None:
    """The newest rows come from memory, those from an id on from a store that has fewer."""
    paging = PAGINGS["forward from an id"]
    exchange, memory = ModelExchange(Behaviour(cap=50), [*range(1, 201)], paging), Memory()
    answer = exchange.answer

    def lagging(stream: StreamId, window: Window) -> list[int]:
        keys, top = exchange.keys, max(exchange.keys)
        if window.lower is not None:
            exchange.keys = [key for key in keys if key <= top - behind]
        rows = answer(stream, window)
        exchange.keys = keys
        return rows

    exchange.answer = lagging  # type: ignore[method-assign]
    for new in ([], [1, 2, 3], [*range(1, 10)]):
        grow(exchange, new)
        assert pull(exchange, TRADES, memory).problems == ()
        assert memory.held == {*exchange.keys}
        assert [(i.lower, i.upper) for i in memory.complete] == [(0, max(exchange.keys) + 1)]


@pytest.mark.parametrize(
    ("rows", "lookback", "limit"),
    [(300, 0, 299), (300, 298, 1000), (300, 5000, 1000), (1000, 0, 1000), (5, 0, 1000)],
)
def test_what_is_asked_of_a_quiet_market(rows: int, lookback: int, limit: int) -> None:
    """All rows but one, unless a look-back wants them, or there are more or hardly any."""
    paging = replace(PAGINGS["ids"], max_rows=1000)
    asked = Pull(paging, EPOCH_US, 0, lookback=lookback, quiet=True)
    request = plan(Progress(asked, profile=Profile(rows=rows)))
    assert isinstance(request, Request) and request.kind is Kind.HEAD
    assert request.window.limit == limit


def test_a_market_of_four_rows_of_two_moments_is_whole() -> None:
    """Requests name an upper bound alone, and every answer is small enough to have had room."""
    exchange = ModelExchange(
        Behaviour(cap=17, sorts_by_time=True),
        [101, 102, 103, 104],
        PAGINGS["backward from an id"],
        share=3,
    )
    memory = Memory()
    assert pull(exchange, TRADES, memory).problems == ()
    assert [(i.lower, i.upper) for i in memory.complete] == [(0, 105)]


def test_fills_of_one_moment_alone_are_no_fault() -> None:
    """One order, filled in eight parts at once: where they begin is proved once more are there."""
    paging = PAGINGS["forward from an id, holes"]
    keys = [100 * 16 + n for n in (1, 3, 4, 6, 8, 9, 11, 15)]
    exchange, memory = ModelExchange(Behaviour(), keys, paging, share=16), Memory()
    for _ in range(3):
        assert pull(exchange, TRADES, memory).problems == ()
        assert memory.held == {*keys} and not any(u.lost for u in memory.unshown)
        memory.now += 2 * DAY_US
    grow(exchange, [100])
    assert pull(exchange, TRADES, memory).problems == ()
    assert [(i.lower, i.upper) for i in memory.complete] == [(0, max(exchange.keys) + 1)]


@relaxed
@given(
    name=st.sampled_from(sorted(PAGINGS)),
    behaviour=st.builds(replace, behaviours, cap=st.integers(12, 40)),
    resolution=st.sampled_from([1, 1, 1000]),
    share=st.integers(1, 3),
    count=st.integers(0, 150),
    new=st.lists(st.integers(0, 50), max_size=3),
)
def test_any_cursor(
    name: str, behaviour: Behaviour, resolution: int, share: int, count: int, new: list[int]
) -> None:
    """One-sided and forward-only ids, times with several rows a moment, text ids, bounded spans."""
    paging = PAGINGS[name]
    behaviour = replace(behaviour, resolution_us=resolution)
    exchange = ModelExchange(behaviour, [], paging, share=share, pace_us=7_000_000_000)
    memory = Memory()
    for rows in (count, *new, 0):
        grow(exchange, [*range(1, rows + 1)])
        progress = pull(exchange, stream_of(exchange), memory, FIRST - DAY_US)
        assert not false_claims(exchange, memory)
        # of two or three moments without ids, bounds that are rounded cannot leave one out
        few = 3 if resolution == 1 else 4
        lone = paging.key is Key.TEXT and len({*map(exchange.time_of, exchange.keys)}) < few
        assert lone or progress.problems == ()
        memory.now += 2 * DAY_US
    assert memory.held == {*exchange.keys}
    if not lone:
        assert len(memory.complete) == bool(exchange.keys)


@relaxed
@given(
    data=st.data(),
    candles=st.booleans(),
    numbers=ids,
    new=later,
    share=st.integers(1, 4),
    one_of=st.sampled_from([1, 1, 1, 5]),
)
def test_nothing_is_claimed_that_was_not_shown(
    data: st.DataObject,
    candles: bool,
    numbers: list[int],
    new: list[list[int]],
    share: int,
    one_of: int,
) -> None:
    """Paging that changes in the middle of a pull, bounds that are ignored, answers without rows,
    stretches that are not shown for a while, a limit that is applied before the filter."""
    exchange = ModelExchange(data.draw(hostile), [], share=share)
    if candles:
        exchange.paging, exchange.keys = CANDLES, [FIRST + n * STEP for n in numbers]
    else:
        exchange.keys = numbers
        others = {*range(1, max(numbers, default=0) + 300)} - {*numbers}
        exchange.foreign = frozenset(others if one_of > 1 else ())
    memory, wanted = Memory(), FIRST - 500 * STEP if candles else 0
    fetch = exchange.fetch

    def changing(*asked: Any) -> Any:
        if len(exchange.requests) in changes:
            exchange.behaviour = data.draw(hostile)
        return fetch(*asked)

    exchange.fetch = changing  # type: ignore[assignment,method-assign]
    for batch in ([], *new):
        grow(exchange, batch)
        exchange.foreign -= {*exchange.keys}
        changes = data.draw(st.frozensets(st.integers(0, 30), max_size=2))
        exchange.empty = data.draw(st.frozensets(st.integers(0, 40), max_size=3))
        low = data.draw(st.sampled_from([None, None, *exchange.keys[:5]]))
        exchange.hidden = None if low is None else (low, low + 100 * (STEP if candles else 1))
        pull(exchange, stream_of(exchange), memory, wanted)
        assert not false_claims(exchange, memory)
        memory.now += 600_000_000


@relaxed
@given(
    behaviour=behaviours,
    numbers=st.lists(st.integers(1, 300), min_size=1, max_size=60, unique=True).map(sorted),
    paging=st.sampled_from([IDS, CANDLES, PAGINGS["times, text ids"], PAGINGS["days, text ids"]]),
    malformed=st.lists(st.integers(-5, 60), max_size=12),
    share=st.sampled_from([1, 1, 4, 9]),
)
@example(Behaviour(cap=1000), [*range(1, 30)], IDS, [-1], 1)
@example(Behaviour("oldest", 8, sorts_by_time=True), [*range(1, 60)], IDS, [*range(3, 60, 3)], 9)
@example(Behaviour("oldest", 12), [*range(1, 60)], PAGINGS["times, text ids"], [55, 56, 57], 20)
def test_malformed_rows_anywhere_end_every_pull_well(
    behaviour: Behaviour, numbers: list[int], paging: Paging, malformed: list[int], share: int
) -> None:
    """Also the newest, the oldest, and all of them: what can be read is stored and proved."""
    candles = paging.key is Key.TIME
    keys = [FIRST + n * STEP for n in numbers] if candles else numbers
    behaviour = replace(behaviour, sorts_by_time=share > 1, cap=max(LEAST_CAP, behaviour.cap))
    exchange = ModelExchange(behaviour, keys, paging, share=share)
    bad = {keys[n % len(keys)] for n in malformed}
    well_formed = exchange.page

    def page(stream: StreamId, rows: list[int]) -> Page:
        made = well_formed(stream, rows)
        kept = pa.array([n for n, row in enumerate(rows) if row not in bad], pa.int64())
        rejected = tuple(
            RejectedRow("odd", "{}", exchange.position_of(r), n)
            for n, r in enumerate(rows)
            if r in bad
        )
        return replace(
            made,
            table=made.table.take(kept),
            positions=made.positions.take(kept),
            rejected=rejected,
        )

    exchange.page = page  # type: ignore[assignment,method-assign]
    memory = Memory()
    for _ in range(2):
        pull(exchange, stream_of(exchange), memory, FIRST - 50 * STEP)
        assert not false_claims(exchange, memory)


@relaxed
@given(behaviour=behaviours, keys=ids)
def test_nothing_new_costs_one_or_two_requests(behaviour: Behaviour, keys: list[int]) -> None:
    exchange, memory = ModelExchange(behaviour, keys), Memory()
    pull(exchange, TRADES, memory)
    pull(exchange, TRADES, memory)
    pull(exchange, TRADES, memory)
    cap = behaviour.cap
    limit = 2 if cap > len(keys) or behaviour.keeps == "newest" else len(keys) // cap + 4
    if len(keys) < 3:  # an answer of so few rows may hide the next one
        limit = 5
    if len(keys) == 1:  # where the history begins is asked for until there is a second row
        limit = 8 + keys[0].bit_length()
    assert len(exchange.requests) <= limit


def test_a_thin_market_of_an_exchange_that_cuts_before_it_filters() -> None:
    """153 of 12,000 rows: none is called complete without having been shown."""
    mine = [n * 78 + n % 7 for n in range(1, 154)]
    others = frozenset(range(1, 12_001)) - {*mine}
    exchange, memory = ModelExchange(Behaviour(cap=1000), mine, foreign=others), Memory()
    for _ in range(3):
        progress = pull(exchange, TRADES, memory)
        assert not false_claims(exchange, memory)
    assert memory.held == {*mine}
    assert progress.problems  # where the history begins cannot be proved
    assert memory.complete[0].lower > 0


def test_a_stretch_without_answers_is_asked_for_again() -> None:
    """Not lost after ten minutes: not shown for a day; and complete when it comes back."""
    exchange, memory = ModelExchange(Behaviour(cap=20), [*range(1, 201)]), Memory()
    exchange.hidden = (50, 90)
    for _ in range(2):
        assert pull(exchange, TRADES, memory).problems
        assert memory.unshown and not any(u.lost for u in memory.unshown)
        memory.now += 600_000_000
    memory.now += DAY_US
    assert pull(exchange, TRADES, memory).lost_found
    assert any(u.lost for u in memory.unshown)
    asked = 0
    for _ in range(10):  # at growing intervals
        memory.now += 3600_000_000
        exchange.requests.clear()
        pull(exchange, TRADES, memory)
        asked += len(exchange.requests) > 2
    assert asked == 0
    exchange.hidden = None
    memory.now += 2 * DAY_US
    assert pull(exchange, TRADES, memory).problems == ()
    assert [(i.lower, i.upper) for i in memory.complete] == [(0, 201)]
    assert memory.unshown == ()


def test_ids_that_restart() -> None:
    exchange, memory = ModelExchange(Behaviour(cap=50), [*range(1000, 1400)]), Memory()
    pull(exchange, TRADES, memory)
    old_time = exchange.time_of
    exchange.keys = [*range(1, 200)]
    exchange.time_of = lambda key: old_time(key if key > 999 else key + 5000)  # type: ignore[method-assign]
    for _ in range(2):
        progress = pull(exchange, TRADES, memory)
        assert progress.restart is not None and memory.complete == ()
    exchange.time_of = old_time  # type: ignore[method-assign]
    exchange.keys = [*range(1000, 1500)]  # the numbering of before is back
    assert pull(exchange, TRADES, memory).restart is None
    assert [(i.lower, i.upper) for i in memory.complete] == [(0, 1500)]


@pytest.mark.parametrize("top", [600, pytest.param(3000, marks=pytest.mark.torture)])
@pytest.mark.parametrize("name", ["ids without holes", "one bound, ids without holes"])
def test_ids_that_were_never_given_cost_no_requests(name: str, top: int) -> None:
    """Answers that show ids on both sides have been asked for them: nothing is asked one by one."""
    there = [n for n in range(1, top) if n % 7]
    exchange, memory = ModelExchange(Behaviour(cap=top // 6), there, PAGINGS[name]), Memory()
    progress = pull(exchange, TRADES, memory)
    assert memory.held == {*there} and not false_claims(exchange, memory)
    assert len(exchange.requests) < 15
    assert [(u.lower, u.upper) for u in progress.unshown] == [(n, n + 1) for n in range(7, top, 7)]
    assert "does not show rows that lie between" in progress.problems[0]
    memory.now += DAY_US
    for _ in range(top // 100):  # twenty a pull are asked for again
        memory.now += 60_000_000
        progress = pull(exchange, TRADES, memory)
    assert all(u.lost for u in progress.unshown) and progress.problems == ()
    exchange.keys = [*range(1, top)]  # there are such rows after all
    for _ in range(top // 50):
        memory.now += 40 * DAY_US
        progress = pull(exchange, TRADES, memory)
    assert memory.held == {*exchange.keys} and len(memory.complete) == 1


def test_every_kind_of_cursor_is_in_the_model() -> None:
    windows = {(p.cursor, p.key) for p in PAGINGS.values()}
    assert windows >= {(Cursor.ID, Key.INTEGER), (Cursor.TIME, Key.TIME), (Cursor.TIME, Key.TEXT)}
    assert IDS in PAGINGS.values()


@relaxed
@given(
    keeps=st.sampled_from(["newest", "oldest"]),
    cap=st.sampled_from([1, 2, 3, 5, 8, 15, 30, 60]),
    cuts_first=st.booleans(),
    by_time=st.booleans(),
    moment=st.sampled_from([1, 1, 2, 3]),
    length=st.integers(60, 300),
    data=st.data(),
)
def test_a_gap_between_two_proved_stretches(
    keeps: str,
    cap: int,
    cuts_first: bool,
    by_time: bool,
    moment: int,
    length: int,
    data: st.DataObject,
) -> None:
    """A limit that is applied before the market is selected makes small answers: no proof."""
    thin = data.draw(st.sampled_from([20, 10, 5, 2]))
    between = data.draw(st.lists(st.integers(4, length - 1), max_size=length // thin, unique=True))
    ends = [1, 2, 3, *range(length, length + 4)]
    paging = Paging(Cursor.TIME) if by_time else IDS
    others = frozenset({*range(1, length + 4)} - {*between, *ends}) if cuts_first else frozenset()
    behaviour = Behaviour(keeps=keeps, cap=cap)
    keys = sorted([*ends, *between])
    exchange = ModelExchange(behaviour, keys, paging, share=moment, foreign=others)
    at = exchange.time_of
    memory = Memory(
        (
            Interval(1, 4, 2, 2, at(2), at(2)),
            Interval(length, length + 4, length + 1, length + 2, at(length + 1), at(length + 2)),
        ),
        profile=Profile(keeps, EPOCH_US + 400 * DAY_US),  # type: ignore[arg-type]
        held=frozenset(ends),
    )
    pull(exchange, TRADES, memory)
    assert not false_claims(exchange, memory)


@pytest.mark.parametrize("cached", [True, False], ids=["outside the window", "unreadable"])
def test_requests_below_the_first_row_that_are_not_answered_prove_no_beginning(
    cached: bool,
) -> None:
    exchange, memory = (
        ModelExchange(Behaviour(cap=20), [*range(100, 140)]),
        Memory(),
    )
    fetch = exchange.fetch

    def odd(stream: StreamId, window: Window) -> Page:
        if window.upper is None or window.upper >= 100:
            return fetch(stream, window)
        exchange.answered = exchange.keys[-20:] if cached else []
        page = exchange.page(stream, exchange.answered)
        return page if cached else replace(page, rejected=(RejectedRow("odd", "{}"),))

    exchange.fetch = odd  # type: ignore[method-assign]
    assert pull(exchange, TRADES, memory).problems
    assert memory.complete[0].lower >= 100


@pytest.mark.parametrize("days", [True, False])
@pytest.mark.parametrize("resolution", [1, 1_000_000])
def test_a_moment_that_fills_the_answers_hides_what_lies_below_it(
    days: bool, resolution: int
) -> None:
    """The cap falls to less than the first moment held; older rows exist, within a day of it."""
    paging = PAGINGS["days, text ids" if days else "times, text ids"]
    behaviour = Behaviour(cap=100, resolution_us=resolution)
    exchange, memory = ModelExchange(behaviour, [*range(69, 111)], paging, share=10), Memory()
    wanted = exchange.time_of(60) - DAY_US // 4
    pull(exchange, TRANSFERS, memory, exchange.time_of(70))
    exchange.keys = [*range(1, 111)]
    exchange.behaviour = replace(behaviour, cap=8)
    for _ in range(3):
        memory.now += 2 * DAY_US
        progress = pull(exchange, TRANSFERS, memory, wanted)
        assert not false_claims(exchange, memory)
    assert progress.problems or any(u.lost for u in memory.unshown)


def test_ids_with_holes_requested_by_time_prove_no_beginning() -> None:
    """Rows from before the wanted time have lower ids, and no request shows them."""
    exchange = ModelExchange(Behaviour(cap=20), [*range(1, 100)], Paging(Cursor.TIME))
    fills, memory = StreamId("model", "account_trades", account="main"), Memory()
    assert pull(exchange, fills, memory, EPOCH_US + 50_000_000).problems
    assert memory.complete[0].lower >= min(memory.held) > 1
    assert not false_claims(exchange, memory)


def test_malformed_rows_of_one_moment_are_counted_each() -> None:
    """They take room in an answer: one that holds ten of them is not small."""
    paging = PAGINGS["times, text ids"]
    page = ModelExchange(Behaviour(), [1], paging).page(TRANSFERS, [1])
    odd = tuple(RejectedRow("odd", "{}", EPOCH_US, n) for n in range(10))
    received = receive(replace(page, rejected=odd), Window(), paging, id_column="transaction_id")
    assert received.size == 11


def test_an_exchange_that_dropped_old_rows_and_keeps_the_oldest_is_read_to_its_end() -> None:
    """Its newest answer leaves out older rows that are held, and is not the newest."""
    exchange, memory = ModelExchange(Behaviour(cap=60, keeps="oldest"), [*range(1, 101)]), Memory()
    pull(exchange, TRADES, memory)
    memory.profile = Profile()
    for top in (140, 170):
        exchange.keys = [*range(top - 90, top)]
        memory.now += 600_000_000
        assert pull(exchange, TRADES, memory).checked
        assert memory.held >= {*exchange.keys}
        assert not false_claims(exchange, memory)


def test_what_lies_beside_a_lost_stretch_waits_its_own_day() -> None:
    old = Unshown(100, 200, since=0, asked_at=DAY_US, times=2, lost=True)
    p = Progress(Pull(IDS, started=5 * DAY_US, wanted_from=0), unshown=(old,))
    p = unshown(p, 50, 300, may_be_lost=True)
    assert [(u.lower, u.upper, u.lost) for u in p.unshown] == [
        (50, 100, False),
        (100, 200, True),
        (200, 300, False),
    ]
    assert not p.lost_found
    p = replace(p, pull=replace(p.pull, started=6 * DAY_US))
    p = unshown(p, 50, 300, may_be_lost=True)
    assert all(u.lost for u in p.unshown)
    assert p.lost_found


def test_forward_from_an_id_the_first_row_of_one_is_shown_again() -> None:
    behaviour = Behaviour(lower_inclusive=False)
    exchange, memory = ModelExchange(behaviour, [1], PAGINGS["forward from an id"]), Memory()
    for _ in range(2):
        assert pull(exchange, TRADES, memory).problems == ()
        assert [(i.lower, i.upper) for i in memory.complete] == [(0, 2)]
