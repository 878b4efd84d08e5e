"""A local server of one list of one exchange: ``python -m bench.dialect_server kraken-trades``.

As :mod:`bench.server`: rows are encoded before it listens, so that a page is a slice of memory.
It answers as the exchange documents the call; signatures are not checked.
"""

import argparse
import json
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from urllib.parse import parse_qsl

import numpy as np
import uvloop

from bench.races import RACES
from bench.server import PAIRS, BadRequest, serve, usage
from bench.tape import LAST_MS, Columns, Tape, draw

Query = Mapping[str, str]

MAX_ROWS: Final = 1000
"""Of one answer, at all of these exchanges."""
CANDLE_MS: Final = timedelta(minutes=5) // timedelta(milliseconds=1)


@dataclass(frozen=True)
class Listing:
    """One list as it is answered.

    ``call``: its path, or paths; of a call by POST, the method in the form. ``parameters``: those
    it may be asked with. ``page``: one answer. ``others``: all else that a pull asks for.
    """

    calls: tuple[str, ...]
    parameters: frozenset[str]
    tape: Tape
    page: Callable[[Tape, Query], bytes]
    others: Mapping[str, bytes]


class Dialect:
    """Answers requests for one list."""

    def __init__(self, listing: Listing) -> None:
        self._listing = listing
        self._requests = 0

    def answer(self, method: str, target: str, accepts_gzip: bool) -> tuple[int, bytes, bool]:
        """Status, body, and whether the body is gzipped."""
        path, _, text = target.partition("?")
        if path == "/bench/usage":
            return 200, usage(self._listing.tape, self._requests), False
        self._requests += 1
        query = dict(parse_qsl(text))
        call = f"{path} {query.pop('method', '')}".strip()
        try:
            if call in self._listing.calls:
                if unknown := query.keys() - self._listing.parameters:
                    raise BadRequest(400, f"not known here: {', '.join(sorted(unknown))}")
                return 200, self._listing.page(self._listing.tape, query), False
            if call in self._listing.others:
                return 200, self._listing.others[call], False
            raise BadRequest(404, f"{call} is not known here")
        except BadRequest as error:
            return error.status, json.dumps({"detail": str(error)}).encode(), False


def listing_of(race: str, rows: int, seed: int = 2016) -> Listing:
    """The list of a race, of so many rows; the same for the same arguments."""
    return _LISTINGS[race](rows, np.random.default_rng(seed))


def _number(query: Query, name: str) -> int | None:
    try:
        return int(query[name]) if name in query else None
    except ValueError:
        raise BadRequest(400, f"{name} is an integer") from None


def _size(query: Query, name: str, usual: int) -> int:
    return max(1, min(_number(query, name) or usual, MAX_ROWS))


def _values(columns: Columns) -> Iterator[tuple[int, int, int, int, bool]]:
    """Time, id, price in cents, amount in units of 1e-8, whether a buy; in the order drawn."""
    yield from zip(
        columns.times.tolist(),
        columns.ids.tolist(),
        columns.price.tolist(),
        columns.amount.tolist(),
        columns.buy.tolist(),
        strict=True,
    )


def _plain(units: int, digits: int) -> str:
    """The shortest text of ``units`` of so many places: a JSON number."""
    text = f"{units // 10**digits}.{units % 10**digits:0{digits}d}"
    return text.rstrip("0").rstrip(".")


# -- WEX: signed, newest first, keyed by id -------------------------------------------------------

