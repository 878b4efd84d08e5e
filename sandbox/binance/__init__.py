"""Binance spot as the sandbox speaks it."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from sandbox.binance import lists, private, public
from sandbox.binance.rows import PROOF, Refused, refuse
from sandbox.binance.switches import BinanceSwitches
from sandbox.binance.weights import fail, spend
from sandbox.dialect import Dialect, Handler, Named, by_path
from sandbox.exchange import Answer, Call, Exchange

__all__ = ["DIALECT", "BinanceSwitches"]

Public = Callable[[Exchange, Call], Answer]
_USED = "X_MBX_USED_WEIGHT_1M"


def _weighed(handle: Public, cost: int, bucket: str = "ip") -> Public:
    """``handle`` where the weight allows it. ``bucket``: ``ip``, ``sapi`` or ``uid``."""

    def answer(exchange: Exchange, call: Call) -> Answer:
        switches = exchange.of(BinanceSwitches)
        if switches.blocked:
            text = "Service unavailable from a restricted location according to 'b. Eligibility'."
            return fail(0, text, 451)
        most = {
            "ip": switches.weight_per_minute,
            "sapi": 12_000,
            "uid": switches.uid_weight_per_minute,
        }
        apart = bucket == "sapi" or (bucket == "uid" and not switches.uid_shared)
        own = f"{bucket}:{call.path}" if apart else bucket
        used = spend(exchange, own, cost, most[bucket])
        if isinstance(used, Answer):
            return used
        try:
            found = handle(exchange, call)
        except Refused as refused:
            found = refused.answer
        if bucket != "ip":
            return found
        return replace(found, headers=(*found.headers, (_USED.replace("_", "-"), str(used))))

    return answer


def _route(path: str, handle: Public) -> tuple[str, str, Handler]:
    def answer(exchange: Exchange, call: Call, names: Mapping[str, Any]) -> Answer:
        return handle(exchange, call)

    return "GET", path, answer


def _signed(handle: Callable[..., Answer]) -> Public:
    def answer(exchange: Exchange, call: Call) -> Answer:
        key = private.authenticate(exchange, call)
        return handle(exchange, call, exchange.world.accounts[key.owner])

    return answer


def _history(exchange: Exchange, call: Call) -> Answer:
    """``historicalTrades``, which some hosts lack and which once needed a key."""
    switches = exchange.of(BinanceSwitches)
    if switches.history_missing:
        raise refuse(-1000, "Not found.", 404)
    if switches.history_needs_key and "x-mbx-apikey" not in call.headers:
        raise refuse(-2014, "API-key format invalid.", 401)
    return public.historical_trades(exchange, call)


def _depth(exchange: Exchange, call: Call) -> Answer:
    """Its weight goes by the levels asked for."""
    limit = call.query.get("limit", "")
    levels = int(limit) if limit.isdecimal() else 100
    cost = next((c for most, c in ((100, 5), (500, 25), (1000, 50)) if levels <= most), 250)
    return _weighed(public.depth, cost)(exchange, call)


def _refusal(status: int, text: str | None) -> Answer:
    too_many = status in (418, 429)
    said = text or ("Too many requests." if too_many else "Internal error; unable to process.")
    return fail(-1003 if too_many else -1000, said, status)


def _name_of(path: str, query: str, body: bytes) -> Named:
    """What is asked for, without what proves who asks."""
    name, params = by_path(path, query, body)
    return name, {key: value for key, value in params.items() if key not in PROOF}


_PUBLIC = {
    "time": (public.server_time, 1),
    "exchangeInfo": (public.exchange_info, 20),
    "trades": (public.trades, 25),
    "historicalTrades": (_history, 25),
    "klines": (public.klines, 2),
    "ticker/24hr": (public.tickers, 2),
}
_ACCOUNT = {
    "account": private.account,
    "myTrades": private.my_trades,
    "allOrders": private.all_orders,
}
_WALLET = {
    "asset/tradeFee": (private.trade_fee, 1, "sapi"),
    "asset/assetDividend": (lists.dividends, 10, "sapi"),
    "asset/dribblet": (lists.dribblets, 1, "sapi"),
    "convert/tradeFlow": (lists.conversions, 3_000, "uid"),
    "fiat/orders": (lists.fiat_orders, 90_000, "uid"),
    "fiat/payments": (lists.payments, 1, "sapi"),
    "capital/deposit/hisrec": (private.deposits, 1, "sapi"),
    "capital/withdraw/history": (private.withdrawals, 18_000, "uid"),
}

DIALECT = Dialect(
    name="binance",
    keys=private.KEYS,
    switches=BinanceSwitches,
    roots=["/api/v3", "/sapi/"],
    routes=[
        *(_route(f"/api/v3/{at}", _weighed(*found)) for at, found in _PUBLIC.items()),
        _route("/api/v3/depth", _depth),
        *(_route(f"/api/v3/{at}", _weighed(_signed(do), 20)) for at, do in _ACCOUNT.items()),
        *(
            _route(f"/sapi/v1/{at}", _weighed(_signed(do), cost, bucket))
            for at, (do, cost, bucket) in _WALLET.items()
        ),
    ],
    refusal=_refusal,
    name_of=_name_of,
)
