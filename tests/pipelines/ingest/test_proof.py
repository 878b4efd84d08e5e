"""What ``coverage`` calls complete is complete: one test for each way in which it once was not.

Over real HTTP, with the exchange misbehaving in mid-history. After every pull, what is claimed is
compared with the exchange's own books (``false_claims``). The numbers are those of the table of
faults that the engine was built against.
"""

from collections.abc import Callable
from itertools import product
from typing import Any

import pytest

import warehouse
from sandbox import Fault, ManualClock, World, serve
from sandbox.bitexbit import BitexBitSwitches
from sandbox.faults import Request
from sandbox.marketdata import MarketTape
from schemas import StreamId
from tests.matrix import TORTURE, crossed, thinned
from tests.pipelines.ingest.reference_model import held_of, rows_of
from tests.pipelines.ingest.scene import (
    CANDLES,
    FILLS,
    ORDERS,
    PUBLIC_ORDERS,
    THIN,
    TRADES,
    WEX_FILLS,
    WEX_LEDGER,
    WEX_ORDERS,
    WEX_TRADES,
    End,
    Scene,
    answering,
    call_of,
    hidden,
    name_of,
)
from tests.warehouse.tools import lake

ENDS: list[End] = ["newest", "oldest"]
EITHER = pytest.mark.parametrize("keeps", ["newest", pytest.param("oldest", marks=TORTURE)])
"""For what does not depend on the end that an answer keeps."""
LONG = pytest.mark.parametrize("hours_ahead", [62])
"""For what takes more than a day at the exchange."""


# -- 1: the limit before the market ----------------------------------------------------------------


@pytest.mark.parametrize(("cap", "keeps"), crossed([1000, 150], ENDS))
def test_1_an_answer_cut_before_it_is_filtered(cap: int, keeps: End, scene: Scene) -> None:
    scene.collect(THIN)
    scene.server.switch(filters_after_limit=True, limit_keeps=keeps, page_cap=cap)
    for _ in range(3):
        report = scene.pull()
        if not scene.all_held(THIN):
            assert not report.ok  # said, and nothing is claimed below what is held
            assert ("complete", 0) not in [c[:2] for c in scene.coverage(THIN)]
        scene.later(1)
    scene.server.switch(limit_keeps=keeps)
    assert scene.pull().errors == []
    assert scene.all_held(THIN) and scene.states(THIN) == {"complete"}


# -- 2: a page cap that falls ----------------------------------------------------------------------


def crowded(rows: int, moment: int) -> MarketTape:
    """A tape with ``moment`` trades in every second, ids and times rising."""
    tape = MarketTape("BTC-USD")
    for n in range(rows):
        second = 1_700_000_000_000 + n // moment * 1000
        tape.add(10_000 + 3 * n, second, 10**8 + n, 10**6, n % 2 > 0)
    return tape


@pytest.mark.parametrize(("moment", "keeps"), crossed([1, 25, 7], ENDS))
def test_2_a_page_cap_that_falls_between_two_pulls(moment: int, keeps: End, scene: Scene) -> None:
    tape = crowded(9000, moment)
    clock = ManualClock(int(tape.times[3000]))
    with serve(World.replay({"BTC-USD": tape}, clock), limits=False) as server:
        scene.server = server
        scene.collect(TRADES)
        for cap, until in ((1000, 3000), (1000, 5000), (400, 8999), (390, 8999)):
            server.switch(page_cap=cap, sorts_by="time", limit_keeps=keeps)
            clock.advance((int(tape.times[until]) - clock()) / 1000)
            report = scene.pull()
            if not scene.all_held(TRADES):
                assert "gap" in scene.states(TRADES)
                assert not report.ok
        assert scene.all_held(TRADES) and scene.states(TRADES) == {"complete"}


