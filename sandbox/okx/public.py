"""OKX's public calls. Every handler takes the exchange and the call."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from sandbox.candles import Candle
from sandbox.clock import DAY, HOUR, MINUTE
from sandbox.exchange import Answer, Call, Exchange
from sandbox.marketdata import MarketTape
from sandbox.markets import MARKETS, Market, text
from sandbox.okx.shape import (
    Refused,
    amount,
    between,
    cursors_of,
    extended,
    integer,
    limit_of,
    market_of,
    native,
    needed,
    rows,
)
from sandbox.okx.switches import OkxSwitches
from sandbox.windows import Bounds, Rows

BARS: Final = {
    **{"1m": MINUTE, "3m": 3 * MINUTE, "5m": 5 * MINUTE, "15m": 15 * MINUTE, "30m": 30 * MINUTE},
    **{"1H": HOUR, "2H": 2 * HOUR, "4H": 4 * HOUR, "6Hutc": 6 * HOUR, "12Hutc": 12 * HOUR},
    **{"1Dutc": DAY, "1Wutc": 7 * DAY},
}
"""Their lengths in milliseconds. ``1D`` opens at another hour, which nobody asks for here."""
_NEWEST: Final = 1440
"""So many candles are in the list of new ones."""
_MONDAY: Final = 4 * DAY
"""The first Monday after 1970 began."""


def instruments(exchange: Exchange, call: Call) -> Answer:
    if needed(call, "instType") != "SPOT":
        return rows([])
    return rows([_instrument(exchange, m) for m in exchange.markets()])


def _instrument(exchange: Exchange, m: Market) -> dict[str, Any]:
    row = {
        "instType": "SPOT",
        "instId": native(m),
        "baseCcy": m.base,
        "quoteCcy": m.quote,
        "tickSz": amount(exchange, text(m.tick)),
        "lotSz": amount(exchange, text(m.lot)),
        "minSz": amount(exchange, text(m.lot)),
        "maxLmtSz": amount(exchange, "9999999999"),
        "ctVal": "",
        "expTime": "",
        "listTime": "1548133413000",
        "state": "live" if m.enabled else "suspend",
    }
    return extended(exchange, row)


def time(exchange: Exchange, call: Call) -> Answer:
    return rows([{"ts": str(exchange.world.now() + exchange.of(OkxSwitches).okx_clock_ahead_ms)}])


def ids_of(exchange: Exchange, tape: MarketTape) -> Sequence[int]:
    """The trade ids of a market, without holes: numbered from 1, or those of a recorded tape."""
    return range(1, len(tape) + 1) if exchange.world.markets is MARKETS else tape.ids


def history_trades(exchange: Exchange, call: Call) -> Answer:
    """Trades older than an id (``type=1``) or a time (``type=2``), newest first."""
    market, switches, paging = market_of(exchange, call), exchange.of(OkxSwitches), exchange.paging
    kind = call.query.get("type", "1")
    if kind == "2" and call.query.get("before"):
        raise Refused("50039", "'before' and 'after' parameters cannot be used with type 2", 400)
    now, tape = exchange.world.now(), exchange.world.tapes[market.symbol]
    ids = ids_of(exchange, tape)
    seen: Sequence[int] = exchange.world.visible(market.symbol, now, paging)
    if switches.okx_skipped:
        seen = [i for i in seen if ids[i] not in switches.okx_skipped]
    if switches.okx_behind:
        behind, *others = switches.okx_behind
        switches.okx_behind = (*others, behind)
        seen = seen[: max(0, len(seen) - behind)]
    after, before = (c if "after" not in paging.ignored else None for c in cursors_of(call))
    limit = limit_of(exchange, call, switches.okx_most)
    shown = Rows(ids, tape.times, tape.monotonic).within(
        [*seen], Bounds(upper_id=after if kind == "1" else None), paging, now
    )
    keys = ids if kind == "1" else tape.times
    at = between(keys, [*shown], (after, before), limit)
    return rows([_trade(exchange, market, tape, ids[i], i) for i in at])


def _trade(exchange: Exchange, market: Market, tape: MarketTape, id_: int, at: int) -> Any:
    price, size = tape.texts(at)
    row = {
        "instId": native(market),
        "side": "buy" if tape.buys[at] else "sell",
        "sz": amount(exchange, size),
        "px": amount(exchange, price),
        "tradeId": str(id_),
        "ts": str(tape.times[at]),
    }
    return extended(exchange, row)


def candles(exchange: Exchange, call: Call) -> Answer:
    return _candles(exchange, call, old=False)


def history_candles(exchange: Exchange, call: Call) -> Answer:
    return _candles(exchange, call, old=True)


def _candles(exchange: Exchange, call: Call, *, old: bool) -> Answer:
    market, switches = market_of(exchange, call), exchange.of(OkxSwitches)
    length = BARS.get(call.query.get("bar", "1m"))
    if length is None:
        raise Refused("51000", "Parameter bar error", 400)
    now = exchange.world.now()
    found = _all_candles(exchange, market, now, length)
    if old and switches.okx_history_is_final:
        found = [c for c in found if c.time + length <= now]
    first = now - now % length - (_NEWEST - 1) * length
    if not old:
        found = [c for c in found if c.time >= first]
    times = [c.time for c in found]
    no_ids = replace(exchange.paging, hidden_ids=None)
    shown = Rows(times, times).within(
        range(len(found)), Bounds(until=integer(call, "after")), no_ids, now
    )
    limit = limit_of(exchange, call, switches.okx_most_candles)
    at = between(times, [*shown], cursors_of(call), limit)
    return rows([_candle(exchange, found[i], now, length) for i in at])


def _all_candles(exchange: Exchange, market: Market, now: int, length: int) -> list[Candle]:
    if length != 7 * DAY:
        found = exchange.world.candles(market.symbol, now, length, exchange.paging)
    else:  # weeks begin on Mondays
        days = exchange.world.candles(market.symbol, now, DAY, exchange.paging)
        weeks: dict[int, list[Candle]] = {}
        for day in days:
            opening = day.time - (day.time - _MONDAY) % length
            weeks.setdefault(opening, []).append(day)
        found = [_joined(opening, part) for opening, part in weeks.items()]
    if not exchange.of(OkxSwitches).okx_quiet_candles:
        return found
    filled: list[Candle] = []
    for candle in found:
        while filled and filled[-1].time + length < candle.time:
            price = filled[-1].close
            filled.append(Candle(filled[-1].time + length, price, price, price, price, 0))
        filled.append(candle)
    return filled


def _joined(opening: int, parts: Sequence[Candle]) -> Candle:
    return Candle(
        opening,
        parts[0].open,
        max(c.high for c in parts),
        min(c.low for c in parts),
        parts[-1].close,
        sum(c.volume for c in parts),
    )


def _candle(exchange: Exchange, c: Candle, now: int, length: int) -> list[str]:
    values = (c.open, c.high, c.low, c.close, c.volume, c.volume * c.close // 10**8)
    texts = [amount(exchange, text(value)) for value in values]
    return [str(c.time), *texts, texts[-1], "1" if c.time + length <= now else "0"]


def tickers(exchange: Exchange, call: Call) -> Answer:
    needed(call, "instType")
    return rows([_ticker(exchange, m) for m in exchange.markets() if m.enabled])


def _ticker(exchange: Exchange, market: Market) -> dict[str, Any]:
    t = exchange.world.ticker(market.symbol, exchange.world.now())
    values = {"last": t.last, "askPx": t.ask, "bidPx": t.bid, "high24h": t.high, "low24h": t.low}
    values |= {"open24h": t.last, "vol24h": t.base_volume, "volCcy24h": t.quote_volume}
    row = {name: amount(exchange, text(value)) for name, value in values.items()}
    names = {"instType": "SPOT", "instId": native(market), "ts": str(t.updated)}
    return extended(exchange, names | row)


def books(exchange: Exchange, call: Call) -> Answer:
    market, now = market_of(exchange, call), exchange.world.now()
    size = integer(call, "sz") or 1
    if size > 400:
        raise Refused("51000", "Parameter sz error", 400)
    asks, bids = exchange.world.depth(market.symbol, now)
    sides = {
        name: [[amount(exchange, text(p)), amount(exchange, text(a)), "0", "1"] for p, a in side]
        for name, side in (("asks", asks[:size]), ("bids", bids[:size]))
    }
    return rows([sides | {"ts": str(now)}])
