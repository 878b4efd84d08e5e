"""How requests leave: what they cost, when the exchange asks for a rest, and a key's freshness."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from connectors import AuthError, Connection, Credentials, RateLimitedError
from connectors.dialect import Call, Dialect, ServerClock
from connectors.http import Request, get
from connectors.local import LocalNonces, NoLimits
from connectors.names import Spelling
from connectors.pace import Allowance
from connectors.sending import Sender
from tests.connectors.conftest import Response, Scripted

CLOCK = 1_768_000_000.0
AHEAD = 90_000
"""Milliseconds by which the exchange's clock is ahead."""
KEY = Credentials("my-key-4711", "my-secret-0815", "my passphrase")
LATE: Response = (
    400,
    {},
    b'{"code":-1021,"msg":"Timestamp for this request is outside of the recvWindow."}',
)
TIME = b'{"serverTime":%d}' % (int(CLOCK) * 1000 + AHEAD)


def _sign(request: Request, credentials: Credentials, stamp: int) -> Request:
    query = "&".join(filter(None, [request.query, f"timestamp={stamp // 1000}"]))
    headers = {"X-KEY": credentials.key, "X-PASSPHRASE": credentials.passphrase or ""}
    return replace(request, query=query, headers=headers)


def _refused(response: Any) -> bool:
    return b"-1021" in response.body


DIALECT = Dialect(
    name="clockwork",
    base_url="https://clockwork.example",
    endpoints={},
    reads=["GET /(clock|account|public)"],
    limits={
        "public": Allowance(10),
        "private": Allowance(5, per_account=True),
        "weight": Allowance(100, burst=50),
    },
    sign=_sign,
    freshness=ServerClock(
        Call(lambda asked: get("/clock"), lambda body, about: int(body[14:-1]) * 1000), _refused
    ),
    spelling=Spelling(separator=""),
    markets_of=lambda request: (),
    has_passphrase=True,
)


@dataclass
class Noted(NoLimits):
    """Notes what is asked of the limits."""

    asked: list[tuple[str, Allowance, float]] = field(default_factory=list)
    held: list[tuple[str, float]] = field(default_factory=list)

    def wait(self, bucket: str, allowance: Allowance, cost: float = 1.0) -> None:
        self.asked.append((bucket, allowance, cost))

    def hold(self, bucket: str, seconds: float) -> None:
        self.held.append((bucket, seconds))


Opened = Callable[..., Sender]


@pytest.fixture
def opened(server: Scripted) -> Iterator[Opened]:
    with_closing: list[Sender] = []

    def open_(
        *answers: Response, limits: NoLimits | None = None, dialect: Dialect = DIALECT
    ) -> Sender:
        server.answers(*answers)
        connection = Connection(
            server.base_url, LocalNonces(), limits or NoLimits(), account="desk", credentials=KEY
        )
        with_closing.append(Sender(dialect, connection, lambda: CLOCK))
        return with_closing[-1]

    yield open_
    for sender in with_closing:
        with closing(sender):
            pass


def stamps(server: Scripted) -> list[int]:
    targets = (r.target for r in server.requests if "timestamp=" in r.target)
    return [int(target.partition("timestamp=")[2]) for target in targets]


def test_a_call_counts_in_its_bucket_with_its_cost(server: Scripted, opened: Opened) -> None:
    limits = Noted()
    sender = opened(b"[]", TIME, b"[]", b"[]", limits=limits)
    sender.send(get("/public"))
    sender.send(get("/account", private=True))
    sender.send(get("/account", private=True, cost=25, bucket="weight"))
    port = server.base_url.rpartition(":")[2]
    host = f"clockwork-{{}}-127.0.0.1-{port}".format
    of = DIALECT.limits
    assert limits.asked == [
        (host("public"), of["public"], 1),
        (host("public"), of["public"], 1),  # the exchange's time
        (f"{host('private')}-desk", of["private"], 1),
        (host("weight"), of["weight"], 25),  # of the address: no other account has its own
    ]


