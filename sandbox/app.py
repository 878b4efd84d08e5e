"""The starlette application: routes of both dialects around one :class:`Exchange`."""

from collections.abc import Awaitable, Callable
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox import bitexbit_orders, bitexbit_private, bitexbit_public, wex_private, wex_public
from sandbox.bitexbit_params import BadRequest, not_found
from sandbox.exchange import Answer, Call, Exchange

Endpoint = Callable[[Request], Awaitable[Response]]
Handler = Callable[..., Answer]

_PUBLIC: dict[str, Handler] = {
    "currencies": bitexbit_public.currencies,
    "currency/{code}": bitexbit_public.currency,
    "pairs": bitexbit_public.pairs,
    "pairs/{symbol}": bitexbit_public.pair,
    "ohlcv": bitexbit_public.ohlcv,
    "tickers": bitexbit_public.tickers,
    "depth": bitexbit_public.depth,
    "orders": bitexbit_orders.orders,
    "trades": bitexbit_public.trades,
}
_PRIVATE: dict[str, Handler] = {
    "orders": bitexbit_private.orders,
    "orders/{order_id}/trades": bitexbit_private.order_trades,
    "trades": bitexbit_private.trades,
    "balance": bitexbit_private.balance,
    "trading-fees": bitexbit_private.trading_fees,
    "transfers": bitexbit_private.transfers,
}
_WEX: dict[str, Handler] = {
    "info": wex_public.info,
    "ticker/{pairs:path}": wex_public.ticker,
    "depth/{pairs:path}": wex_public.depth,
    "trades/{pairs:path}": wex_public.trades,
}


def build(exchange: Exchange) -> Starlette:
    """An application that answers from ``exchange``; its switches may be turned at any time."""

    def public(handler: Handler) -> Endpoint:
        def answer(call: Call, names: dict[str, Any]) -> Answer:
            if not exchange.limits.allow(f"bitexbit:{call.client}", exchange.limits.public):
                return bitexbit_private.too_many(exchange)
            return _bitexbit(lambda: handler(exchange, call, **names))

        return _endpoint(answer)

    def private(handler: Handler) -> Endpoint:
        def answer(call: Call, names: dict[str, Any]) -> Answer:
            account = bitexbit_private.authenticate(exchange, call)
            if isinstance(account, Answer):
                return account
            return _bitexbit(lambda: handler(exchange, call, account, **names))

        return _endpoint(answer)

    def wex(handler: Handler) -> Endpoint:
        def answer(call: Call, names: dict[str, Any]) -> Answer:
            if not exchange.limits.allow(f"wex:{call.client}", exchange.limits.wex_public):
                return wex_public.fail("Requests too often")
            return handler(exchange, call, **names)

        return _endpoint(answer)

    def tapi(call: Call, names: dict[str, Any]) -> Answer:
        return wex_private.handle(exchange, call)

    def missing(call: Call, names: dict[str, Any]) -> Answer:
        return not_found()

    def unknown(call: Call, names: dict[str, Any]) -> Answer:
        return wex_public.fail("Invalid method")

    every = ["GET", "POST", "PUT", "DELETE", "PATCH"]
    return Starlette(
        routes=[
            *(Route(f"/api/v2/public/{at}", public(h)) for at, h in _PUBLIC.items()),
            *(Route(f"/api/v2/private/{at}", private(h)) for at, h in _PRIVATE.items()),
            *(Route(f"/api/3/{at}", wex(h)) for at, h in _WEX.items()),
            Route("/tapi", _endpoint(tapi), methods=["POST"]),
            Route("/api/3/{rest:path}", _endpoint(unknown), methods=every),
            Route("/{rest:path}", _endpoint(missing), methods=every),
        ]
    )


def _endpoint(answer: Callable[[Call, dict[str, Any]], Answer]) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        call = Call(
            path=request.url.path,
            query=dict(request.query_params),
            headers=dict(request.headers),
            body=await request.body(),
            client=request.client.host if request.client else "",
            base_url=str(request.base_url).rstrip("/"),
        )
        result = answer(call, request.path_params)
        return Response(
            result.body, result.status, dict(result.headers), media_type="application/json"
        )

    return endpoint


def _bitexbit(answer: Callable[[], Answer]) -> Answer:
    try:
        return answer()
    except BadRequest as error:
        return Answer.of({"detail": str(error)}, 400)
