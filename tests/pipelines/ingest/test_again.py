"""``pull --from --to``: a stretch is fetched again, whatever is covered."""

from itertools import product
from pathlib import Path

import pytest

import warehouse
from pipelines.cli import main
from sandbox import Fault
from schemas import StreamId
from schemas.times import to_datetime
from tests.matrix import thinned
from tests.pipelines.ingest.reference_model import false_claims, held_of, rows_of
from tests.pipelines.ingest.scene import (
    CANDLES,
    FILLS,
    HOUR,
    PUBLIC_ORDERS,
    TRADES,
    WEX_FILLS,
    WEX_LEDGER,
    WEX_TRADES,
    End,
    Scene,
    answering,
    call_of,
    hidden,
    name_of,
)
from tests.warehouse.tools import lake

TRANSFERS = StreamId("bitexbit", "account_transactions", account="main")
HOUR_US = HOUR * 1_000_000
LISTED: list[tuple[StreamId, End]] = [
    (TRADES, "newest"),
    (TRADES, "oldest"),
    (FILLS, "newest"),
    (PUBLIC_ORDERS, "newest"),
    (CANDLES, "newest"),
    (CANDLES, "oldest"),
    (WEX_FILLS, "newest"),
    (WEX_LEDGER, "newest"),
    (WEX_TRADES, "newest"),
]
SOME = pytest.mark.parametrize(
    ("stream", "keeps"),
    thinned(LISTED, 4),
    ids=lambda value: name_of(value) if isinstance(value, StreamId) else value,
)


@pytest.fixture
def days() -> int:
    """The stretches lie up to forty hours back."""
    return 3


def hours_ago(scene: Scene, since: float, until: float) -> tuple[int, int]:
    """A stretch of time, counted back from the exchange's clock."""
    now = scene.server.world.now() * 1000
    return now - int(since * HOUR_US), now - int(until * HOUR_US)


def claims(scene: Scene, stream: StreamId) -> list[tuple[int, int]]:
    return [c[1:] for c in scene.coverage(stream) if c[0] == "complete"]


def includes(after: list[tuple[int, int]], before: list[tuple[int, int]]) -> bool:
    """Whether all that was complete before is so afterwards."""
    return all(any(a <= low and high <= b for a, b in after) for low, high in before)


def times_of(home: Path, stream: StreamId) -> list[int]:
    """The times of the rows held, in microseconds."""
    column = "symbol" if stream.symbol else "account"
    name = stream.symbol or stream.account
    return [
        int(row["timestamp"].timestamp() * 1_000_000)
        for row in lake(home, stream.dataset)
        if row["exchange"] == stream.exchange and row[column] == name
    ]


def test_new_rows_at_the_head_are_not_those_of_the_stretch(scene: Scene) -> None:
    scene.collect(TRADES)
    assert scene.pull().errors == []
    stretch = hours_ago(scene, 3, 2)
    scene.later(1)
    (outcome,) = scene.pull(stretch).streams
    assert outcome.rows_added > 0 and outcome.refetched > 0
    assert outcome.refetched_new == outcome.differences == 0


