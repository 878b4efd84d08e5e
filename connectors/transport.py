"""The HTTP library's client, opened for one exchange: authorities, proxies, redirects, no cookies.

What the environment says of proxies and authorities is read here; what cannot be used is a
``ConfigError`` that names the variable and never its value, which may hold a password.
"""

import os
import ssl
from functools import cache
from typing import Any, Final
from urllib.request import getproxies

import httpx

from connectors.hosts import is_this_machine
from connectors.wire import ENCODINGS, is_address
from schemas import ConfigError

_WEB: Final = frozenset({"http", "https"})


def open_client(base_url: httpx.URL, timeout: float) -> httpx.Client:
    """A client for the host of ``base_url``; close it after use. Raises ``ConfigError``."""
    try:
        return _Client(
            timeout=httpx.Timeout(timeout, connect=min(timeout, 10.0), pool=None),
            headers={
                "User-Agent": "tidemark",
                "Accept": "application/json",
                "Accept-Encoding": ENCODINGS,
            },
            # Shorter than the usual 5 s of servers, so that they are not the first to hang up.
            limits=httpx.Limits(keepalive_expiry=4.0),
            # A proxy of the environment is no way to this machine itself.
            trust_env=not is_this_machine(base_url.host),
            verify=(
                _authorities()
                if base_url.scheme == "https"
                else _WhenRedirected(ssl.PROTOCOL_TLS_CLIENT)
            ),
            # What httpx knows nothing of, it neither follows nor fails to understand.
            event_hooks={"response": [_set_location_aside]},
        )
    except (ValueError, ImportError, httpx.InvalidURL):
        problem = _proxy_problem()
    # Outside the except block: the library's error may hold a proxy's password.
    raise ConfigError(problem)


def may_follow(base_url: httpx.URL, target: httpx.URL) -> bool:
    """Whether a public call to ``base_url`` may be redirected to ``target``.

    It stays with the host and the names below it (``www.`` does not count), and with https.
    """
    host, other = (url.raw_host.decode("ascii").lower() for url in (base_url, target))
    domain = host.removeprefix("www.")
    same = other in (host, domain) or (other.endswith(f".{domain}") and not is_address(domain))
    has_port = target.port is None or 0 < target.port < 65_536
    return (
        same
        and has_port
        and not target.userinfo
        and target.scheme in ({"https"} if base_url.scheme == "https" else _WEB)
    )


class _NoCookies(httpx.Cookies):
    """Remembers none, and reads none."""

    def extract_cookies(self, response: httpx.Response) -> None:
        """Do nothing."""


class _Client(httpx.Client):
    """Without cookies; the library's own jar costs each call as much as its headers."""

    cookies = property(lambda self: _NoCookies())


def _set_location_aside(response: httpx.Response) -> None:
    response.extensions["location"] = response.headers.pop("location", "")


def location(response: httpx.Response) -> str:
    """Where a redirect leads, as the server sent it; empty where it is none."""
    found: str = response.extensions["location"]
    return found


@cache
def _authorities() -> ssl.SSLContext:
    """The authorities that servers are checked by: read once, which takes as long as 20 calls."""
    try:
        return httpx.create_ssl_context()
    except OSError as error:  # ssl.SSLError is one
        named = next((n for n in ("SSL_CERT_FILE", "SSL_CERT_DIR") if os.environ.get(n)), None)
        fix = f"correct {named}, or unset it" if named else "pip install --force-reinstall certifi"
        raise ConfigError(
            f"the certificate authorities cannot be read: {error.strerror or error}. Fix: {fix}"
        ) from None


class _WhenRedirected(ssl.SSLContext):
    """For an address without TLS: reads the authorities once a redirect leads to one with it."""

    def wrap_socket(self, *args: Any, **kwargs: Any) -> ssl.SSLSocket:
        """Start TLS, checked by the authorities."""
        return _authorities().wrap_socket(*args, **kwargs)

    def wrap_bio(self, *args: Any, **kwargs: Any) -> ssl.SSLObject:
        """Start TLS within the TLS of a proxy."""
        return _authorities().wrap_bio(*args, **kwargs)


def _proxy_problem() -> str:
    """What is wrong with the proxy variables, one by one."""
    for scheme, url in getproxies().items():
        if scheme == "no":
            continue
        name = f"{scheme.upper()}_PROXY"
        try:
            httpx.Client(proxy=url if "://" in url else f"http://{url}", trust_env=False).close()
        except ImportError:
            return (
                f"{name} names a SOCKS proxy, and the package for those is not installed. "
                f"Fix: pip install 'httpx[socks]', or unset {name}"
            )
        except (ValueError, httpx.InvalidURL):
            fix = f"{name}=http://host:port, or unset it"
            return f"{name} is not the address of a proxy. Fix: {fix}"
    return (
        "NO_PROXY cannot be read. Fix: NO_PROXY=localhost,127.0.0.1,example.org "
        "(host names and addresses without brackets)"
    )
