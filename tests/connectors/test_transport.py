"""Where calls may go, and what of the environment the HTTP client uses."""

import shutil
import ssl
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx
import pytest

import connectors
from connectors import (
    ConfigError,
    Connection,
    Credentials,
    RequestError,
    StreamId,
    UnreachableError,
    Window,
    transport,
)
from connectors.hosts import is_this_machine
from connectors.local import LocalNonces, NoLimits
from connectors.transport import may_follow
from tests.connectors.cases import case
from tests.connectors.conftest import Scripted
from tests.pipelines.orchestration.receiving import certificate_for


@pytest.mark.parametrize(
    ("base", "target", "allowed"),
    [
        ("https://wex.link", "https://wex.link/moved", True),
        ("https://wex.link", "https://www.wex.link/", True),
        ("https://www.wex.link", "https://wex.link/", True),
        ("https://www.wex.link", "https://api.wex.link/", True),
        ("https://wex.link", "https://WEX.link:8443/", True),
        ("https://wex.link", "http://wex.link/", False),
        ("https://wex.link", "https://evilwex.link/", False),
        ("https://wex.link", "https://wex.link.evil.example/", False),
        ("https://api.wex.link", "https://link/", False),
        ("https://wex.link", "https://wex.link@evil.example/", False),
        ("https://wex.link", "ftp://wex.link/", False),
        ("http://127.0.0.1:1", "http://127.0.0.1:2/", True),
        ("http://127.0.0.1:1", "https://127.0.0.1/", True),
        ("http://127.0.0.1", "http://localhost/", False),
        ("http://127.0.0.1", "http://x.127.0.0.1/", False),
        ("http://127.0.0.1", "http://169.254.169.254/latest", False),
    ],
)
def test_redirects_stay_with_the_host_and_with_https(base: str, target: str, allowed: bool) -> None:
    assert may_follow(httpx.URL(base), httpx.URL(target)) is allowed


@pytest.mark.parametrize("location", ["http://localhost:{port}/x", "https://thief.example/x"])
def test_a_public_call_leaves_no_host(server: Scripted, exchange: str, location: str) -> None:
    target = location.format(port=server.base_url.rpartition(":")[2])
    server.answers((302, {"Location": target}, b""), case(exchange).no_trades)
    with pytest.raises(RequestError, match=r"a redirect to .*, not followed") as caught:
        server.open(exchange).fetch(StreamId(exchange, "trades", "BTC-USD"), Window())
    assert f"Fix: set {connectors.base_url_variable(exchange)}" in str(caught.value)
    assert len(server.requests) == 1


@pytest.fixture
def moved(tmp_path: Path) -> Iterator[str]:
    """An HTTPS server that answers that there are no trades; its certificate is ``server.pem``."""

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = case("wex").no_trades
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Answer)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate_for("127.0.0.1", tmp_path / "server.pem"))
    server.socket = context.wrap_socket(
        server.socket, server_side=True, do_handshake_on_connect=False
    )
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield f"https://127.0.0.1:{server.server_address[1]}/"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.skipif(not shutil.which("openssl"), reason="no openssl")
@pytest.mark.parametrize("trusted", [True, False])
def test_a_redirect_to_https_is_checked_by_the_authorities(
    server: Scripted, moved: str, trusted: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    transport._authorities.cache_clear()
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "server.pem"))
    server.answers(*[(302, {"Location": moved}, b"")] * (1 if trusted else 9))
    connector = server.open("wex")
    if trusted:
        page = connector.fetch(StreamId("wex", "trades", "BTC-USD"), Window())
        assert page.received == 0
    else:
        with pytest.raises(UnreachableError, match="CERTIFICATE_VERIFY_FAILED"):
            connector.fetch(StreamId("wex", "trades", "BTC-USD"), Window())
    transport._authorities.cache_clear()


def test_cookies_are_neither_kept_nor_sent(server: Scripted, exchange: str) -> None:
    cookie = {"Set-Cookie": "session=1; Path=/"}
    server.answers(*[(200, cookie, case(exchange).no_trades)] * 2)
    connector = server.open(exchange)
    for _ in range(2):
        connector.fetch(StreamId(exchange, "trades", "BTC-USD"), Window())
    assert [r.headers.get("cookie") for r in server.requests] == [None, None]


def connection(url: str) -> Connection:
    key = Credentials("my-key-4711", "my-secret-0815")
    return Connection(url, nonces=LocalNonces(), limits=NoLimits(), credentials=key)


@pytest.mark.parametrize("url", ["http://wex.example", "http://10.0.0.7:80", "http://127.example"])
def test_a_key_is_not_sent_unencrypted(url: str) -> None:
    with pytest.raises(ConfigError, match=r"Fix: use https://, or set TIDEMARK_ALLOW_HTTP=1") as e:
        connectors.open_connector("wex", connection(url))
    assert "WEX_API_KEY" in str(e.value) and "4711" not in str(e.value)
    connectors.open_connector("wex", replace(connection(url), allow_http=True)).close()
    connectors.open_connector("wex", replace(connection(url), credentials=None)).close()
    connectors.open_connector("wex", connection(url.replace("http:", "https:"))).close()


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost", "a.LOCALHOST."])
def test_this_machine_needs_no_encryption(host: str) -> None:
    assert is_this_machine(host)
    url = f"http://[{host}]:1" if ":" in host else f"http://{host}:1"
    connectors.open_connector("wex", connection(url)).close()


@pytest.mark.parametrize("host", ["localhost.example", "128.0.0.1", "0.0.0.0", "notlocalhost", ""])
def test_other_machines(host: str) -> None:
    assert not is_this_machine(host)


@pytest.mark.parametrize(
    ("variable", "value", "words"),
    [
        ("ALL_PROXY", "socks5://me:hush@127.0.0.1:1080", "names a SOCKS proxy"),
        ("HTTPS_PROXY", "http://[::hush", "is not the address of a proxy"),
        ("HTTP_PROXY", "hush://proxy.example:3128", "is not the address of a proxy"),
        ("HTTP_PROXY", "http://me:hu sh@proxy:port", "is not the address of a proxy"),
        ("NO_PROXY", "localhost,[::1]", "cannot be read"),
        ("SSL_CERT_FILE", "/nowhere/ca.pem", "authorities cannot be read: No such file"),
        ("SSL_CERT_FILE", __file__, "authorities cannot be read"),
    ],
)
def test_an_environment_that_cannot_be_used_is_named(
    variable: str, value: str, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    transport._authorities.cache_clear()
    monkeypatch.setenv(variable, value)
    with pytest.raises(ConfigError, match=words) as caught:
        connectors.open_connector("wex", connection("https://wex.example"))
    assert variable in str(caught.value) and "Fix: " in str(caught.value)
    shown = f"{caught.value} {caught.value.__context__!r} {caught.value.__cause__!r}"
    assert "hush" not in shown and "hu sh" not in shown
