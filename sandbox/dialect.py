"""What a dialect of the sandbox declares, and which there are: the sub-folders of ``sandbox/``.

A new dialect is a new folder whose ``__init__`` names ``DIALECT``; nothing else is edited.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from sandbox.exchange import Answer, Call, Exchange
from sandbox.keys import Key

Handler = Callable[[Exchange, Call, Mapping[str, Any]], Answer]
"""Answers a call; the mapping holds the variable parts of the path."""
Named = tuple[str, dict[str, str]]
"""A call's name, and its parameters."""


def by_path(path: str, query: str, body: bytes) -> Named:
    """The usual name of a call: its path; its parameters are the query's."""
    return path, dict(parse_qsl(query, keep_blank_values=True))


@dataclass(frozen=True)
class Dialect:
    """``keys``: the first is that of account ``main``. ``switches``: the class of its switches.

    ``routes``: handlers by method and path; the more special come first. ``roots``: what its paths
    begin with. ``refusal``: the answer that says ``text`` with a status of the kind given; a
    dialect may know one status only. ``name_of``: path, query and body -> name and parameters.
    ``prefix``: what comes before its paths here, where another dialect has the same ones; it is
    part of the base URL, and of no path that is logged.
    """

    name: str
    keys: Sequence[Key]
    switches: type
    roots: Sequence[str]
    routes: Sequence[tuple[str, str, Handler]]
    refusal: Callable[[int, str | None], Answer]
    name_of: Callable[[str, str, bytes], Named] = by_path
    prefix: str = ""


@cache
def dialects() -> tuple[Dialect, ...]:
    """Every dialect, in alphabetical order."""
    folders = sorted(m.name for m in iter_modules([str(Path(__file__).parent)]) if m.ispkg)
    return tuple(import_module(f"sandbox.{name}").DIALECT for name in folders)


def dialect_of(path: str) -> Dialect | None:
    """The dialect that ``path`` belongs to: the one with the longest root of it."""
    every = ((d.prefix + root, d) for d in dialects() for root in d.roots)
    roots = [(root, d) for root, d in every if path.startswith(root)]
    return max(roots, key=lambda pair: len(pair[0]))[1] if roots else None


def refusal_of(path: str, status: int, text: str) -> Answer:
    """The refusal of the dialect that ``path`` belongs to."""
    dialect = dialect_of(path)
    return dialect.refusal(status, text or None) if dialect else Answer(b"", status)


def keys() -> dict[str, Key]:
    """Every key, by exchange for account ``main`` and as ``exchange:account`` for others."""
    return {
        dialect.name if key.account == "main" else f"{dialect.name}:{key.account}": key
        for dialect in dialects()
        for key in dialect.keys
    }


def build(exchange: Exchange) -> Starlette:
    """An application that answers from ``exchange``; its switches may be turned at any time."""
    every = ["GET", "POST", "PUT", "DELETE", "PATCH"]
    routes = [
        *((m, d.prefix + path, handler) for d in dialects() for m, path, handler in d.routes),
        ("", "/{rest:path}", lambda *_: Answer.of({"detail": "Not found."}, 404)),
    ]
    return Starlette(
        routes=[
            Route(path, _endpoint(exchange, handler), methods=[method] if method else every)
            for method, path, handler in routes
        ]
    )


def _target(request: Request) -> str:
    """Path and query, byte for byte: some dialects sign them."""
    path: bytes = request.scope["raw_path"]
    query: bytes = request.scope["query_string"]
    return (path + (b"?" + query if query else b"")).decode("latin-1")


def _endpoint(exchange: Exchange, handler: Handler) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        call = Call(
            path=request.url.path,
            query=dict(request.query_params),
            headers=dict(request.headers),
            body=await request.body(),
            client=request.client.host if request.client else "",
            base_url=str(request.base_url).rstrip("/"),
            target=_target(request),
        )
        answer = handler(exchange, call, request.path_params)
        return Response(
            answer.body, answer.status, dict(answer.headers), media_type="application/json"
        )

    return endpoint