_HISTORY: Final = frozenset({"from_id", "end_id", "count", "order", "nonce"})
_WEX_PAIRS: Final = {
    "btc_usd": {
        "decimal_places": 3,
        "min_price": 0.1,
        "max_price": 10_000_000,
        "min_amount": 0.001,
        "hidden": 0,
        "fee": 0.2,
    }
}
_INFO: Final = json.dumps({"server_time": LAST_MS // 1000, "pairs": _WEX_PAIRS}).encode()


def _wex(
    method: str, rows: int, rng: np.random.Generator, encode: Callable[[Columns], Iterator[bytes]]
) -> Listing:
    columns = draw(rows, rng)
    tape = Tape.of(encode(columns), columns.ids[::-1].tolist())
    nothing = f"no {'trades' if method == 'TradeHistory' else 'transactions'}"

    def page(tape: Tape, query: Query) -> bytes:
        if query.get("order", "DESC") != "DESC":
            raise BadRequest(400, "only the order DESC is known here")
        size = _size(query, "count", MAX_ROWS)
        first, end = tape.page(_number(query, "from_id"), _number(query, "end_id"), size)
        if first >= end:
            return json.dumps({"success": 0, "error": nothing}).encode()
        return b"".join((b'{"success":1,"return":{', tape.text(first, end), b"}}"))

    return Listing((f"/tapi {method}",), _HISTORY, tape, page, {"/api/3/info": _INFO})


def _wex_trades(columns: Columns) -> Iterator[bytes]:
    for time, id_, price, amount, buy in _values(columns):
        yield (
            f'"{id_}":{{"pair":"btc_usd","type":"{"buy" if buy else "sell"}",'
            f'"amount":{_plain(amount, 8)},"rate":{_plain(price, 2)},"order_id":{3 * id_ + 1},'
            f'"is_your_order":{id_ % 2},"timestamp":{time // 1000}}},'
        ).encode()


def _wex_transactions(columns: Columns) -> Iterator[bytes]:
    for time, id_, price, amount, buy in _values(columns):
        desc = (
            f"{'Bought' if buy else 'Sold'} {_plain(amount, 8)} BTC from your order :order:{id_}: "
            f"by price {_plain(price, 2)} USD total {_plain(amount * price, 10)} USD (-0.2%)"
        )
        yield (
            f'"{id_}":{{"type":{4 if buy else 5},"amount":{_plain(amount, 8)},"currency":"BTC",'
            f'"desc":"{desc}","status":2,"timestamp":{time // 1000}}},'
        ).encode()


# -- BitexBit: candles by time, the newest of a window, oldest first -------------------------------


def _candles(rows: int, rng: np.random.Generator) -> Listing:
    last = LAST_MS // CANDLE_MS - 1
    opened = [(last - rows + 1 + number) * CANDLE_MS for number in range(rows)]
    closes = 6_083_763 + np.abs(np.cumsum(rng.integers(-9_000, 9_001, rows)))
    opens = np.concatenate(([6_083_763], closes[:-1])) if rows else closes
    spread = rng.integers(0, 5_000, (2, rows))
    highs = np.maximum(opens, closes) + spread[0]
    lows = np.minimum(opens, closes) - spread[1]
    volumes = rng.lognormal(21, 1, rows).astype(np.int64)

    def encoded() -> Iterator[bytes]:
        figures = (x.tolist() for x in (opens, highs, lows, closes, volumes))
        for time, *prices, volume in zip(opened, *figures, strict=True):
            texts = ",".join(f'"{p // 100}.{p % 100:02d}000000"' for p in prices)
            amount = f'"{volume // 10**8}.{volume % 10**8:08d}"'
            yield f"[{time // 1000},{texts},{amount}],".encode()

    def page(tape: Tape, query: Query) -> bytes:
        if (query.get("symbol"), query.get("timeframe")) != ("BTC_USD", "5"):
            raise BadRequest(400, "the only candles here are of BTC_USD and 5 minutes")
        since, until = _number(query, "since"), _number(query, "until")
        end = tape.rows if until is None else bisect_right(tape.ids, until)
        first = 0 if since is None else bisect_left(tape.ids, since)
        return tape.json(max(first, end - _size(query, "limit", 100)), end)

    parameters = frozenset({"symbol", "timeframe", "since", "until", "limit"})
    call, others = ("/api/v2/public/ohlcv",), {"/api/v2/public/pairs": PAIRS}
    return Listing(call, parameters, Tape.of(encoded(), opened), page, others)


# -- ids without holes, oldest first, from a place on ----------------------------------------------


def _rising(columns: Columns) -> Iterator[tuple[int, int, int, int, bool]]:
    """As ``_values``, oldest first, with ids from 1 on."""
    reversed_ = Columns(*(values[::-1] for values in vars(columns).values()))
    for number, (time, _, price, amount, buy) in enumerate(_values(reversed_), 1):
        yield time, number, price, amount, buy


_BINANCE_MARKETS: Final = {
    "timezone": "UTC",
    "serverTime": LAST_MS,
    "rateLimits": [
        {
            "rateLimitType": "REQUEST_WEIGHT",
            "interval": "MINUTE",
            "intervalNum": 1,
            "limit": 6000,
        }
    ],
    "exchangeFilters": [],
    "symbols": [
        {
            "symbol": "BTCUSD",
            "status": "TRADING",
            "baseAsset": "BTC",
            "quoteAsset": "USD",
            "isSpotTradingAllowed": True,
            "filters": [{"filterType": "PRICE_FILTER", "tickSize": "0.01000000"}],
            "permissionSets": [["SPOT"]],
        }
    ],
}


def _binance(rows: int, rng: np.random.Generator) -> Listing:
    columns = draw(rows, rng)

    def encoded() -> Iterator[bytes]:
        for time, id_, price, amount, buy in _rising(columns):
            value = price * amount // 100
            yield (
                f'{{"id":{id_},"price":"{price // 100}.{price % 100:02d}000000",'
                f'"qty":"{amount // 10**8}.{amount % 10**8:08d}",'
                f'"quoteQty":"{value // 10**8}.{value % 10**8:08d}","time":{time},'
                f'"isBuyerMaker":{"false" if buy else "true"},"isBestMatch":true}},'
            ).encode()

    def page(tape: Tape, query: Query) -> bytes:
        if query.get("symbol") != "BTCUSD":
            raise BadRequest(400, "the only symbol here is BTCUSD")
        size, start = _size(query, "limit", 500), _number(query, "fromId")
        first = max(0, tape.rows - size) if start is None else bisect_left(tape.ids, start)
        return tape.json(first, min(first + size, tape.rows))

    calls = ("/api/v3/trades", "/api/v3/historicalTrades")
    others = {"/api/v3/exchangeInfo": json.dumps(_BINANCE_MARKETS).encode()}
    tape = Tape.of(encoded(), range(1, rows + 1))
    return Listing(calls, frozenset({"symbol", "limit", "fromId"}), tape, page, others)


_KRAKEN_PAIR: Final = "XXBTZUSD"
_ASSETS: Final = {
    id_: {"aclass": "currency", "altname": name, "decimals": digits, "status": "enabled"}
    for id_, name, digits in (("XXBT", "XBT", 10), ("ZUSD", "USD", 4))
}
_ASSET_PAIRS: Final = {
    _KRAKEN_PAIR: {
        "altname": "XBTUSD",
        "wsname": "XBT/USD",
        "base": "XXBT",
        "quote": "ZUSD",
        "pair_decimals": 1,
        "lot_decimals": 8,
        "fees": [[0, 0.4], [10000, 0.35]],
        "ordermin": "0.00005",
        "costmin": "0.5",
        "status": "online",
    }
}


def _kraken(rows: int, rng: np.random.Generator) -> Listing:
    columns = draw(rows, rng)
    times = columns.times[::-1]
    place = np.arange(rows) - np.searchsorted(times, times)
    stamps = array("q", (times * 1_000_000 + np.minimum(place * 20_000, 999_999)).tolist())

    def encoded() -> Iterator[bytes]:
        for stamp, (_, id_, price, amount, buy) in zip(stamps, _rising(columns), strict=True):
            yield (
                f'["{price // 100}.{price % 100:02d}000",'
                f'"{amount // 10**8}.{amount % 10**8:08d}",{stamp / 1e9!r},'
                f'"{"b" if buy else "s"}","{"l" if id_ % 3 else "m"}","",{id_}],'
            ).encode()

    def page(tape: Tape, query: Query) -> bytes:
        if query.get("pair") not in (_KRAKEN_PAIR, "XBTUSD"):
            return b'{"error":["EQuery:Unknown asset pair"]}'
        size, since = _size(query, "count", MAX_ROWS), query.get("since")
        first = max(0, tape.rows - size) if since is None else bisect_left(stamps, _stamp(since))
        end = min(first + size, tape.rows)
        last = stamps[end - 1] if first < end else since or 0
        head, tail = b'{"error":[],"result":{"%b":[' % _KRAKEN_PAIR.encode(), b'],"last":"%b"}}'
        return b"".join((head, tape.text(first, end), tail % str(last).encode()))

    others = {
        f"/0/public/{name}": json.dumps({"error": [], "result": result}).encode()
        for name, result in (("AssetPairs", _ASSET_PAIRS), ("Assets", _ASSETS))
    }
    tape = Tape.of(encoded(), range(1, rows + 1))
    parameters = frozenset({"pair", "count", "since"})
    return Listing(("/0/public/Trades",), parameters, tape, page, others)


def _stamp(since: str) -> int:
    """Nanoseconds; seconds (of at most ten digits, or with a fraction) are read as a double."""
    try:
        return int(float(since) * 1e9) if "." in since or len(since) <= 10 else int(since)
    except ValueError:
        raise BadRequest(400, "since is a number") from None


_LISTINGS: Final[dict[str, Callable[[int, Any], Listing]]] = {
    "wex-account-trades": lambda rows, rng: _wex("TradeHistory", rows, rng, _wex_trades),
    "wex-transactions": lambda rows, rng: _wex("TransHistory", rows, rng, _wex_transactions),
    "bitexbit-candles": _candles,
    "binance-trades": _binance,
    "kraken-trades": _kraken,
}


def main() -> None:
    """Serve until terminated."""
    parser = argparse.ArgumentParser(prog="bench.dialect_server", description=__doc__)
    parser.add_argument("race", choices=list(RACES))
    parser.add_argument("--rows", type=int, default=200_000, help="rows of the list")
    options = parser.parse_args()
    uvloop.run(serve(Dialect(listing_of(options.race, options.rows)), 0))


if __name__ == "__main__":
    main()
