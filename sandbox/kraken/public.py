"""Kraken's public calls."""

from bisect import bisect_left, bisect_right
from collections.abc import Callable, Sequence
from random import Random
from typing import Any, Final

from sandbox.candles import Candle
from sandbox.clock import MINUTE
from sandbox.exchange import Answer, Call, Exchange
from sandbox.jsontext import Raw, encode
from sandbox.kraken.names import (
    altname,
    asset,
    fail,
    figure,
    find_market,
    ok,
    pair_id,
    pair_name,
    wsname,
)
from sandbox.kraken.switches import KrakenSwitches
from sandbox.marketdata import MarketTape
from sandbox.markets import Market, text
from sandbox.windows import Bounds, Rows

_UNKNOWN: Final = "EQuery:Unknown asset pair"
_INTERVALS: Final = (1, 5, 15, 30, 60, 240, 1440, 10080, 21600)
_ROWS: Final = 1000
_CANDLES: Final = 720


def time(exchange: Exchange, call: Call) -> Answer:
    return ok({"unixtime": exchange.world.now() // 1000})


def system_status(exchange: Exchange, call: Call) -> Answer:
    down = exchange.of(KrakenSwitches).kraken_maintenance
    return ok({"status": "maintenance" if down else "online"})


def assets(exchange: Exchange, call: Call) -> Answer:
    rows = {}
    for c in exchange.world.currencies:
        row: dict[str, Any] = {"aclass": "currency", "altname": altname(c.code)}
        row |= {"decimals": 10, "display_decimals": 5}
        rows[asset(c.code)] = row | {"status": "enabled" if c.enabled else "disabled"}
    fees = {"aclass": "currency", "altname": "FEE", "decimals": 2, "display_decimals": 2}
    return ok({**rows, "KFEE": fees | {"status": "enabled"}})


def asset_pairs(exchange: Exchange, call: Call) -> Answer:
    wanted = _pairs(exchange, call) if "pair" in call.query else exchange.markets()
    if isinstance(wanted, Answer):
        return wanted
    style = exchange.of(KrakenSwitches).kraken_numbers
    rows = {}
    for m in wanted:
        fee = Raw(text(m.fee_ppm * 10_000).rstrip("0").rstrip("."))
        rows[pair_id(exchange, m)] = {
            "altname": pair_name(m),
            "wsname": wsname(m),
            "aclass_base": "currency",
            "base": asset(m.base),
            "aclass_quote": "currency",
            "quote": asset(m.quote),
            "pair_decimals": m.price_digits,
            "lot_decimals": m.amount_digits,
            "fees": [[0, fee], [50000, Raw("0.1")]],
            "ordermin": figure(m.lot, style),
            "costmin": figure(m.tick, style),
            "status": "online" if m.enabled else "cancel_only",
        }
    return ok(rows)


def _pairs(exchange: Exchange, call: Call) -> list[Market] | Answer:
    found = [find_market(exchange, name) for name in call.query.get("pair", "").split(",")]
    known = [market for market in found if market is not None]
    return known if len(known) == len(found) else fail(_UNKNOWN)


def _one(exchange: Exchange, call: Call) -> Market | Answer:
    return find_market(exchange, call.query.get("pair", "")) or fail(_UNKNOWN)


def stamps(exchange: Exchange, tape: MarketTape) -> Callable[[int], int]:
    """The nanosecond of each position on a tape."""
    times, step = tape.times, exchange.of(KrakenSwitches).kraken_ns_step

    def stamp(at: int) -> int:
        before = at - bisect_left(times, times[at]) if tape.monotonic else 0
        return int(times[at] * 1_000_000 + min(before * step, 999_999))

    return stamp


def trades(exchange: Exchange, call: Call) -> Answer:
    """The oldest rows from ``since`` on, or the newest; oldest first in either case."""
    market = _one(exchange, call)
    if isinstance(market, Answer):
        return market
    world, paging, switches = exchange.world, exchange.paging, exchange.of(KrakenSwitches)
    now = world.now()
    tape = world.tapes[market.symbol]
    stamp = stamps(exchange, tape)
    since = None if "since" in paging.ignored else _since(call.query.get("since", ""))
    if since == -1:
        return fail("EGeneral:Invalid arguments:since")
    bounds = Bounds(until=2**60) if since is not None else Bounds()
    shown: Sequence[int] = Rows(tape.ids, tape.times, tape.monotonic).within(
        world.visible(market.symbol, now, paging), bounds, paging, now
    )
    if paging.sorts_by == "time":
        shown = sorted(shown, key=lambda i: (stamp(i), tape.ids[i] * 2654435761 % 2**32))
    elif not tape.monotonic:
        shown = sorted(shown, key=stamp)
    limit = min(_natural(call, "count", _ROWS), _ROWS, paging.page_cap or _ROWS)
    if since is None:
        shown = shown[: max(0, len(shown) - switches.kraken_stale_head)]
        shown = shown[max(0, len(shown) - limit) :]
    else:
        cut = bisect_left if switches.kraken_since_inclusive else bisect_right
        shown = shown[cut(shown, since, key=stamp) :][:limit]
    rows = ",".join([_trade(exchange, tape, i, stamp(i)) for i in shown])
    last = str(stamp(shown[-1]) if shown else since or 0)
    sends = switches.kraken_last
    show_last = sends == "always" or (sends == "sometimes" and int(last) // 1000 % 2 == 0)
    tail = f',"last":"{last}"' if show_last else ""
    name = pair_id(exchange, market)
    return Answer(f'{{"error":[],"result":{{"{name}":[{rows}]{tail}}}}}'.encode())


def _since(sent: str) -> int | None:
    """Nanoseconds; seconds (of at most ten digits, or with a fraction) are read as a double."""
    if not sent:
        return None
    if not sent.replace(".", "", 1).isdecimal():
        return -1
    if "." in sent or len(sent) <= 10:
        return int(float(sent) * 1e9)
    return int(sent)


def _natural(call: Call, name: str, default: int) -> int:
    value = call.query.get(name, "")
    return int(value) if value.isdecimal() and int(value) > 0 else default


def public_id(exchange: Exchange, at: int) -> int:
    """The id of the trade at a position: there are no holes."""
    return exchange.of(KrakenSwitches).kraken_first_id + at


def _trade(exchange: Exchange, tape: MarketTape, at: int, ns: int) -> str:
    switches = exchange.of(KrakenSwitches)
    zero, number = switches.kraken_zero_ids, public_id(exchange, at)
    if switches.kraken_numbers == "text":
        price, amount = (f'"{value}"' for value in tape.texts(at))
    else:
        values = (tape.prices[at], tape.amounts[at])
        price, amount = (encode(figure(value, switches.kraken_numbers)) for value in values)
    if zero is not None and zero[0] <= number <= zero[1]:
        number = 0
    side = "b" if tape.buys[at] else "s"
    tail = f",{number}" if switches.kraken_with_ids else ""
    more = ',"later"' if exchange.paging.extra_fields and tail else ""
    return f'[{price},{amount},{ns / 1e9!r},"{side}","m",""{tail}{more}]'


def ohlc(exchange: Exchange, call: Call) -> Answer:
    """The newest 720 intervals and the open one, those without trades too."""
    market = _one(exchange, call)
    if isinstance(market, Answer):
        return market
    minutes = _natural(call, "interval", 1)
    if minutes not in _INTERVALS:
        return fail("EGeneral:Invalid arguments:interval")
    world, switches = exchange.world, exchange.of(KrakenSwitches)
    now, length = world.now(), minutes * MINUTE
    found = _filled(_candles(exchange, market, now, length), length, now)
    if switches.kraken_last_candle == "final":
        found = [c for c in found if c.time + length <= now]
    found = found[-_CANDLES - 1 :]
    final = [c.time // 1000 for c in found if c.time + length <= now]
    since = _natural(call, "since", 0)
    rows = [_candle(c, exchange) for c in found if c.time // 1000 >= since]
    last = final[-1] if final else 0
    return ok({pair_id(exchange, market): rows, "last": last})


def _candles(exchange: Exchange, market: Market, now: int, length: int) -> list[Candle]:
    if length >= 5 * MINUTE:
        return exchange.world.candles(market.symbol, now, length, exchange.paging)
    tape, found = exchange.world.tapes[market.symbol], dict[int, Candle]()
    shown = exchange.world.visible(market.symbol, now, exchange.paging)
    for i in sorted(shown, key=tape.times.__getitem__):
        if tape.times[i] < now - (_CANDLES + 1) * length:
            continue
        start, price = tape.times[i] // length * length, tape.prices[i]
        c = found.get(start) or Candle(start, price, price, price, price, 0)
        high, low = max(c.high, price), min(c.low, price)
        found[start] = Candle(start, c.open, high, low, price, c.volume + tape.amounts[i])
    return list(found.values())


def _filled(candles: list[Candle], length: int, now: int) -> list[Candle]:
    """With the intervals in which nothing traded: the last price, and no volume."""
    result: list[Candle] = []
    for at, candle in enumerate(candles):
        end = candles[at + 1].time if at + 1 < len(candles) else now - now % length + length
        result.append(candle)
        empty = range(candle.time + length, end, length)
        result += [Candle(t, *(candle.close,) * 4, 0) for t in empty]
    return result


def _candle(c: Candle, exchange: Exchange) -> list[int | str]:
    style = exchange.of(KrakenSwitches).kraken_numbers
    prices = [figure(v, style) for v in (c.open, c.high, c.low, c.close)]
    middle = figure((c.high + c.low) // 2, style)
    return [c.time // 1000, *prices, middle, figure(c.volume, style), 1 if c.volume else 0]


def ticker(exchange: Exchange, call: Call) -> Answer:
    wanted = _pairs(exchange, call) if "pair" in call.query else exchange.markets()
    if isinstance(wanted, Answer):
        return wanted
    now, style = exchange.world.now(), exchange.of(KrakenSwitches).kraken_numbers
    rows = {}
    for m in wanted:
        t = exchange.world.ticker(m.symbol, now)
        twice = {
            "v": t.base_volume, "p": (t.high + t.low) // 2, "l": t.low, "h": t.high,
        }  # fmt: skip
        row: dict[str, Any] = {name: [figure(v, style)] * 2 for name, v in twice.items()}
        row |= {"a": [figure(t.ask, style), "1", "1.000"], "b": [figure(t.bid, style), "1", "1.0"]}
        row |= {"c": [figure(t.last, style), "0.1"], "t": [1, 2], "o": figure(t.low, style)}
        rows[pair_id(exchange, m)] = row
    return ok(rows)


def depth(exchange: Exchange, call: Call) -> Answer:
    market = _one(exchange, call)
    if isinstance(market, Answer):
        return market
    now, style = exchange.world.now(), exchange.of(KrakenSwitches).kraken_numbers
    limit = min(_natural(call, "count", 100), 500)
    sides = zip(("asks", "bids"), exchange.world.depth(market.symbol, now), strict=True)
    books = {
        name: [[figure(p, style), figure(a, style), now // 1000] for p, a in side[:limit]]
        for name, side in sides
    }
    return ok({pair_id(exchange, market): books})


def shuffled(exchange: Exchange, rows: dict[str, Any]) -> dict[str, Any]:
    """Rows by their ids, in the order that the switches have."""
    if not exchange.of(KrakenSwitches).kraken_shuffled_keys:
        return rows
    keys = list(rows)
    Random(len(keys)).shuffle(keys)
    return {key: rows[key] for key in keys}
