"""The fault script: what goes wrong, for which requests, how often."""

import time
from typing import Any

import httpx
import pytest

import sandbox
from sandbox import Fault
from sandbox.faults import Request


@pytest.fixture
def page(public: Any) -> Any:
    return lambda: public("trades", symbol="BTC_USD", limit=20)


def test_statuses_and_bodies(page: Any, served: sandbox.Served) -> None:
    served.faults.add(
        Fault("status", status=429, retry_after=3),
        Fault("status", status=429),
        Fault("status", status=502),
        Fault("html", status=200),
        Fault("html", status=503),
        Fault("empty"),
        Fault("body", body=b'{"a": 1}'),
        Fault("cut"),
    )
    answers = [page() for _ in range(8)]
    assert [a.status_code for a in answers] == [429, 429, 502, 200, 503, 200, 200, 200]
    assert answers[0].headers["retry-after"] == "3" and "retry-after" not in answers[1].headers
    assert answers[3].text.startswith("<html>") and "html" in answers[4].headers["content-type"]
    assert answers[5].content == b"" and answers[6].json() == {"a": 1}
    whole = page()
    assert answers[7].text == whole.text[: len(whole.text) // 2]
    assert len(served.faults.log) == 8


def test_broken_connections(page: Any, served: sandbox.Served) -> None:
    served.faults.add(Fault("truncate"), Fault("reset"), Fault("hang", seconds=0.05))
    with pytest.raises(httpx.RemoteProtocolError):
        page()
    for _ in range(2):
        with pytest.raises(httpx.ReadError):
            page()
    assert page().status_code == 200
    assert [e.fault for e in served.log.entries] == ["truncate", "reset", "hang", None]


def test_a_hang_ends_when_the_client_leaves_or_the_server_stops() -> None:
    world = sandbox.World(3, clock=sandbox.ManualClock("2026-01-01"))
    begin = time.monotonic()
    with sandbox.serve(world, limits=False) as served:
        served.faults.add(Fault("hang", seconds=3600, times=None))
        with pytest.raises(httpx.ReadTimeout):
            httpx.get(f"{served.base_url}/api/v2/public/pairs", timeout=0.1)
    assert time.monotonic() - begin < 60


def test_slow_drip_arrives_whole(page: Any, served: sandbox.Served) -> None:
    whole = page()
    served.faults.add(Fault("drip", seconds=0.1))
    assert page().content == whole.content


def test_spoilt_rows(page: Any, served: sandbox.Served, tapi: Any) -> None:
    whole = page().json()
    served.faults.add(
        Fault("duplicate"), Fault("shuffle"), Fault("malformed"),
        Fault("malformed", spoil=("amount", "null")),
    )  # fmt: skip
    doubled, shuffled, spoilt, without = (page().json() for _ in range(4))
    assert len(doubled) > len(whole) and {r["id"] for r in doubled} == {r["id"] for r in whole}
    assert shuffled != whole and sorted(r["id"] for r in shuffled) == sorted(r["id"] for r in whole)
    assert [r["price"] for r in spoilt].count("n/a") == 1
    assert [r["amount"] for r in without].count(None) == 1
    served.faults.add(Fault("malformed", path="TradeHistory"))
    rows = tapi("TradeHistory", count=9)["return"].values()
    assert [r["rate"] for r in rows].count("n/a") == 1


def test_a_stale_page(public: Any, served: sandbox.Served) -> None:
    old = public("trades", symbol="BTC_USD", limit=3).json()
    served.faults.add(Fault("stale"))
    assert public("trades", symbol="BTC_USD", limit=5).json() == old
    assert len(public("trades", symbol="BTC_USD", limit=5).json()) == 5


def test_which_requests_are_hit(public: Any, served: sandbox.Served) -> None:
    served.faults.add(Fault("status", status=500, path="/trades", after=1, times=2))

    def ask(name: str) -> int:
        status: int = public(name, symbol="BTC_USD").status_code
        return status

    assert [ask(n) for n in ("trades", "depth", "trades", "trades", "trades")] == [
        200, 200, 500, 500, 200,
    ]  # fmt: skip

    def every_other(request: Request) -> Fault | None:
        return Fault("status", status=500) if request.number % 2 else None

    served.faults.script = every_other
    assert sorted(ask("depth") for _ in range(4)) == [200, 200, 500, 500]
    served.faults.clear()
    assert ask("depth") == 200
