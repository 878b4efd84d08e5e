"""What goes over the wire beyond the sandbox's faults: redirects, dates, echoes, hosts."""

import json
import re
import uuid
from datetime import UTC, datetime
from pathlib import Path

import pytest

import connectors
from connectors import (
    AuthError,
    ConfigError,
    Connector,
    ContractError,
    Cursor,
    NotOfferedError,
    Page,
    RateLimitedError,
    RequestError,
    StreamId,
    TransientError,
    Window,
    default_base_url,
    names,
    offers,
)
from connectors.http import retry_after
from connectors.local import LocalLimits, LocalNonces, NoLimits
from connectors.pace import Allowance
from connectors.redact import excerpt, redact
from connectors.variables import key_variables
from sandbox.dialect import dialects
from schemas import DATASETS
from tests.connectors.cases import case
from tests.connectors.conftest import CLOCK, Scripted

DATE = "Sat, 10 Jan 2026 20:00:00 GMT"
DATE_US = int(datetime(2026, 1, 10, 20, tzinfo=UTC).timestamp()) * 1_000_000


def trades(exchange: str) -> StreamId:
    return StreamId(exchange, "trades", "BTC-USD")


def ask_fills(connector: Connector) -> Page:
    """A call of the account's fills, in the way that the exchange pages them."""
    offer = connector.offers["account_trades"]
    symbol = "BTC-USD" if offer.per_market else None
    stream = StreamId(connector.name, "account_trades", symbol, "main")
    if offer.cursor is Cursor.PAGES:
        return connector.page(stream, None)
    return connector.fetch(stream, Window())


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("120", 120),
        (" 7 ", 7),
        ("Sat, 10 Jan 2026 20:00:30 GMT", 30),
        ("Sat, 10 Jan 2026 19:00:00 GMT", 0),
        ("-1", None),
        ("nan", None),
        ("soon", None),
        ("١", None),
        (None, None),
        ("", None),
    ],
)
def test_retry_after_in_both_forms(text: str | None, seconds: float | None) -> None:
    assert retry_after(text, DATE) == seconds


def test_a_date_to_retry_after_is_waited_for(server: Scripted, exchange: str) -> None:
    later = {"Date": DATE, "Retry-After": "Sat, 10 Jan 2026 20:00:09 GMT"}
    server.answers((503, later, b""), (200, {"Date": DATE}, case(exchange).no_trades))
    page = server.open(exchange).fetch(trades(exchange), Window())
    assert page.received == 0 and page.server_time == DATE_US
    (wait,) = server.waits
    assert 9 <= wait < 10


def test_a_cached_answer_is_as_old_as_it_says(server: Scripted, exchange: str) -> None:
    server.answers((200, {"Date": DATE, "Age": "40"}, case(exchange).no_trades))
    page = server.open(exchange).fetch(trades(exchange), Window())
    assert page.server_time == DATE_US - 40_000_000
    server.answers(case(exchange).no_trades)
    assert server.open(exchange).fetch(trades(exchange), Window()).server_time is None


def test_a_signed_call_follows_no_redirect(server: Scripted, exchange: str) -> None:
    server.answers((307, {"Location": "http://thief.example/x?k=my-key-4711"}, b""))
    with pytest.raises(RequestError, match=r"redirect to thief\.example, not followed") as caught:
        ask_fills(server.open(exchange))
    assert connectors.base_url_variable(exchange) in str(caught.value)
    assert "my-key-4711" not in str(caught.value)
    assert len(server.requests) == 1


def test_a_public_call_follows_a_redirect(server: Scripted, exchange: str) -> None:
    server.answers((301, {"Location": "/moved"}, b""), case(exchange).no_trades)
    assert server.open(exchange).fetch(trades(exchange), Window()).received == 0
    assert [r.target for r in server.requests][1] == "/moved"
    server.answers(*[(301, {"Location": "/round"}, b"")] * 9)
    with pytest.raises(RequestError, match="BASE_URL"):
        server.open(exchange).fetch(trades(exchange), Window())


USUAL_HEADERS = ("host", "accept", "accept-encoding", "connection", "user-agent", "content-type")


