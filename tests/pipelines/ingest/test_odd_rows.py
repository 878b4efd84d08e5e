"""Whatever rows a pull stores, ``verify`` agrees right afterwards: odd candles, odd rows."""

from collections.abc import Callable
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest

import warehouse
from sandbox import Fault, Served
from sandbox.candles import Candle
from tests.matrix import thinned
from tests.pipelines.ingest.conftest import run, settings_for

HOUR = 3_600_000
SUMMER = 1_767_916_800_000
"""2026-01-09T00:00Z: the clocks change."""
FEED = """exchange: bitexbit
markets: [BTC-USD]
start: 2026-01-08
datasets: {trades: {}, candles: {timeframes: [1h, 1d]}, account_trades: {}}
"""
Change = Callable[[list[Candle], int], list[Candle]]


def open_below_low(candles: list[Candle], _: int) -> list[Candle]:
    return [replace(c, open=c.low - 1) if c.time // HOUR % 7 == 3 else c for c in candles]


def opens_at_nine_in_the_evening(candles: list[Candle], length: int) -> list[Candle]:
    return [replace(c, time=c.time - 3 * HOUR) for c in candles] if length >= 24 * HOUR else candles


def moves_with_summer_time(candles: list[Candle], length: int) -> list[Candle]:
    if length < 24 * HOUR:
        return candles
    return [replace(c, time=c.time - (2 if c.time < SUMMER else 3) * HOUR) for c in candles]


def a_second_late(candles: list[Candle], _: int) -> list[Candle]:
    return [replace(c, time=c.time + 1000) if c.time // HOUR % 7 == 3 else c for c in candles]


def one_twice_with_other_figures(candles: list[Candle], _: int) -> list[Candle]:
    at = len(candles) // 2
    if not candles:
        return []
    return [*candles[:at], replace(candles[at], close=candles[at].low), *candles[at:]]


def the_last_twice_with_other_figures(candles: list[Candle], _: int) -> list[Candle]:
    return [*candles, replace(candles[-1], close=candles[-1].low)] if candles else []


def negative_volume(candles: list[Candle], _: int) -> list[Candle]:
    return [replace(c, volume=-c.volume) if c.time // HOUR % 5 == 1 else c for c in candles]


CHANGES: list[Change] = [
    open_below_low,
    opens_at_nine_in_the_evening,
    moves_with_summer_time,
    a_second_late,
    one_twice_with_other_figures,
    the_last_twice_with_other_figures,
    negative_volume,
]


def odd(found: warehouse.Verification) -> list[str]:
    return [str(f) for f in found.findings if f.kind != "note"]


@pytest.mark.parametrize("change", thinned(CHANGES, 4))
def test_odd_candles_are_stored_as_sent_and_are_no_damage(
    change: Change,
    exchange: Served,
    home: Path,
    feeds: Callable[..., Path],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = exchange.world
    real = world.candles

    def candles(symbol: str, now: int, length: int, paging: object) -> list[Candle]:
        return change(real(symbol, now, length, paging), length)  # type: ignore[arg-type]

    monkeypatch.setattr(world, "candles", candles)
    settings = settings_for(exchange, home)
    for _ in range(2):
        run(settings, "*/candles", feeds_root=feeds(FEED))
        result = warehouse.verify(home)
        assert odd(result) == []
        exchange.advance(4000)
    sent = world.candles("BTC-USD", world.now(), 24 * HOUR, exchange.paging)
    query = (
        "SELECT epoch_ms(timestamp) AS t FROM candles WHERE symbol = 'BTC-USD' AND timeframe = '1d'"
    )
    held = {row["t"] for row in warehouse.sql(query, home=home).to_pylist()}
    assert {c.time for c in sent[:-1] if c.time >= SUMMER - 24 * HOUR} <= held


CALLS = {"candles": "ohlcv", "trades": "public/trades", "account_trades": "private/trades"}
PLACES = [slice(0, 1), slice(None), slice(-1, None), slice(5, 6)]


@pytest.mark.parametrize(("name", "rows"), thinned(product(CALLS, PLACES), 7))
def test_quarantined_rows_are_no_damage(
    name: str, rows: slice, exchange: Served, home: Path, feeds: Callable[..., Path]
) -> None:
    settings = settings_for(exchange, home)
    exchange.faults.add(Fault("malformed", path=CALLS[name], times=2, rows=rows))
    for _ in range(2):
        run(settings, f"*/{name}", feeds_root=feeds(FEED))
        assert odd(warehouse.verify(home)) == []
        exchange.advance(4000)
    count = "SELECT count(*) AS n FROM quarantine"
    assert warehouse.sql(count, home=home).to_pylist()[0]["n"] > 0