@pytest.mark.parametrize("caps", [(300, 120), pytest.param((40, 16), marks=TORTURE)])
def test_2_a_page_cap_of_the_account_that_falls(caps: tuple[int, int], scene: Scene) -> None:
    scene.collect(WEX_FILLS, WEX_LEDGER)
    for cap in (*caps, *caps):
        scene.server.switch(page_cap=cap, sorts_by="time")
        report = scene.pull()
        for stream in (WEX_FILLS, WEX_LEDGER):
            if not scene.all_held(stream):
                assert "gap" in scene.states(stream)
                assert not report.ok
        scene.later(6)
    scene.server.switch()
    assert scene.pull().errors == []
    for stream in (WEX_FILLS, WEX_LEDGER):
        assert scene.all_held(stream) and scene.states(stream) == {"complete"}


# -- 3: a stretch that is not shown for a while ----------------------------------------------------

HIDDEN = pytest.mark.parametrize(
    ("stream", "keeps"),
    [
        pytest.param(TRADES, "newest", marks=TORTURE),
        pytest.param(TRADES, "oldest", marks=TORTURE),
        pytest.param(CANDLES, "newest", marks=TORTURE),  # in make test: the test below
        pytest.param(CANDLES, "oldest", marks=TORTURE),
        (WEX_FILLS, "newest"),
        pytest.param(WEX_LEDGER, "newest", marks=TORTURE),  # the same paging as fills
    ],
    ids=lambda value: name_of(value) if isinstance(value, StreamId) else value,
)


