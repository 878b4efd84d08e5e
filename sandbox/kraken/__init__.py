"""Kraken's spot API as the sandbox speaks it."""

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl

from sandbox.dialect import Dialect, Handler, Named
from sandbox.exchange import Answer, Call, Exchange
from sandbox.kraken import private, public
from sandbox.kraken.names import fail
from sandbox.kraken.switches import KrakenSwitches

__all__ = ["DIALECT", "KrakenSwitches"]


def _public(handle: Callable[..., Answer]) -> Handler:
    def answer(exchange: Exchange, call: Call, names: Mapping[str, Any]) -> Answer:
        switches = exchange.of(KrakenSwitches)
        if not exchange.limits.allow(f"kraken:{call.client}", switches.kraken_public_per_second):
            return fail("EGeneral:Too many requests")
        if switches.kraken_maintenance and handle is not public.system_status:
            return fail("EService:Unavailable")
        return handle(exchange, call)

    return answer


def _unknown(exchange: Exchange, call: Call, names: Mapping[str, Any]) -> Answer:
    return fail("EGeneral:Unknown method")


def _refusal(status: int, text: str | None) -> Answer:
    """An error of the exchange has status 200; a fault of its servers has its own."""
    busy = "EGeneral:Too many requests" if status == 429 else "EService:Unavailable"
    return fail(text or busy, 200 if text else status)


def _name_of(path: str, query: str, body: bytes) -> Named:
    return path, dict(parse_qsl(query or body.decode("latin-1"), keep_blank_values=True))


_CALLS: Mapping[str, Callable[..., Answer]] = {
    "Time": public.time,
    "SystemStatus": public.system_status,
    "Assets": public.assets,
    "AssetPairs": public.asset_pairs,
    "Trades": public.trades,
    "OHLC": public.ohlc,
    "Ticker": public.ticker,
    "Depth": public.depth,
}

DIALECT = Dialect(
    name="kraken",
    keys=private.KEYS,
    switches=KrakenSwitches,
    roots=["/0/"],
    routes=[
        *(("GET", f"/0/public/{name}", _public(handle)) for name, handle in _CALLS.items()),
        (
            "POST",
            "/0/private/{name}",
            lambda exchange, call, names: private.handle(exchange, call, names["name"]),
        ),
        ("", "/0/{rest:path}", _unknown),
    ],
    refusal=_refusal,
    name_of=_name_of,
)
