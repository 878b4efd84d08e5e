"""The library ccxt, kept from the network: it composes, signs and reads, and never sends.

This is the only module that imports it (which takes half a second), and only when an exchange is
used. Whatever it would send arrives at ``fetch``, is compared there with the list of reading calls
(:mod:`connectors.ccxt.table`), and becomes a :class:`~connectors.http.Request`, which the client of
all connectors sends. An answer goes to it once it is known to be whole, as a decoded JSON value
whose numbers are text. An object of its classes that composes, signs or reads lives for one call:
there is no shared state.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

from connectors.base import Credentials
from connectors.ccxt.table import Entry, Read, entries
from connectors.errors import (
    AuthError,
    ContractError,
    ExchangeError,
    ForbiddenCallError,
    RateLimitedError,
    RefusedError,
    RequestError,
    TransientError,
)
from connectors.http import Request, Response
from connectors.jsontext import NotJsonError, decode, plain
from schemas import ConfigError

Ask = Callable[[Any], Any]
"""One unified method of an object of ccxt's."""
Fetch = Callable[..., Any]
_EXPLAINS: Final = (200, 400, 401, 403, 404)
_LONGEST_REFUSAL: Final = 20_000
"""Bytes: a longer answer is none."""


@dataclass(frozen=True)
class Leaving:
    """A request as ccxt would send it, signed where it is to be."""

    method: str
    url: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    body: str | None = field(default=None, repr=False)


class Left(BaseException):
    """Ends a call of ccxt when it would send. It is none of what ``except Exception`` catches."""

    def __init__(self, leaving: Leaving) -> None:
        super().__init__()
        self.leaving = leaving


@cache
def _library() -> Any:
    return import_module("ccxt")


def check_installed(id_: str) -> None:
    """Raise ``ConfigError`` where ccxt is not installed, or its version lacks an exchange."""
    try:
        _library()
    except ImportError:
        raise ConfigError(
            f"ccxt:{id_} needs the package ccxt, which is not installed. "
            "Fix: pip install 'tidemark[ccxt]'"
        ) from None
    if not hasattr(_library(), id_):
        raise ConfigError(
            f"ccxt {_library().__version__} has no exchange {id_!r} any more. "
            "Fix: install the version of requirements.lock"
        )


def has(id_: str) -> bool:
    """Whether ccxt, if it is installed, has an exchange of this id; nothing is imported."""
    found = find_spec("ccxt")
    folders = found.submodule_search_locations if found else None
    return id_.isidentifier() and any((Path(f) / f"{id_}.py").is_file() for f in folders or ())


def opened(entry: Entry, fetch: Fetch, now_us: int) -> Any:
    """An object of ccxt's without a key, whose only way out is ``fetch``.

    ``now_us``: its clock, in microseconds; it stands still. Its numbers are text.
    """

    def arrived(url: str, method: str = "GET", headers: Any = None, body: str | None = None) -> Any:
        return fetch(Leaving(method, url, dict(headers or {}), body))

    made = getattr(_library(), entry.id)({"enableRateLimit": False})
    made.number = str  # before anything is read
    made.fetch = arrived
    made.nonce = made.milliseconds = lambda: now_us // 1000
    made.seconds = lambda: now_us // 1_000_000
    made.microseconds = lambda: now_us
    _spot_alone(made.options)
    return made


def _spot_alone(options: dict[str, Any]) -> None:
    """Of the lists of markets, the one of spot markets alone is asked for, where that can be."""
    options["defaultType"] = "spot"
    wanted: Any = options.get("fetchMarkets")
    if isinstance(wanted, list) and "spot" in wanted:
        options["fetchMarkets"] = ["spot"]
    if isinstance(wanted, dict):
        kinds = wanted.get("types")
        spot: Any = ["spot"]
        if isinstance(kinds, dict):
            spot = {kind: kind == "spot" for kind in kinds}
        options["fetchMarkets"] = {**wanted, "types": spot}


def way_out(entry: Entry, place: int = 0) -> Fetch:
    """The ``fetch`` through which a request leaves: :class:`Left`, if it is a reading call.

    ``place``: so many requests before it get an answer without anything.
    """
    before = place

    def fetch(leaving: Leaving) -> Any:
        nonlocal before
        if before:
            before -= 1
            return {}
        check(entry, leaving)
        raise Left(leaving)

    return fetch


def check(entry: Entry, leaving: Leaving) -> Read:
    """The reading call that ``leaving`` is. Raises ``ForbiddenCallError`` for any other."""
    found = entry.read_of(leaving.method, leaving.url)
    if found is None:
        parts = urlsplit(leaving.url)
        raise ForbiddenCallError(
            f"{entry.name}: {leaving.method} {parts.scheme}://{parts.netloc}{parts.path} is not on "
            "the list of reading calls; not sent"
        )
    return found


def composed(entry: Entry, ask: Ask, now_us: int, place: int = 0) -> Request:
    """The request that ``ask`` makes ccxt send; of several, the one at ``place``.

    Raises ``ForbiddenCallError`` where that is no reading call, and ``RequestError``.
    """
    made = opened(entry, way_out(entry, place), now_us)
    try:
        ask(made)
    except Left as left:
        parts = urlsplit(left.leaving.url)
        return Request(left.leaving.method, parts.path, parts.query)
    except ExchangeError:
        raise
    except Exception as error:  # ccxt's own, or whatever it stumbles over
        raise RequestError(f"{entry.name}: ccxt cannot ask for it ({error!r})") from None
    raise RequestError(f"{entry.name}: ccxt asks nothing for this")


