"""Coinbase Exchange as the sandbox speaks it."""

from collections.abc import Callable, Mapping
from typing import Any

from sandbox.coinbase import private, public
from sandbox.coinbase.shape import Refused, fail
from sandbox.coinbase.switches import CoinbaseSwitches
from sandbox.dialect import Dialect, Handler
from sandbox.exchange import Answer, Call, Exchange

__all__ = ["DIALECT", "CoinbaseSwitches"]

_PUBLIC_BURST = 15


def _public(handle: Callable[..., Answer]) -> Handler:
    def answer(exchange: Exchange, call: Call, names: Mapping[str, Any]) -> Answer:
        if not exchange.limits.allow(f"coinbase:{call.client}", _PUBLIC_BURST):
            return fail("Public rate limit exceeded", 429)
        return _answered(exchange, lambda: handle(exchange, call, **names))

    return answer


def _private(handle: Callable[..., Answer]) -> Handler:
    def answer(exchange: Exchange, call: Call, names: Mapping[str, Any]) -> Answer:
        account = private.authenticate(exchange, call)
        if isinstance(account, Answer):
            return account
        return _answered(exchange, lambda: handle(exchange, call, account, **names))

    return answer


def _answered(exchange: Exchange, answer: Callable[[], Answer]) -> Answer:
    if exchange.of(CoinbaseSwitches).cb_maintenance:
        return fail("We are currently under maintenance", 200)
    try:
        return answer()
    except Refused as error:
        return fail(str(error), error.status)


def _refusal(status: int, text: str | None) -> Answer:
    busy = "Public rate limit exceeded" if status == 429 else "Internal server error"
    return fail(text or busy, status)


_PUBLIC: dict[str, Callable[..., Answer]] = {
    "/products": public.products,
    "/currencies": public.currencies,
    "/time": public.time,
    "/products/{name}/trades": public.trades,
    "/products/{name}/candles": public.candles,
    "/products/{name}/ticker": public.ticker,
    "/products/{name}/book": public.book,
}
_PRIVATE: dict[str, Callable[..., Answer]] = {
    "/accounts": private.accounts,
    "/accounts/{name}/ledger": private.account_ledger,
    "/fills": private.fills,
    "/orders": private.orders,
    "/transfers": private.transfers,
    "/fees": private.fees,
}

DIALECT = Dialect(
    name="coinbase",
    keys=private.KEYS,
    switches=CoinbaseSwitches,
    roots=["/products", "/currencies", "/time", *_PRIVATE],
    routes=[
        *(("GET", path, _public(handle)) for path, handle in _PUBLIC.items()),
        *(("GET", path, _private(handle)) for path, handle in _PRIVATE.items()),
    ],
    refusal=_refusal,
)
