"""Connectors: one folder per exchange, reading calls only.

They speak an exchange's HTTP dialect and yield canonical Arrow pages; they know nothing of Dagster,
DuckDB or disks. ``connectors.base`` is the contract. A new exchange is a new folder whose
``__init__`` names its ``DIALECT``; nothing else is edited.

What speaks HTTP is imported by the functions that need it: most commands request nothing.
"""

import re
import sys
import time
from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import connectors.names  # noqa: F401  # else its first import would hide the function ``names``
from connectors.base import (
    THROUGH_CCXT,
    Bounds,
    Breaker,
    Connection,
    Connector,
    Credentials,
    Cursor,
    Key,
    Limits,
    Market,
    Nonces,
    Page,
    Paging,
    ReadOnlyKey,
    RecordedResponse,
    Recorder,
    Window,
)
from connectors.errors import (
    AuthError,
    ContractError,
    ExchangeError,
    ForbiddenCallError,
    NotAskedError,
    NotOfferedError,
    RateLimitedError,
    RefusedError,
    RequestError,
    TransientError,
    UnknownRowError,
    UnreachableError,
)
from connectors.hosts import is_this_machine
from connectors.variables import base_url_variable, together
from connectors.variables import key_variables as _key_variables
from schemas import ConfigError, RejectedRow, StreamId

if TYPE_CHECKING:
    import httpx

    from connectors.dialect import Dialect

__all__ = [
    "THROUGH_CCXT",
    "AuthError",
    "Bounds",
    "Breaker",
    "ConfigError",
    "Connection",
    "Connector",
    "ContractError",
    "Credentials",
    "Cursor",
    "ExchangeError",
    "ForbiddenCallError",
    "Key",
    "Limits",
    "Market",
    "Nonces",
    "NotAskedError",
    "NotOfferedError",
    "Page",
    "Paging",
    "RateLimitedError",
    "ReadOnlyKey",
    "RecordedResponse",
    "Recorder",
    "RefusedError",
    "RejectedRow",
    "RequestError",
    "StreamId",
    "TransientError",
    "UnknownRowError",
    "UnreachableError",
    "Window",
    "base_url_variable",
    "check_key",
    "checked_base_url",
    "default_base_url",
    "dialect_of",
    "is_known",
    "is_this_machine",
    "key_settings",
    "key_variables",
    "names",
    "offers",
    "open_connector",
    "read_only_key",
]


# The HTTP library's own command line, which it imports where it can: 0.04 s of each command.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]


@cache
def names() -> tuple[str, ...]:
    """Every exchange with a connector of its own: the sub-folders, in alphabetical order."""
    folders = (found.name for found in iter_modules(__path__) if found.ispkg)
    return tuple(sorted(name for name in folders if name != "ccxt"))


def is_known(name: str) -> bool:
    """Whether rows of exchange ``name`` can be asked for; also of one through ccxt."""
    if not name.startswith(THROUGH_CCXT):
        return name in names()
    from connectors import ccxt

    return ccxt.knows(name)


def offers(name: str) -> Mapping[str, Paging]:
    """What exchange ``name`` offers for reading, by dataset. Raises ``ConfigError``."""
    return dialect_of(name).offers


def default_base_url(name: str) -> str:
    """The host root of exchange ``name`` where no setting names another. Raises ``ConfigError``."""
    return dialect_of(name).base_url


def key_variables(name: str, account: str) -> tuple[str, ...]:
    """The settings that hold the parts of the key of ``account`` at exchange ``name``.

    Key, secret and, where the exchange has one, passphrase. ``name`` may be that of an exchange of
    which rows are held and that this program has no connector for.
    """
    has_passphrase = is_known(name) and dialect_of(name).has_passphrase
    return _key_variables(name, account, passphrase=has_passphrase)


def key_settings(name: str, account: str) -> str:
    """Those settings as messages name them: ``WEX_API_KEY and WEX_API_SECRET``."""
    return together(key_variables(name, account))


def read_only_key(name: str) -> ReadOnlyKey | None:
    """The key with just the right that collecting needs; None where keys have no rights."""
    return dialect_of(name).key


