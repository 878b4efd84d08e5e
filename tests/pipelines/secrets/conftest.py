"""A sandbox whose every signature is noted, and feeds that read from it."""

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import connectors
import sandbox
from connectors import Connection, Connector
from connectors.local import NoLimits
from sandbox import KEYS
from tests.feeds import write_feed
from tests.pipelines.secrets.scene import EXCHANGES, FEED, WRONG, Scene
from tests.pipelines.secrets.search import Needles
from tests.worlds import world_at


@pytest.fixture(scope="module")
def running() -> Iterator[sandbox.Served]:
    with sandbox.serve(world_at(seed=3), limits=False) as server:
        yield server


@pytest.fixture
def scene(
    running: sandbox.Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Scene]:
    words = [part for k in KEYS.values() for part in (k.key, k.secret)]
    needles = Needles([*words, WRONG])
    for name in EXCHANGES:
        module = f"connectors.{name}.auth"
        real = __import__(module, fromlist=["signature"]).signature

        def signing(*a: Any, _real: Callable[..., str] = real) -> str:
            made = _real(*a)
            needles.signatures.add(made)
            return made

        monkeypatch.setattr(f"{module}.signature", signing)
        write_feed(tmp_path / "feeds", FEED.format(exchange=name), name)
    opening = connectors.open_connector

    def at_once(name: str, connection: Connection) -> Connector:
        connection = replace(connection, limits=NoLimits(), retries=min(connection.retries, 2))
        return opening(name, connection, sleep=lambda _: None)

    monkeypatch.setattr(connectors, "open_connector", at_once)
    for name, value in running.env.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("TIDEMARK_FEEDS", str(tmp_path / "feeds"))
    place = tmp_path / "place"
    place.mkdir()
    monkeypatch.setenv("XDG_STATE_HOME", str(place / "state"))
    monkeypatch.chdir(place)
    running.faults.clear()
    log = logging.FileHandler(place / "log")
    log.setLevel(logging.DEBUG)
    root, level = logging.getLogger(), logging.getLogger().level
    root.addHandler(log)
    root.setLevel(logging.DEBUG)
    try:
        yield Scene(running, place, needles)
    finally:
        root.setLevel(level)
        root.removeHandler(log)
        log.close()