@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 418, 429, 500, 503])
def test_an_answer_that_repeats_the_secrets_is_masked(
    server: Scripted,
    exchange: str,
    status: int,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    caplog.set_level("DEBUG")
    monkeypatch.setattr(uuid, "uuid4", lambda: uuid.UUID(int=4711))

    # First an innocent call, to learn what is sent; the clock stands, so the next is predictable.
    server.answers(case(exchange).no_fills)
    ask_fills(server.open(exchange))
    (sent,) = server.requests
    echo = (
        " ".join([*sent.headers.values(), sent.target, sent.body])
        + " my-secret-0815 <script>x</script>"
    )
    body = json.dumps({"error": f"you sent {echo} \x1b[31m"}).encode()
    server.answers(*[(status, {}, body)] * 9)
    with pytest.raises((RequestError, AuthError, TransientError, ContractError)) as caught:
        ask_fills(server.open(exchange, retries=0))
    shown = f"{caught.value} {caught.value!r} {caught.value.__context__!r} {caplog.text}"
    keys = ("sign", "x-signature", "x-mbx-apikey", "cb-access-key", "cb-access-sign", "api-sign")
    names_ = (*keys, "x-nonce")
    secret = [sent.headers[n] for n in names_ if n in sent.headers]
    secret += [v for n, v in sent.headers.items() if n not in USUAL_HEADERS and len(v) >= 20]
    secret += re.findall(r"nonce=(\d+)", sent.body)
    secret += re.findall(r"signature=(\w+)", sent.target)
    assert len(secret) >= 2
    for part in (*secret, "my-key-4711", "my-secret-0815"):
        assert part not in shown
    assert "\x1b" not in shown
    assert isinstance(caught.value, RateLimitedError) == (status in (418, 429))
    assert isinstance(caught.value, AuthError) or status not in (401, 403)
    assert len(str(caught.value)) < 700


def test_a_404_from_a_web_site_points_at_the_setting(server: Scripted, exchange: str) -> None:
    server.answers((404, {"Content-Type": "text/html"}, b"<html><b>Not</b> here</html>"))
    with pytest.raises(RequestError, match=r"404: Not here.*BASE_URL") as caught:
        server.open(exchange).fetch(trades(exchange), Window())
    assert not isinstance(caught.value, NotOfferedError)


def test_a_public_call_that_is_refused_blames_no_key(server: Scripted, exchange: str) -> None:
    server.answers((403, {}, b"{}"))
    with pytest.raises(AuthError, match="refuses a public call") as caught:
        server.open(exchange).fetch(trades(exchange), Window())
    assert "API_KEY" not in str(caught.value)


def test_a_stale_connection_is_replaced(server: Scripted, exchange: str) -> None:
    empty = case(exchange).no_trades
    connector = server.open(exchange)
    server.answers((200, {"Connection": "close"}, empty), empty)
    assert connector.fetch(trades(exchange), Window()).received == 0
    assert connector.fetch(trades(exchange), Window()).received == 0


def test_an_excerpt_is_short_plain_and_redacted() -> None:
    assert excerpt(b'{"detail": "Invalid   page."}') == "Invalid page."
    assert excerpt(b"<html><style>b{}</style><h1>Down</h1>\n<p>Sorry</p></html>") == "Down Sorry"
    assert excerpt(b"\xff\x00\x1b[2Jx") == "\N{REPLACEMENT CHARACTER} [2Jx"
    assert len(excerpt(b"z" * 5000)) == 200
    assert excerpt(b"k" * 190 + b" top secret", ["top secret"]).endswith("***")
    assert excerpt(b"k" * 198 + b" top secret", ["top secret"])[190:] == "kkkkkkk..."


def test_secrets_are_masked_in_every_spelling() -> None:
    assert redact("a/b+c a%2Fb%2Bc A/B+C", ["a/b+c", ""]) == "*** *** ***"
    assert redact(f"sign {'0aB' * 20}!", []) == "sign ***!"
    refused = "invalid nonce parameter; on key:2072397085, you sent:'1522253970'"
    assert redact(refused, []) == "invalid nonce parameter; on key:***, you sent:'***'"
    assert redact("Invalid pair 20723", []) == "Invalid pair 20723"


def test_the_settings_of_a_key() -> None:
    assert key_variables("wex", "main") == ("WEX_API_KEY", "WEX_API_SECRET")
    assert key_variables("wex", "desk-2") == ("WEX_DESK_2_API_KEY", "WEX_DESK_2_API_SECRET")
    assert key_variables("wex", "my-desk") == ("WEX_MY_DESK_API_KEY", "WEX_MY_DESK_API_SECRET")


def test_exchanges_are_found_by_their_folders() -> None:
    folder = Path(connectors.__file__).parent
    folders = {f.parent.name for f in folder.glob("*/__init__.py")}
    assert names() == tuple(sorted(folders - {"ccxt"}))  # which is of many exchanges
    assert set(names()) <= {dialect.name for dialect in dialects()}  # the sandbox speaks for each
    contract = {name for name in DATASETS if not name.endswith("_history")} - {
        "quarantine",
        "reference_trades",
    }
    for name in names():
        assert default_base_url(name) == case(name).base_url
        assert set(offers(name)) == contract - case(name).lacks
    with pytest.raises(ConfigError, match=f"there are: {', '.join(names())}"):
        offers("mtgox")


@pytest.mark.parametrize(
    "url",
    ["", "bitexbit.com", "ftp://x", "http://", "http://u:hunter2@x", "http://x?y=1", "http://x:p"],
)
def test_a_base_url_that_is_none_is_refused(server: Scripted, exchange: str, url: str) -> None:
    with pytest.raises(ConfigError, match=connectors.base_url_variable(exchange)) as caught:
        server.open(exchange, base_url=url)
    assert "hunter2" not in str(caught.value)


def test_nothing_is_sent_before_it_is_asked_for(server: Scripted, exchange: str) -> None:
    server.open(exchange)
    assert server.requests == []


def test_local_nonces_rise_and_are_held_by_one() -> None:
    nonces = LocalNonces()
    with nonces.next(100) as first:
        pass
    with nonces.next(100) as second:
        pass
    with nonces.next(200) as third:
        pass
    assert (first, second, third) == (100, 101, 200)


def test_local_limits_space_the_calls_of_a_bucket() -> None:
    clock = [CLOCK]
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(round(seconds, 6))
        clock[0] += seconds

    limits = LocalLimits(sleep, lambda: clock[0])
    for _ in range(3):
        limits.wait("private", Allowance(2))
    limits.wait("public", Allowance(2))
    assert waits == [0.5, 0.5]
    limits.wait("public", Allowance(2), 3)
    limits.wait("public", Allowance(2))
    assert waits == [0.5, 0.5, 0.5, 1.5]  # the next one waits for what the last one cost
    limits.hold("public", 20)
    limits.wait("public", Allowance(2))
    assert waits[4:] == [20]
    NoLimits().wait("any", Allowance(0.001))
