"""Bitstamp's API v2 as the sandbox speaks it."""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from sandbox.bitstamp import private, public
from sandbox.bitstamp.shape import Refused, fail
from sandbox.bitstamp.switches import BitstampSwitches
from sandbox.dialect import Dialect, Handler, Named, by_path
from sandbox.exchange import Answer, Call, Exchange

__all__ = ["DIALECT", "BitstampSwitches"]

_PER_SECOND = 400
_DOWN = b"Bitstamp.net is under scheduled maintenance. We'll be back soon."


def _answered(handle: Callable[..., Answer], *, signed: bool) -> Handler:
    def answer(exchange: Exchange, call: Call, names: Mapping[str, Any]) -> Answer:
        if exchange.of(BitstampSwitches).bs_maintenance:
            return Answer(_DOWN)
        try:
            if not exchange.limits.allow(f"bitstamp:{call.client}", _PER_SECOND):
                raise Refused("400.002", "Too many requests", 429)
            if signed:
                return handle(exchange, call, private.authenticate(exchange, call))
            return handle(exchange, call, **names)
        except Refused as error:
            return fail(exchange, error.code, str(error), error.status)

    return answer


def _refusal(status: int, text: str | None) -> Answer:
    code = "400.002" if status == 429 else "API0000"
    return Answer.of({"status": "error", "reason": text or "Try again.", "code": code}, status)


def _name_of(path: str, query: str, body: bytes) -> Named:
    if not body:
        return by_path(path, query, body)
    return path, dict(parse_qsl(body.decode("latin-1"), keep_blank_values=True))


_PUBLIC: dict[str, Callable[..., Answer]] = {
    "markets/": public.markets,
    "currencies/": public.currencies,
    "transactions/{pair}/": public.transactions,
    "ohlc/{pair}/": public.ohlc,
    "ticker/{pair}/": public.ticker,
    "order_book/{pair}/": public.order_book,
}
_PRIVATE: dict[str, Callable[..., Answer]] = {
    "user_transactions/": private.user_transactions,
    "open_orders/all/": private.open_orders,
    "order_status/": private.order_status,
    "account_balances/": private.account_balances,
    "fees/trading/": private.fees,
}

DIALECT = Dialect(
    name="bitstamp",
    keys=private.KEYS,
    switches=BitstampSwitches,
    roots=[f"/api/v2/{name.partition('/')[0]}/" for name in (*_PUBLIC, *_PRIVATE)],
    routes=[
        *(
            ("GET", f"/api/v2/{at}", _answered(handle, signed=False))
            for at, handle in _PUBLIC.items()
        ),
        *(
            ("POST", f"/api/v2/{at}", _answered(handle, signed=True))
            for at, handle in _PRIVATE.items()
        ),
    ],
    refusal=_refusal,
    name_of=_name_of,
)
