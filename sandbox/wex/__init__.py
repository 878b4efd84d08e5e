"""The BTC-e dialect of WEX as the sandbox speaks it."""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from sandbox.dialect import Dialect, Handler, Named, by_path
from sandbox.exchange import Answer, Call, Exchange
from sandbox.wex import private, public
from sandbox.wex.switches import WexSwitches

__all__ = ["DIALECT", "WexSwitches"]


def _public(handle: Callable[..., Answer]) -> Handler:
    def answer(exchange: Exchange, call: Call, names: Mapping[str, Any]) -> Answer:
        limit = exchange.of(WexSwitches).wex_public_per_second
        if not exchange.limits.allow(f"wex:{call.client}", limit):
            return public.fail("Requests too often")
        try:
            return handle(exchange, call, **names)
        except public.Refusal as error:
            return public.fail(str(error))

    return answer


def _unknown(exchange: Exchange, call: Call, names: Mapping[str, Any]) -> Answer:
    return public.fail("Invalid method")


def _refusal(status: int, text: str | None) -> Answer:
    """The dialect's refusals have status 200; a fault of the server has its own."""
    busy = "Requests too often" if status == 429 else "external service unavailable"
    return Answer.of({"success": 0, "error": text or busy}, 200 if text else status)


def _name_of(path: str, query: str, body: bytes) -> Named:
    if path != "/tapi":
        return by_path(path, query, body)
    params = dict(parse_qsl(body.decode("latin-1"), keep_blank_values=True))
    return params.get("method", ""), params


DIALECT = Dialect(
    name="wex",
    keys=private.KEYS,
    switches=WexSwitches,
    roots=["/api/3", "/tapi"],
    routes=[
        ("GET", "/api/3/info", _public(public.info)),
        ("GET", "/api/3/ticker/{pairs:path}", _public(public.ticker)),
        ("GET", "/api/3/depth/{pairs:path}", _public(public.depth)),
        ("GET", "/api/3/trades/{pairs:path}", _public(public.trades)),
        ("POST", "/tapi", lambda exchange, call, names: private.handle(exchange, call)),
        ("", "/api/3/{rest:path}", _unknown),
    ],
    refusal=_refusal,
    name_of=_name_of,
)
