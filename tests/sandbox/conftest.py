"""A small world on a clock that stands still, served without limits, and signed calls to it."""

import hashlib
import hmac
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

import sandbox

EPOCH = "2026-01-01T00:00:00"
Get = Callable[..., httpx.Response]


@pytest.fixture
def clock() -> sandbox.ManualClock:
    return sandbox.ManualClock(EPOCH)


@pytest.fixture(scope="session")
def made_once() -> sandbox.World:
    """One world for all tests: a clock set back hides again what a later one showed."""
    return sandbox.World(seed=3, epoch=EPOCH, clock=sandbox.ManualClock(EPOCH))


@pytest.fixture
def served(made_once: sandbox.World, clock: sandbox.ManualClock) -> Iterator[sandbox.Served]:
    made_once.clock = clock
    with sandbox.serve(made_once, limits=False) as running:
        yield running


@pytest.fixture
def http(served: sandbox.Served) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=served.base_url, timeout=60) as client:
        yield client


@pytest.fixture
def public(http: httpx.Client) -> Get:
    """``public("trades", symbol="BTC_USD")``: a public call of BitexBit."""

    def call(name: str, **params: Any) -> httpx.Response:
        return http.get(f"/api/v2/public/{name}", params=params)

    return call


@pytest.fixture
def private(http: httpx.Client) -> Get:
    """``private("orders", limit=2)``: a signed call of BitexBit, with a nonce of its own."""
    nonce = 1_700_000_000_000

    def call(name: str, key: str = "bitexbit", **params: Any) -> httpx.Response:
        nonlocal nonce
        nonce += 1
        known, path = sandbox.KEYS[key], f"/api/v2/private/{name}"
        message = f"{path}{nonce}".encode()
        headers = {
            "X-API-Key": known.key,
            "X-Nonce": str(nonce),
            "X-Signature": hmac.new(known.secret.encode(), message, hashlib.sha256).hexdigest(),
        }
        return http.get(path, params=params, headers=headers)

    return call


@pytest.fixture
def tapi(http: httpx.Client) -> Callable[..., dict[str, Any]]:
    """``tapi("TradeHistory", count=5)``: the answer of a signed call of WEX."""
    nonce = 100

    def call(method: str, key: str = "wex", **params: Any) -> dict[str, Any]:
        nonlocal nonce
        nonce += 1
        known = sandbox.KEYS[key]
        body = urlencode({"method": method, "nonce": nonce, **params}).encode()
        sign = hmac.new(known.secret.encode(), body, hashlib.sha512).hexdigest()
        headers = {
            "Key": known.key,
            "Sign": sign,
            "Content-Type": "application/x-www-form-urlencoded",
        }
        answer: dict[str, Any] = http.post("/tapi", content=body, headers=headers).json()
        return answer

    return call