def replayed(entry: Entry, ask: Ask, answer: Any, now_us: int, place: int = 0) -> Any:
    """What ``ask`` makes of ``answer``, a decoded JSON value: the answer to the call at ``place``.

    Every other call gets an answer without anything. Raises ``ContractError`` for what ccxt cannot
    read.
    """
    count = 0

    def fetch(leaving: Leaving) -> Any:
        nonlocal count
        count += 1
        return answer if count == place + 1 else {}

    made = opened(entry, fetch, now_us)
    try:
        return ask(made)
    except Exception as error:  # whatever a parser of ccxt stumbles over
        raise ContractError(f"ccxt cannot read it ({type(error).__name__}: {error})") from None


def decoded(body: bytes) -> Any:
    """An answer as ccxt gets it: numbers that are no integers are their text.

    Raises ``ContractError`` for what is no JSON, neither an array nor an object, or too large.
    """
    try:
        found = decode(Any, plain(body))
    except NotJsonError as error:
        raise ContractError(f"not JSON ({error})") from None
    if not isinstance(found, list | dict):
        raise ContractError("neither an array nor an object")
    return found


def signed(
    entry: Entry,
    read: Read,
    request: Request,
    credentials: Credentials,
    stamp_us: int,
    *,
    is_encoded: bool = False,
) -> Request:
    """``request`` as ccxt signs it; ``stamp_us``: its time or nonce, in microseconds.

    ``is_encoded``: of an exchange whose queries ccxt does not percent-encode itself.
    """

    def nothing(leaving: Leaving) -> Any:
        raise AssertionError("signing sends nothing")

    made = opened(entry, nothing, stamp_us)
    made.apiKey, made.secret = credentials.key, credentials.secret
    made.password = credentials.passphrase or ""
    asked = dict(parse_qsl(request.query or request.form, keep_blank_values=True))
    if is_encoded:
        asked = {name: quote(value, safe="") for name, value in asked.items()}
    try:
        found = made.sign(read.path, read.api.split("."), read.method, asked)
    except Exception as error:  # a secret that is no base64, and the like; it may be in the text
        problem = type(error).__name__
    else:
        leaving = Leaving(read.method, found["url"], found["headers"] or {}, found["body"])
        check(entry, leaving)
        return _as_signed(request, leaving)
    raise AuthError(f"{entry.name}: ccxt cannot sign with this key ({problem})")


def _as_signed(request: Request, leaving: Leaving) -> Request:
    """``request`` with what signing adds: nothing of that is recorded.

    The text of the query is ccxt's, of which its signature is.
    """
    headers = {name: str(value) for name, value in leaving.headers.items()}
    query, proof = urlsplit(leaving.url).query, ""
    own, sent = (parse_qsl(text, keep_blank_values=True) for text in (request.query, query))
    if sorted(own) != sorted(sent):
        query, proof = request.query, urlencode([pair for pair in sent if pair not in own])
    secrets = [value for value in headers.values() if len(value) > 15]
    secrets += [value for _, value in parse_qsl(proof) if len(value) > 15]
    made = replace(request, query=query, headers=headers, proof=proof, secrets=tuple(secrets))
    return made if leaving.body is None else replace(made, content=leaving.body.encode())


@cache
def _meanings() -> tuple[tuple[Any, type[ExchangeError]], ...]:
    """What the errors of ccxt mean here; of several that fit, the first."""
    named: tuple[tuple[str, type[ExchangeError]], ...] = (
        ("RateLimitExceeded", RateLimitedError),
        ("DDoSProtection", RateLimitedError),
        ("InvalidNonce", AuthError),
        ("AuthenticationError", AuthError),
        ("OperationFailed", TransientError),
        ("BadRequest", RequestError),
        ("NotSupported", RequestError),
        ("BaseError", RefusedError),
    )
    return tuple((getattr(_library(), name), meaning) for name, meaning in named)


def refusal(entry: Entry, response: Response) -> type[ExchangeError] | None:
    """What ccxt knows an answer to mean that is none; None where the status says it all.

    An error that it knows nothing of is a fault of the moment, unless the status says more.
    """
    error = complaint(entry, response)
    if error is None:
        return None
    meaning = next(m for kind, m in _meanings() if isinstance(error, kind))
    return None if meaning is RefusedError and response.status != 200 else meaning


def is_not_fresh(entry: Entry, response: Response) -> bool:
    """Whether a signed call was refused for its time or nonce."""
    return isinstance(complaint(entry, response), _library().InvalidNonce)


@cache
def _judge(id_: str) -> Any:
    """An object that only looks at answers, which changes nothing of it: made once."""
    return opened(entries()[id_], lambda leaving: {}, 0)


def complaint(entry: Entry, response: Response) -> Exception | None:
    """The error that ccxt raises for an answer in JSON, if any."""
    body = response.json
    if response.status not in _EXPLAINS or len(body) > _LONGEST_REFUSAL:
        return None
    try:
        found = decoded(body)
    except ContractError:
        return None
    made = _judge(entry.id)
    try:
        text, call = body.decode("utf-8", "replace"), response.request
        made.handle_errors(
            response.status, "", f"{entry.host}{call.path}", call.method, {}, text, found, {}, ""
        )
    except _library().BaseError as error:
        return error if isinstance(error, Exception) else None
    except Exception:  # it expects another shape, which the parsers say
        return None
    return None
