"""OKX v5 as the sandbox speaks it; it is reached through ccxt."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from sandbox.dialect import Dialect, Handler
from sandbox.exchange import Answer, Call, Exchange
from sandbox.okx import private, public
from sandbox.okx.shape import Refused, fail
from sandbox.okx.switches import OkxSwitches

__all__ = ["DIALECT", "OkxSwitches"]

_API: Final = "/api/v5"
_PER_SECOND: Final = 10
"""The slowest: twenty in two seconds."""


def _answered(handle: Callable[..., Answer], *, signed: bool) -> Handler:
    def answer(exchange: Exchange, call: Call, names: Mapping[str, Any]) -> Answer:
        if exchange.of(OkxSwitches).okx_maintenance:
            return fail("50001", "Service temporarily unavailable. Try again later.", 200)
        try:
            account = private.authenticate(exchange, call) if signed else None
            who = account.name if account is not None else call.client
            if not exchange.limits.allow(f"okx:{who}:{call.path}", _PER_SECOND):
                raise Refused("50011", "Too Many Requests", 429)
            return handle(exchange, call, *([account] if account is not None else []))
        except Refused as error:
            return fail(error.code, str(error), error.status)

    return answer


def _refusal(status: int, text: str | None) -> Answer:
    code = {429: "50011", 503: "50001", 401: "50113"}.get(status, "50026")
    return fail(code, text or "System error. Try again later.", status)


_PUBLIC: Final[dict[str, Callable[..., Answer]]] = {
    "public/instruments": public.instruments,
    "public/time": public.time,
    "market/history-trades": public.history_trades,
    "market/candles": public.candles,
    "market/history-candles": public.history_candles,
    "market/tickers": public.tickers,
    "market/books": public.books,
}
_PRIVATE: Final[dict[str, Callable[..., Answer]]] = {
    "trade/fills-history": private.fills_history,
    "trade/orders-pending": private.orders_pending,
    "trade/orders-history-archive": private.orders_archive,
    "asset/deposit-history": private.deposit_history,
    "asset/withdrawal-history": private.withdrawal_history,
    "asset/bills-history": private.funding_bills,
    "asset/balances": private.funding_balances,
    "account/bills-archive": private.trading_bills,
    "account/balance": private.balance,
    "account/config": private.config,
    "account/trade-fee": private.trade_fee,
}

DIALECT = Dialect(
    name="ccxt:okx",
    keys=private.KEYS,
    switches=OkxSwitches,
    roots=[f"{_API}/"],
    routes=[
        *(("GET", f"{_API}/{at}", _answered(to, signed=False)) for at, to in _PUBLIC.items()),
        *(("GET", f"{_API}/{at}", _answered(to, signed=True)) for at, to in _PRIVATE.items()),
    ],
    refusal=_refusal,
)
