"""The seeds: what each documented reading call answers, from the sandbox and from recordings."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import connectors
import sandbox
from connectors import Connection, Connector, Credentials
from connectors.http import Http, Request, Response
from connectors.local import LocalNonces, NoLimits
from tests.connectors.cases import EXCHANGES, Ask, case

EPOCH, NOW = "2026-01-10T00:00:00", "2026-01-10T20:00:00"
_LARGEST = 20_000
"""Bytes of a seed: short ones are mutated in more places that matter."""


@dataclass(frozen=True)
class Call:
    """One documented reading call with its good answers. ``name``: as the sandbox logs it."""

    exchange: str
    name: str
    ask: Ask
    bodies: tuple[bytes, ...]


def calls(recorded: Path | None = None) -> list[Call]:
    """Every documented reading call of every exchange, ``recorded`` answers among its seeds."""
    found: list[Call] = []
    clock = sandbox.ManualClock(NOW)
    with sandbox.serve(sandbox.World(seed=7, epoch=EPOCH, clock=clock), limits=False) as server:
        for exchange in EXCHANGES:
            key = sandbox.KEYS[exchange]
            connection = Connection(
                server.env[f"{key.env}_BASE_URL"],
                LocalNonces(),
                NoLimits(),
                credentials=Credentials(**key.parts),
            )
            connector = connectors.open_connector(exchange, connection)
            server.world.now()
            order = server.world.accounts[key.owner].orders[0].id
            for name, ask in case(exchange).reads.items():
                bodies = [_answer(connector, ask, order), *_recorded(recorded, exchange, name)]
                found.append(Call(exchange, name, ask, tuple(bodies)))
            connector.close()
    return found


def _answer(connector: Connector, ask: Ask, order: int) -> bytes:
    received: list[bytes] = []
    http: Http = connector._sender.http  # type: ignore[attr-defined]
    send = http.send

    def noting(request: Request, sent: Callable[[], None]) -> Response:
        response = send(request, sent)
        received.append(response.body)
        return response

    http.send = noting  # type: ignore[method-assign, assignment]
    try:
        ask(connector, order)
    finally:
        http.send = send  # type: ignore[method-assign]
    return _shortened(received[-1])


def _recorded(folder: Path | None, exchange: str, name: str) -> list[bytes]:
    """Recorded answers of the dialect, where they are at hand."""
    if folder is None or exchange != "wex":
        return []
    kind = re.split(r"[ /]", name.removeprefix("GET /api/3/").removeprefix("POST /tapi "))[0]
    return [_shortened(p.read_bytes()) for p in sorted(folder.glob(f"*_{kind}_*.json"))[:3]]


def _shortened(body: bytes) -> bytes:
    """An answer with as few of its rows as it takes to be short."""
    if len(body) <= _LARGEST:
        return body
    try:
        return json.dumps(_few(json.loads(body)), separators=(",", ":")).encode()
    except ValueError:
        return body[:_LARGEST]


def _few(value: Any) -> Any:
    if isinstance(value, list):
        return [_few(item) for item in value[:12]]
    if isinstance(value, dict):
        names = list(value)[: 40 if not all(isinstance(v, dict) for v in value.values()) else 12]
        return {name: _few(value[name]) for name in names}
    return value
