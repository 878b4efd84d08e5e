"""The BTC-e dialect of WEX as the sandbox speaks it, and of its siblings."""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from sandbox.dialect import Dialect, Handler, Named, by_path
from sandbox.exchange import Answer, Call, Exchange
from sandbox.wex import private, public
from sandbox.wex.switches import Flavor, WexSwitches

__all__ = ["DIALECT", "WexSwitches"]


def _public(handle: Callable[..., Answer], flavor: Flavor) -> Handler:
    def answer(exchange: Exchange, call: Call, names: Mapping[str, Any]) -> Answer:
        limit = exchange.of(WexSwitches).wex_public_per_second
        if not exchange.limits.allow(f"{flavor.name}:{call.client}", limit):
            return public.fail("Requests too often")
        try:
            return handle(exchange, call, flavor, **names)
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
    if not path.startswith("/tapi"):
        return by_path(path, query, body)
    params = dict(parse_qsl(body.decode("latin-1"), keep_blank_values=True))
    return params.get("method", ""), params


def dialect(flavor: Flavor, switches: type = WexSwitches, prefix: str = "") -> Dialect:
    """The dialect of one exchange. ``switches``: of this one alone, where it is not WEX."""
    return Dialect(
        name=flavor.name,
        keys=flavor.keys,
        switches=switches,
        roots=["/api/3", "/tapi"],
        routes=[
            ("GET", "/api/3/info", _public(public.info, flavor)),
            ("GET", "/api/3/ticker/{pairs:path}", _public(public.ticker, flavor)),
            ("GET", "/api/3/depth/{pairs:path}", _public(public.depth, flavor)),
            ("GET", "/api/3/trades/{pairs:path}", _public(public.trades, flavor)),
            ("POST", flavor.tapi, lambda exchange, call, _: private.handle(exchange, call, flavor)),
            ("", "/api/3/{rest:path}", _unknown),
        ],
        refusal=_refusal,
        name_of=_name_of,
        prefix=prefix,
    )


DIALECT = dialect(
    Flavor("wex", private.keys_of("wex"), "/tapi", 4_294_967_294, methods=tuple(private.METHODS))
)