@SOME
def test_rows_that_were_left_out_are_stored(stream: StreamId, keeps: End, scene: Scene) -> None:
    """An exchange that leaves rows out of the middle of an answer is believed until then."""
    scene.collect(stream)
    stretch = hours_ago(scene, 30, 20)
    milliseconds = (stretch[0] // 1000 + HOUR * 1000, stretch[1] // 1000 - HOUR * 1000)
    scene.server.switch(hidden_ms=milliseconds, limit_keeps=keeps)
    assert scene.pull(believe=False).errors == []
    hours = {
        t for t in times_of(scene.home, stream) if stretch[0] + HOUR_US <= t < stretch[1] - HOUR_US
    }
    assert not hours
    scene.server.switch(limit_keeps=keeps)
    before, claimed = held_of(scene.home, stream), claims(scene, stream)
    known = sum(stretch[0] <= t < stretch[1] for t in times_of(scene.home, stream))
    report = scene.pull(stretch)
    assert report.errors == []
    held = held_of(scene.home, stream)
    assert stream == WEX_TRADES or scene.all_held(stream)
    (outcome,) = report.streams
    assert outcome.rows_added == len(held) - len(before)
    assert outcome.differences == 0
    if stream == WEX_TRADES:
        assert len(times_of(scene.home, stream)) - len(before) > 100
    inside = [t for t in times_of(scene.home, stream) if stretch[0] <= t < stretch[1]]
    assert outcome.refetched >= len(inside)
    assert outcome.refetched_new == len(inside) - known
    assert includes(claims(scene, stream), claimed)
    assert scene.pull().errors == []
    assert scene.states(stream) <= {"complete", "lost"}


@pytest.mark.parametrize(
    ("stream", "keeps"),
    thinned(
        [
            *((stream, "newest") for stream in (TRADES, FILLS, PUBLIC_ORDERS)),
            (TRADES, "oldest"),
            *((stream, "newest") for stream in (WEX_FILLS, WEX_LEDGER, WEX_TRADES)),
        ],
        4,
    ),
    ids=lambda value: name_of(value) if isinstance(value, StreamId) else value,
)
def test_rows_that_differ_are_counted(stream: StreamId, keeps: End, scene: Scene) -> None:
    scene.collect(stream)
    scene.server.switch(limit_keeps=keeps)
    field = "price" if stream == PUBLIC_ORDERS else "amount"
    fault = Fault(
        "malformed", path=call_of(stream), spoil=(field, "7.25"), rows=slice(5, 6), times=None
    )
    scene.server.faults.add(fault)
    scene.pull(believe=False)
    scene.server.faults.clear()
    there = rows_of(scene.server, stream)
    wrong = sum(v != there[k] for k, v in held_of(scene.home, stream).items())
    assert wrong >= 1
    claimed = claims(scene, stream)
    report = scene.pull((0, scene.server.world.now() * 1000 + 1), believe=False)
    (outcome,) = report.streams
    assert outcome.differences == wrong
    assert outcome.refetched >= len(held_of(scene.home, stream))
    assert includes(claims(scene, stream), claimed)


def test_rows_that_differ_elsewhere_are_not_counted(scene: Scene) -> None:
    scene.collect(WEX_TRADES)
    spoil = ("amount", "7.25")
    scene.server.faults.add(Fault("malformed", path="/api/3/trades", spoil=spoil, rows=slice(1)))
    scene.pull(believe=False)  # the newest row is wrong
    report = scene.pull(hours_ago(scene, 40, 30), believe=False)
    assert report.streams[0].differences == 0


def test_candles_that_differ_are_counted_and_replaced(scene: Scene) -> None:
    scene.collect(CANDLES)
    scene.server.switch(late_every=2, late_ms=10**10)  # candles without half of their trades
    assert scene.pull(believe=False).errors == []
    scene.server.switch()
    there, before = rows_of(scene.server, CANDLES), held_of(scene.home, CANDLES)
    stretch = hours_ago(scene, 40, 30)
    wrong = [k for k, v in before.items() if v != there[k] and stretch[0] <= k < stretch[1]]
    assert len(wrong) > 50
    report = scene.pull(stretch, believe=False)
    (outcome,) = report.streams
    assert outcome.differences >= len(wrong)
    after = held_of(scene.home, CANDLES)
    inside = {k: v for k, v in there.items() if stretch[0] <= k < stretch[1]}
    assert {k: after.get(k) for k in inside} == inside
    scene.pull((0, scene.server.world.now() * 1000))
    assert scene.all_held(CANDLES)


def test_pages_are_walked_again(scene: Scene) -> None:
    scene.collect(TRANSFERS)
    scene.server.switch(transfers_page=20)
    wrong = Fault("malformed", path="/private/transfers", spoil=("amount", '"7.25"'), rows=slice(1))
    scene.server.faults.add(wrong)
    scene.pull(believe=False)
    claimed = claims(scene, TRANSFERS)
    report = scene.pull((0, scene.server.world.now() * 1000 + 1))
    (outcome,) = report.streams
    assert report.errors == []
    assert outcome.differences == 1 and outcome.rows_added == 0
    assert outcome.refetched == sum(map(len, rows_of(scene.server, TRANSFERS).values()))
    assert scene.all_held(TRANSFERS)
    assert includes(claims(scene, TRANSFERS), claimed)


@SOME
def test_a_short_stretch_takes_few_requests(stream: StreamId, keeps: End, scene: Scene) -> None:
    scene.collect(stream)
    scene.server.switch(limit_keeps=keeps, page_cap=100)
    assert scene.pull().errors == []
    claimed = claims(scene, stream)
    report = scene.pull(hours_ago(scene, 30, 29))
    assert report.errors == []
    assert report.streams[0].requests <= 12
    assert report.streams[0].rows_added == report.streams[0].differences == 0
    assert includes(claims(scene, stream), claimed)


@pytest.mark.parametrize(
    ("listed", "fails"),
    thinned(product(LISTED, [True, False]), 7),
    ids=lambda v: name_of(v[0]) + "-" + v[1] if isinstance(v, tuple) else f"fails-{v}",
)
def test_coverage_never_shrinks(listed: tuple[StreamId, End], fails: bool, scene: Scene) -> None:
    """Not where the exchange fails in the middle, not where it no longer shows the stretch."""
    stream, keeps = listed
    scene.collect(stream)
    scene.server.switch(limit_keeps=keeps, page_cap=100)
    assert scene.pull().errors == []
    claimed, held = claims(scene, stream), held_of(scene.home, stream)
    if fails:
        fault = Fault("status", status=400, path=call_of(stream), after=1, times=None)
        scene.server.faults.add(fault)
        scene.pull(hours_ago(scene, 50, 10))
        scene.server.faults.clear()
    else:
        low, high = hours_ago(scene, 40, 20)
        scene.server.paging.hidden_ms = low // 1000, high // 1000
        scene.pull(hours_ago(scene, 50, 10))
    assert includes(claims(scene, stream), claimed)
    assert held.items() <= held_of(scene.home, stream).items()
    scene.server.switch(limit_keeps=keeps)
    assert scene.pull().errors == []
    assert includes(claims(scene, stream), claimed)
    assert "gap" not in scene.states(stream)


@pytest.mark.parametrize("hours_ahead", [60])
@pytest.mark.parametrize("stream", thinned([WEX_FILLS, CANDLES, TRADES], 3), ids=name_of)
def test_a_lost_stretch_is_tried(stream: StreamId, scene: Scene) -> None:
    scene.collect(stream)
    scene.server.switch(page_cap=60)
    assert scene.pull().errors == []
    before = max(rows_of(scene.server, stream))
    scene.later(30)
    new = sorted(position for position in rows_of(scene.server, stream) if position > before)
    gone = hidden(stream, new[len(new) // 4], new[3 * len(new) // 4])
    stretch = hours_ago(scene, 31, 0)
    with answering(scene.server, gone):
        for hours in (25, 1):
            scene.pull()
            scene.later(hours)
        scene.pull()
    assert "lost" in scene.states(stream)
    scene.pull()
    assert "lost" in scene.states(stream)  # it is not asked for so soon
    report = scene.pull(stretch)
    assert report.errors == []
    assert scene.all_held(stream) and scene.states(stream) == {"complete"}


def test_the_command_says_what_it_brought(
    scene: Scene,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    scene.collect(TRADES)
    for variable, value in scene.server.env.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setenv("TIDEMARK_FEEDS", str(scene.feeds))
    stretch = hours_ago(scene, 30, 20)
    scene.server.paging.hidden_ms = stretch[0] // 1000, stretch[1] // 1000 - 1
    assert main(["pull"]) == 0
    scene.server.paging.hidden_ms = None
    missing = len(rows_of(scene.server, TRADES)) - len(held_of(scene.home, TRADES))
    assert missing > 500
    capsys.readouterr()
    start, end = (f"{to_datetime(us):%Y-%m-%dT%H:%M:%SZ}" for us in stretch)
    assert main(["pull", "bitexbit/trades", "--from", start, "--to", end]) == 0
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "| fetched again | received | new rows | differ | not shown |" in lines
    (outcome,) = [line for line in lines if line.startswith("| bitexbit/trades BTC-USD | ")]
    received, stored, differ, not_shown = outcome.split(" | ")[1:]
    assert int(received.replace(",", "")) >= missing
    assert (stored, differ, not_shown.strip(" |")) == (f"{missing:,}", "0", "0")
    assert false_claims(scene.server, scene.home) == []
    assert scene.all_held(TRADES)
    assert len(warehouse.sql("FROM trades", home=scene.home)) == len(rows_of(scene.server, TRADES))