def with_a_hidden_stretch(
    stream: StreamId, keeps: End, scene: Scene
) -> Callable[[Request], Fault | None]:
    """A first pull; then a long time, whose middle the exchange will not show at first."""
    scene.collect(stream)
    scene.server.switch(page_cap=60, limit_keeps=keeps)
    assert scene.pull().errors == []
    before = max(rows_of(scene.server, stream))
    scene.later(30)
    new = sorted(position for position in rows_of(scene.server, stream) if position > before)
    assert len(new) > 240
    return hidden(stream, new[len(new) // 4], new[3 * len(new) // 4])


@LONG
@HIDDEN
def test_3_a_stretch_not_shown_for_ten_minutes_is_asked_for_again(
    stream: StreamId, keeps: End, scene: Scene
) -> None:
    with answering(scene.server, with_a_hidden_stretch(stream, keeps, scene)):
        for _ in range(3):
            report = scene.pull()
            assert not report.ok
            assert not scene.all_held(stream)
            if keeps == "newest":  # else what is newer cannot be reached, and nothing is claimed
                assert scene.states(stream) == {"complete", "gap"}
                assert "missing:" in scene.status()
            assert "lost" not in scene.states(stream)
            scene.later(1 / 6)
    for _ in range(3):
        report = scene.pull()
    assert report.errors == []
    assert scene.all_held(stream) and scene.states(stream) == {"complete"}
    assert "not shown by the exchange" not in scene.status()


@LONG
@pytest.mark.parametrize(
    "stream",
    [
        pytest.param(TRADES, marks=TORTURE),  # in make test: the test above
        CANDLES,
        pytest.param(WEX_FILLS, marks=TORTURE),
        pytest.param(WEX_LEDGER, marks=TORTURE),
    ],
    ids=name_of,
)
def test_3_what_is_not_shown_for_a_day_is_lost_and_asked_for_for_ever(
    stream: StreamId, scene: Scene
) -> None:
    with answering(scene.server, with_a_hidden_stretch(stream, "newest", scene)):
        found = []
        for _ in range(9):
            report = scene.pull()
            found.append((report.ok, "lost" in scene.states(stream)))
            scene.later(6)
    lost = [at for at, (_, is_lost) in enumerate(found) if is_lost]
    assert 4 <= lost[0] <= 6  # the first pull a day after the first asking
    assert lost == list(range(lost[0], len(found)))
    assert not any(ok for ok, _ in found[: lost[0] + 1])  # said until then, and when it is found
    assert all(ok for ok, _ in found[lost[0] + 1 :])  # said no more
    assert "lost (not shown by the exchange):" in scene.status()
    scene.hours += 40 * 24  # beyond the longest time between two requests for it
    for _ in range(3):
        scene.pull()
    assert scene.all_held(stream) and scene.states(stream) == {"complete"}


# -- 4 and 5: ids that cannot be read --------------------------------------------------------------

BOTH = pytest.mark.parametrize(
    ("stream", "keeps"),
    [
        pytest.param(TRADES, "newest", marks=TORTURE),
        (TRADES, "oldest"),
        pytest.param(FILLS, "newest", marks=TORTURE),  # the same paging as WEX's
        (WEX_FILLS, "newest"),
        pytest.param(WEX_LEDGER, "newest", marks=TORTURE),
    ],
    ids=lambda value: name_of(value) if isinstance(value, StreamId) else value,
)


@BOTH
@pytest.mark.parametrize("at", thinned([0, 4, -1], 3), ids=["first", "fifth", "last"])
def test_4_ignored_bounds_and_a_row_without_id(
    at: int, stream: StreamId, keeps: End, scene: Scene
) -> None:
    scene.collect(stream)
    bounds = frozenset({"since_id", "until_id", "from_id", "end_id"})
    scene.server.switch(ignored=bounds, page_cap=80, limit_keeps=keeps)
    row = slice(at, at + 1 or None)
    scene.server.faults.add(
        Fault("malformed", path=call_of(stream), times=None, spoil=("id", "null"), rows=row)
    )
    for _ in range(3):
        report = scene.pull()
        assert not report.ok and not scene.all_held(stream)
        assert ("complete", 0) not in [c[:2] for c in scene.coverage(stream)]
        scene.later(0.5)  # so that the newest page shows those rows again
    scene.server.faults.clear()
    scene.server.switch(limit_keeps=keeps)
    scene.pull()
    assert scene.pull().errors == []
    assert scene.all_held(stream) and scene.states(stream) == {"complete"}


@BOTH
def test_4_a_cache_that_repeats_the_newest_page(stream: StreamId, keeps: End, scene: Scene) -> None:
    scene.collect(stream)
    scene.server.switch(page_cap=80, limit_keeps=keeps)
    path = call_of(stream)
    scene.server.faults.add(
        Fault("stale", path=path, after=1, times=None),
    )
    for _ in range(3):
        report = scene.pull()
        assert not report.ok and not scene.all_held(stream)
        assert ("complete", 0) not in [c[:2] for c in scene.coverage(stream)]
        scene.later(1)
    scene.server.faults.clear()
    scene.pull()
    assert scene.pull().errors == []
    assert scene.all_held(stream) and scene.states(stream) == {"complete"}


@BOTH
@pytest.mark.parametrize(
    "rows",
    [slice(1, None), pytest.param(slice(0, -1), marks=TORTURE)],  # both: the test below
    ids=["first", "last"],
)
def test_5_answers_in_which_one_row_alone_has_an_id(
    rows: slice, stream: StreamId, keeps: End, scene: Scene
) -> None:
    scene.collect(stream)
    scene.server.switch(page_cap=80, limit_keeps=keeps)
    spoilt = Fault(
        "malformed", path=call_of(stream), after=1, times=None, spoil=("id", '"?"'), rows=rows
    )
    scene.server.faults.add(spoilt)
    for _ in range(3):
        report = scene.pull()
        assert not report.ok and not scene.all_held(stream)
        scene.later(1)
    scene.server.faults.clear()
    scene.pull()
    assert scene.pull().errors == []
    assert scene.all_held(stream) and scene.states(stream) == {"complete"}


@pytest.mark.parametrize("rows", thinned([slice(1, None), slice(0, -1)], 2), ids=["first", "last"])
def test_5_newest_rows_of_which_one_alone_has_an_id(rows: slice, scene: Scene) -> None:
    scene.collect(WEX_TRADES)
    assert scene.pull().errors == []
    for _ in range(2):
        scene.later(2)
        scene.server.faults.add(
            Fault("malformed", path="/api/3/trades", times=2, spoil=("id", '"?"'), rows=rows)
        )
        assert not scene.pull().ok
        scene.server.faults.clear()
    scene.pull()
    there, held = rows_of(scene.server, WEX_TRADES), held_of(scene.home, WEX_TRADES)
    for state, low, high in scene.coverage(WEX_TRADES):
        missing = [k for k in there if low <= k <= high and k not in held]
        assert not missing or state != "complete"


# -- 6: the unit of candle bounds ------------------------------------------------------------------


@LONG
@EITHER
@pytest.mark.parametrize(("first", "second"), thinned([("ms", "s"), ("s", "ms")], 2))
@pytest.mark.parametrize("order", ["oldest", pytest.param("newest", marks=TORTURE)])
def test_6_the_unit_of_candle_bounds_changes(
    order: End, first: Any, second: Any, keeps: End, scene: Scene
) -> None:
    scene.collect(CANDLES)
    scene.server.switch(page_cap=100, limit_keeps=keeps, time_unit=first, candle_order=order)
    for _ in range(2):
        assert scene.pull().errors == []
        assert scene.all_held(CANDLES) and scene.states(CANDLES) == {"complete"}
        scene.later(2)
    for unit in (second, first, second):
        scene.server.of(BitexBitSwitches).time_unit = unit
        for hours in (0, 20, 0.5):
            scene.later(hours)
            assert scene.pull().errors == []  # noticed and learnt anew in the same pull
            assert scene.all_held(CANDLES) and scene.states(CANDLES) == {"complete"}
        name = {"ms": "milliseconds", "s": "seconds"}[unit]
        assert f"times in {name}" in scene.status("--all")


# -- 7: refusals -----------------------------------------------------------------------------------

MAINTENANCE = "The exchange is under maintenance, try again"


@pytest.mark.parametrize("times", thinned([None, 2, 1], 3))
def test_7_an_unknown_refusal_says_nothing_about_an_order(times: int | None, scene: Scene) -> None:
    scene.collect(WEX_FILLS, WEX_ORDERS)
    scene.server.faults.add(Fault("refusal", path="OrderInfo", text=MAINTENANCE, times=times))
    report = scene.pull()
    if times != 1:  # one alone is asked again at once
        assert MAINTENANCE in "".join(report.errors) and not report.ok
    scene.server.faults.clear()
    assert scene.pull().errors == []
    now = scene.server.world.now()
    account = scene.server.world.accounts["beta"]
    by_fills = {order.id for order, fill in account.fills(now) if fill.maker}
    wanted = by_fills | {o.id for o in account.orders if o.is_open(now)}
    assert set(held_of(scene.home, WEX_ORDERS)) == wanted


def test_7_the_documented_refusal_says_that_an_order_does_not_exist(scene: Scene) -> None:
    scene.collect(WEX_FILLS, WEX_ORDERS)
    now = scene.server.world.now()
    fills = scene.server.world.accounts["beta"].fills(now)
    order = next(o.id for o, fill in fills if fill.maker and not o.is_open(now))

    def script(request: Request) -> Fault | None:
        wanted = request.call == "OrderInfo" and request.query.get("order_id") == str(order)
        return Fault("refusal", text="invalid order") if wanted else None

    with answering(scene.server, script):
        assert scene.pull().errors == []
    before = set(held_of(scene.home, WEX_ORDERS))
    assert before and order not in before
    assert scene.pull().errors == []
    assert scene.server.log.of("OrderInfo") == []  # it is not asked for again
    assert set(held_of(scene.home, WEX_ORDERS)) == before


@pytest.mark.parametrize("stream", thinned([TRADES, WEX_TRADES, WEX_FILLS], 2), ids=name_of)
def test_7_an_unknown_refusal_of_a_page_is_a_fault_of_the_moment(
    stream: StreamId, scene: Scene
) -> None:
    scene.collect(stream)
    refusal = Fault("refusal", path=call_of(stream), text=MAINTENANCE, status=400, times=2)
    scene.server.faults.add(refusal)
    report = scene.pull()
    assert not report.ok and MAINTENANCE in "".join(report.errors)
    scene.server.faults.clear()
    assert scene.pull().errors == []
    assert scene.states(stream) <= {"complete", "lost"}


# -- 8: ids that restart, orders that leave the list -----------------------------------------------


@LONG
@EITHER
@pytest.mark.parametrize("stream", [TRADES, WEX_TRADES], ids=name_of)
def test_8_restarted_ids_are_reported_and_nothing_is_claimed(
    stream: StreamId, keeps: End, scene: Scene
) -> None:
    scene.collect(stream)
    scene.server.switch(page_cap=80, limit_keeps=keeps)
    for _ in range(2):
        assert scene.pull().errors == []
        scene.later(0.2)
    before = held_of(scene.home, stream)
    (old,) = [s for s in warehouse.status(scene.home) if s.stream == stream]
    scene.server.world.relist("BTC-USD")
    scene.later(30)
    assert len(rows_of(scene.server, stream)) > 300
    for _ in range(3):
        report = scene.pull()
        assert not report.ok and "ids restarted" in "".join(report.errors)
        assert "complete" not in scene.states(stream)
        assert f"wrong: {stream}: ids restarted" in scene.status()
        held = held_of(scene.home, stream)
        assert {k: held[k] for k in before} == before  # the old rows are safe
        (status,) = [s for s in warehouse.status(scene.home) if s.stream == stream]
        stored = {k for k in held if k not in before}
        assert stored or status.newest_at == old.newest_at  # of rows that are stored
        scene.later(3)


def an_open_order(scene: Scene, stream: StreamId) -> int:
    """The id of one that is open now."""
    world = scene.server.world
    account = world.accounts["alpha" if stream.exchange == "bitexbit" else "beta"]
    orders = world.books["BTC-USD"].orders if stream == PUBLIC_ORDERS else account.orders
    now = world.now()
    return [o.id for o in orders if o.created <= now and o.is_open(now)][-2]


@LONG
@pytest.mark.parametrize("stream", thinned([ORDERS, PUBLIC_ORDERS], 2), ids=name_of)
@EITHER
def test_8_an_open_order_that_leaves_the_list(keeps: End, stream: StreamId, scene: Scene) -> None:
    scene.collect(stream)
    scene.server.switch(limit_keeps=keeps)
    assert scene.pull().errors == []
    order = an_open_order(scene, stream)
    scene.server.paging.hidden_orders = frozenset({order})
    for hours in (1, 2, 30, 1):
        scene.later(hours)
        report = scene.pull()
        if scene.hours <= 1:
            assert str(order) in "".join(report.errors)
        assert f"wrong: {stream}: " in scene.status() and str(order) in scene.status()
        assert order in held_of(scene.home, stream)
        claimed = [c for c in scene.coverage(stream) if c[1] <= order <= c[2]]
        assert [c[0] for c in claimed] == ["lost" if scene.hours > 25 else "gap"]
    scene.server.paging.hidden_orders = frozenset()
    scene.later(24)
    for _ in range(3):
        report = scene.pull()
    assert report.errors == []
    assert "wrong:" not in scene.status()
    assert scene.all_held(stream) and scene.states(stream) == {"complete"}


@pytest.mark.slow
@LONG
def test_8_an_open_order_that_wex_does_not_know_any_more(scene: Scene) -> None:
    scene.collect(WEX_FILLS, WEX_ORDERS)
    assert scene.pull().errors == []
    order = an_open_order(scene, WEX_ORDERS)
    scene.server.paging.hidden_orders = frozenset({order})
    scene.later(0.01)
    assert scene.pull().errors == []  # OrderInfo says that it is still open
    unknown = b'{"success":0,"error":"invalid order"}'

    def script(request: Request) -> Fault | None:
        wanted = request.call == "OrderInfo" and request.query.get("order_id") == str(order)
        return Fault("body", body=unknown) if wanted else None

    with answering(scene.server, script):
        scene.later(0.01)
        report = scene.pull()
        assert not report.ok and str(order) in "".join(report.errors)
        for _ in range(2):
            assert f"wrong: {WEX_ORDERS}: " in scene.status() and str(order) in scene.status()
            (status,) = table_of_order(scene, order)
            assert status == "open"
            scene.later(0.01)
            scene.pull()
    scene.later(48)
    scene.pull()
    assert scene.pull().errors == []
    assert "wrong:" not in scene.status()


def table_of_order(scene: Scene, order: int) -> list[str]:
    """The state of one order of WEX as it is stored."""
    rows = lake(scene.home, "account_orders")
    return [row["status"] for row in rows if row["order_id"] == str(order)]


# -- 9: delisted, listed again, delisted again -----------------------------------------------------


@pytest.mark.parametrize(
    "stream",
    thinned(
        [CANDLES, TRADES, WEX_TRADES, StreamId("wex", "candles", "BTC-USD", timeframe="5m")], 4
    ),
    ids=name_of,
)
def test_9_every_delisting_is_reported(stream: StreamId, scene: Scene) -> None:
    if stream.exchange == "wex":
        scene.collect(WEX_TRADES)
    scene.collect(stream, markets="all")
    assert scene.pull().notices == []
    held = 0
    for _ in range(2):
        scene.server.paging.delisted = frozenset({"BTC-USD"})
        scene.later(0.2)
        report = scene.pull()
        assert report.errors == []
        (notice,) = [n for n in report.notices if str(stream) in n]
        assert "no longer" in notice
        again = scene.pull()
        assert not [n for n in again.notices if "BTC-USD" in n]  # said once
        scene.server.paging.delisted = frozenset()
        scene.later(0.2)
        report = scene.pull()
        assert report.errors == [] and report.notices == []
        assert len(held_of(scene.home, stream)) > held
        held = len(held_of(scene.home, stream))


# -- 10: a head without rows -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("stream", "keeps"),
    [
        *thinned(product([TRADES, CANDLES, FILLS], ENDS), 3),
        pytest.param(ORDERS, "newest", marks=TORTURE),
        pytest.param(PUBLIC_ORDERS, "newest", marks=TORTURE),
        pytest.param(WEX_TRADES, "newest", marks=TORTURE),
        (WEX_FILLS, "newest"),
        pytest.param(WEX_LEDGER, "newest", marks=TORTURE),
    ],
    ids=lambda value: name_of(value) if isinstance(value, StreamId) else value,
)
def test_10_a_head_without_rows_is_not_checked(stream: StreamId, keeps: End, scene: Scene) -> None:
    scene.collect(stream)
    scene.server.switch(limit_keeps=keeps, page_cap=80)
    for _ in range(2):
        assert scene.pull().errors == []
        scene.later(1)
    checked, before = scene.checked_at(stream), scene.coverage(stream)
    assert checked is not None
    scene.server.paging.empty_head = True
    first = scene.pull()
    words = "without rows"
    assert words in "".join([*first.notices, *first.errors])
    for _ in range(2):
        scene.later(1)
        report = scene.pull()
        assert not report.ok and words in "".join(report.errors)
        assert scene.checked_at(stream) == checked
        assert scene.coverage(stream) == before
        assert f"wrong: {stream}: " in scene.status()
    scene.server.paging.empty_head = False
    report = scene.pull()
    assert report.errors == [] and report.notices == []
    assert (scene.checked_at(stream) or 0) > checked
    assert "wrong:" not in scene.status()
    if stream != WEX_TRADES:
        assert scene.all_held(stream) and scene.states(stream) == {"complete"}


def test_10_a_market_without_trades_is_no_dead_exchange(scene: Scene) -> None:
    scene.collect(TRADES, WEX_TRADES)
    scene.server.world.relist("BTC-USD")
    for _ in range(3):
        report = scene.pull()
        assert report.errors == [] and report.notices == []