def open_connector(
    name: str,
    connection: Connection,
    *,
    sleep: Callable[[float], None] = time.sleep,
    now: Callable[[], float] = time.time,
) -> Connector:
    """The connector of exchange ``name``; nothing is sent yet. Close it after use.

    ``sleep`` waits between tries, ``now`` is this machine's clock in seconds since 1970.
    Raises ``ConfigError`` for an unknown exchange, an invalid base URL, a key that cannot be sent
    in a header or would be sent unencrypted, and proxies or authorities that cannot be used.
    """
    import httpx

    from connectors.client import Client

    dialect = dialect_of(name)
    if name.startswith(THROUGH_CCXT):
        from connectors import ccxt

        ccxt.check_installed(name)
    url = httpx.URL(checked_base_url(name, connection.base_url))
    if connection.credentials is not None:
        _check_encrypted(name, connection, url)
        check_key(name, connection.account, connection.credentials)
    return Client(dialect, connection, sleep=sleep, now=now)


def dialect_of(name: str) -> "Dialect":
    """What exchange ``name`` speaks. Raises ``ConfigError`` for an unknown one."""
    if name.startswith(THROUGH_CCXT):
        from connectors import ccxt

        return ccxt.dialect_of(name)
    if name not in names():
        raise ConfigError(
            f"there is no exchange {name!r}; there are: {', '.join(names())}, and ccxt:<id> for "
            "others (docs/exchanges/ccxt.md)"
        )
    found: Dialect = import_module(f"{__name__}.{name}").DIALECT
    return found


def checked_base_url(name: str, text: str) -> str:
    """``text``, a host root of exchange ``name``, without a slash at its end.

    Raises ``ConfigError`` with the setting's name for what is none.
    """
    import httpx

    variable, default = base_url_variable(name), default_base_url(name)
    problem = None
    try:
        parts, url = urlsplit(text), httpx.URL(text)
        host, _ = parts.hostname, parts.port  # a bad port raises only when it is asked for
    except (ValueError, httpx.InvalidURL) as error:
        raise ConfigError(
            f"{variable} is not a web address: {error}\nFix: {variable}={default}"
        ) from None
    if "@" in parts.netloc:
        problem = "holds a user name or password, which is not used"
    elif parts.scheme not in ("http", "https") or not host or not url.host:
        problem = f"is {text!r}, not an address like https://host"
    elif parts.query or parts.fragment or {"api", "tapi"} & set(parts.path.split("/")):
        problem = f"is {text!r}, not the host root alone, which the API's paths follow"
        default = f"{parts.scheme}://{parts.netloc}"
    if problem:
        raise ConfigError(f"{variable} {problem}\nFix: {variable}={default}")
    return text.rstrip("/")


def check_key(name: str, account: str, key: Credentials) -> None:
    """Keys are sent in headers; the HTTP library's error would show one that is invalid there.

    Raises ``ConfigError`` with the setting's name.
    """
    variables = key_variables(name, account)
    for variable, part in zip(variables, (key.key, key.secret, key.passphrase), strict=False):
        if not part:
            raise ConfigError(f"{variable} is empty\nFix: set it, or none of {together(variables)}")
        # a passphrase is chosen by a person
        inside = r"[\x20-\x7e]" if variable.endswith("_PASSPHRASE") else r"[\x21-\x7e]"
        if not re.fullmatch(rf"[\x21-\x7e]({inside}*[\x21-\x7e])?", part):
            raise ConfigError(
                f"{variable} holds characters that no key has (line breaks, letters outside ASCII)"
                "\nFix: copy it again from the exchange"
            )


def _check_encrypted(name: str, connection: Connection, url: "httpx.URL") -> None:
    if url.scheme == "http" and not (connection.allow_http or is_this_machine(url.host)):
        variable, *_ = key_variables(name, connection.account)
        raise ConfigError(
            f"{base_url_variable(name)} is http://{url.host}, and over http anyone on the way "
            f"reads what the key of account '{connection.account}' ({variable}) asks and changes "
            "the answers. Fix: use https://, or set TIDEMARK_ALLOW_HTTP=1 for a network that you "
            "trust"
        )
