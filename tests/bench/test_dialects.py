"""The race of other dialects: the server pages as documented, and both store every row."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bench import performance
from bench.contestants import DIALECTS
from bench.dialect_server import Dialect, listing_of
from bench.measure import run, served
from bench.races import RACES

ROWS = 2_000


@pytest.mark.slow  # a process of its own for each contestant
@pytest.mark.parametrize("race", RACES)
def test_both_contestants_store_every_row(race: str) -> None:
    with served("bench.dialect_server", race, "--rows", str(ROWS)) as url:
        for name in DIALECTS:
            assert run(f"{race}/{name}", url).rows == ROWS  # raises where one is missing or doubled


def _ids(body: bytes, race: str) -> list[int]:
    rows: Any = json.loads(body)
    read: dict[str, Callable[[Any], list[int]]] = {
        "wex-account-trades": lambda r: [int(key) for key in r.get("return", {})],
        "wex-transactions": lambda r: [int(key) for key in r.get("return", {})],
        "bitexbit-candles": lambda r: [row[0] * 1000 for row in r],
        "binance-trades": lambda r: [row["id"] for row in r],
        "kraken-trades": lambda r: [row[6] for row in r["result"]["XXBTZUSD"]],
    }
    return read[race](rows)


@pytest.mark.parametrize(
    ("race", "target", "expected"),
    [
        ("wex-account-trades", "/tapi?method=TradeHistory&count=3&nonce=1", slice(-1, -4, -1)),
        ("wex-account-trades", "/tapi?method=TradeHistory&end_id={2}", slice(2, None, -1)),
        ("wex-account-trades", "/tapi?method=TradeHistory&end_id=1", slice(0)),
        ("wex-transactions", "/tapi?method=TransHistory&from_id={-2}", slice(-1, -3, -1)),
        (
            "bitexbit-candles",
            "/api/v2/public/ohlcv?symbol=BTC_USD&timeframe=5&limit=2",
            slice(-2, None),
        ),
        (
            "bitexbit-candles",
            "/api/v2/public/ohlcv?symbol=BTC_USD&timeframe=5&since={3}&until={9}&limit=5",
            slice(5, 10),
        ),
        ("binance-trades", "/api/v3/trades?symbol=BTCUSD&limit=4", slice(-4, None)),
        ("binance-trades", "/api/v3/historicalTrades?symbol=BTCUSD&fromId=7&limit=4", slice(6, 10)),
        ("binance-trades", "/api/v3/historicalTrades?symbol=BTCUSD&fromId=99999", slice(0)),
        ("kraken-trades", "/0/public/Trades?pair=XBTUSD", slice(-1000, None)),
        ("kraken-trades", "/0/public/Trades?pair=XXBTZUSD&since=0&count=6", slice(6)),
    ],
)
def test_the_server_keeps_the_end_that_the_exchange_keeps(
    race: str, target: str, expected: slice
) -> None:
    listing = listing_of(race, ROWS)
    ids = list(listing.tape.ids)
    for place in (-2, 2, 3, 9):
        target = target.replace(f"{{{place}}}", str(ids[place]))

    status, body, _ = Dialect(listing).answer("GET", target, accepts_gzip=False)

    assert status == 200
    assert _ids(body, race) == ids[expected]


def test_kraken_goes_on_from_the_last_nanosecond_of_a_page() -> None:
    server = Dialect(listing_of("kraken-trades", ROWS))
    found, since, pages = set[int](), "0", 0
    while len(found) < ROWS:
        target = f"/0/public/Trades?pair=XBTUSD&since={since}"
        body = server.answer("GET", target, accepts_gzip=False)[1]
        found |= set(_ids(body, "kraken-trades"))
        since, pages = json.loads(body)["result"]["last"], pages + 1
    assert (found, pages) == (set(range(1, ROWS + 1)), 3)


@pytest.mark.parametrize(
    ("race", "target"),
    [
        ("wex-account-trades", "/tapi?method=Trade"),
        ("wex-account-trades", "/tapi?method=TradeHistory&order=ASC"),
        ("bitexbit-candles", "/api/v2/public/ohlcv?symbol=BTC_USD&timeframe=60"),
        ("binance-trades", "/api/v3/historicalTrades?symbol=BTCUSD&fromId=x"),
        ("kraken-trades", "/0/public/Trades?pair=XBTUSD&until=1"),
    ],
)
def test_the_server_refuses_what_it_does_not_know(race: str, target: str) -> None:
    server = Dialect(listing_of(race, 10))

    assert server.answer("GET", target, accepts_gzip=False)[0] in (400, 404)


def test_the_table_names_each_race(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    races = [{"title": race.title, "rows": 200_000, "ratio": 8.1} for race in RACES.values()]
    (tmp_path / "dialects.json").write_text(json.dumps({"races": races}))
    monkeypatch.setattr(performance, "FOLDER", tmp_path)
    page = tmp_path / "performance.md"
    page.write_text(f"before\n{performance.BEGIN}\nold\n{performance.END}\nafter\n")
    monkeypatch.setattr(performance, "PAGE", page)

    assert performance.main() == 0

    text = page.read_text()
    assert "| Kraken trades | 200,000 | 8.10 |" in text
    assert text.startswith("before\n") and text.endswith("after\n") and "old" not in text
