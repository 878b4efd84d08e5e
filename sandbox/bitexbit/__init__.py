"""BitexBit v2 as the sandbox speaks it."""

from collections.abc import Callable, Mapping
from typing import Any

from sandbox.bitexbit import orders, private, public
from sandbox.bitexbit.params import BadRequest
from sandbox.bitexbit.switches import BitexBitSwitches
from sandbox.dialect import Dialect, Handler
from sandbox.exchange import Answer, Call, Exchange

__all__ = ["DIALECT", "BitexBitSwitches"]


def _public(handle: Callable[..., Answer]) -> Handler:
    def answer(exchange: Exchange, call: Call, names: Mapping[str, Any]) -> Answer:
        limit = exchange.of(BitexBitSwitches).public_per_second
        if not exchange.limits.allow(f"bitexbit:{call.client}", limit):
            return private.too_many(exchange)
        return _or_bad_request(lambda: handle(exchange, call, **names))

    return answer


def _private(handle: Callable[..., Answer]) -> Handler:
    def answer(exchange: Exchange, call: Call, names: Mapping[str, Any]) -> Answer:
        account = private.authenticate(exchange, call)
        if isinstance(account, Answer):
            return account
        return _or_bad_request(lambda: handle(exchange, call, account, **names))

    return answer


def _or_bad_request(answer: Callable[[], Answer]) -> Answer:
    try:
        return answer()
    except BadRequest as error:
        return Answer.of({"detail": str(error)}, 400)


def _refusal(status: int, text: str | None) -> Answer:
    throttled = "Request was throttled." if status == 429 else "A server error occurred."
    return Answer.of({"detail": text or throttled}, status)


_PUBLIC: dict[str, Callable[..., Answer]] = {
    "currencies": public.currencies,
    "currency/{code}": public.currency,
    "pairs": public.pairs,
    "pairs/{symbol}": public.pair,
    "ohlcv": public.ohlcv,
    "tickers": public.tickers,
    "depth": public.depth,
    "orders": orders.orders,
    "trades": public.trades,
}
_PRIVATE: dict[str, Callable[..., Answer]] = {
    "orders": private.orders,
    "orders/{order_id}/trades": private.order_trades,
    "trades": private.trades,
    "balance": private.balance,
    "trading-fees": private.trading_fees,
    "transfers": private.transfers,
}

DIALECT = Dialect(
    name="bitexbit",
    keys=private.KEYS,
    switches=BitexBitSwitches,
    roots=["/api/v2/"],
    routes=[
        *(("GET", f"/api/v2/public/{at}", _public(handle)) for at, handle in _PUBLIC.items()),
        *(("GET", f"/api/v2/private/{at}", _private(handle)) for at, handle in _PRIVATE.items()),
    ],
    refusal=_refusal,
)