def test_the_exchanges_clock_is_asked_once(server: Scripted, opened: Opened) -> None:
    sender = opened(TIME, b"[]", b"[]")
    for _ in range(2):
        assert sender.send(get("/account", private=True)).status == 200
    assert [r.target.partition("?")[0] for r in server.requests] == ["/clock", *["/account"] * 2]
    assert stamps(server) == [int(CLOCK) * 1000 + AHEAD] * 2
    assert server.requests[1].headers["x-passphrase"] == KEY.passphrase


def test_a_refused_time_is_measured_again_once(server: Scripted, opened: Opened) -> None:
    right = b'{"serverTime":%d}' % (int(CLOCK) * 1000 - 7000)
    sender = opened(TIME, LATE, right, b"[]")
    assert sender.send(get("/account", private=True)).body == b"[]"
    assert stamps(server) == [int(CLOCK) * 1000 + AHEAD, int(CLOCK) * 1000 - 7000]
    sender = opened(TIME, LATE, TIME, LATE)
    assert sender.send(get("/account", private=True)).status == 400  # what it means, others say
    assert len(server.requests) == 4


def test_several_threads_measure_once(server: Scripted, opened: Opened) -> None:
    sender = opened(TIME, *[b"[]"] * 8)
    start = threading.Barrier(4)

    def ask(_: int) -> int:
        start.wait(10)
        return sender.send(get("/account", private=True)).status

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(ask, range(4))) == {200}
    assert sum(r.target == "/clock" for r in server.requests) == 1


def test_a_rest_that_the_exchange_asks_for(opened: Opened) -> None:
    limits = Noted()
    tired = (429, {"Retry-After": "7"}, b"{}")
    answer = opened(tired, limits=limits).send(get("/public"))
    assert (answer.status, answer.retry_after) == (429, 7)
    assert [seconds for _, seconds in limits.held] == [7]
    polite = opened((200, {"Retry-After": "7"}, b"[]"), limits=limits)
    assert polite.send(get("/public")).retry_after is None  # no refusal
    weight = replace(DIALECT, rest=lambda response: float(response.headers["x-wait"]))
    opened((200, {"X-Wait": "2"}, b"[]"), limits=limits, dialect=weight).send(get("/public"))
    words = replace(DIALECT, rest=lambda response: 3.5 if b"Throttled" in response.body else None)
    opened(b'{"error":["EService: Throttled"]}', limits=limits, dialect=words).send(get("/public"))
    assert [seconds for _, seconds in limits.held] == [7, 2, 3.5]


def test_in_a_long_rest_calls_fail_without_being_sent(server: Scripted, opened: Opened) -> None:
    limits = Noted()
    sender = opened((418, {"Retry-After": "7200"}, b"{}"), limits=limits)
    assert sender.send(get("/public")).retry_after == 7200
    with pytest.raises(RateLimitedError, match=r"not sent: .* a rest of 7200 s") as caught:
        sender.send(get("/public"))
    assert caught.value.retry_after == 7200
    assert len(server.requests) == 1 and limits.held == []


def test_no_part_of_a_key_is_in_a_message(opened: Opened) -> None:
    told = f'{{"message":"{KEY.key} {KEY.secret} {KEY.passphrase}"}}'.encode()
    sender = opened(TIME, (401, {}, told))
    response = sender.send(get("/account", private=True))
    with pytest.raises(AuthError) as caught:
        sender.http.check(response)
    message = str(caught.value)
    assert not any(part in message for part in KEY.parts)
    variables = [f"CLOCKWORK_DESK_API_{part}" for part in ("KEY", "SECRET", "PASSPHRASE")]
    assert f"Fix: check {variables[0]}, {variables[1]} and {variables[2]}" in message
    assert "clock" not in message.partition("Fix:")[2].lower().replace("clockwork", "")
    assert not any(part.encode() in response.body for part in KEY.parts)
    assert not any(part in repr(KEY) for part in KEY.parts)
