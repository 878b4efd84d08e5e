"""Pulls over real HTTP from the sandbox exchange."""

import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

import connectors
from connectors.local import NoLimits
from pipelines.feeds import load_feeds, select_jobs
from pipelines.ingest import PullReport, pull
from pipelines.publishing import publish
from pipelines.settings import Settings, load_settings
from sandbox import Served
from tests.pipelines.conftest import served
from warehouse import clock

if TYPE_CHECKING:
    from tests.pipelines.ingest.scene import Scene


@pytest.fixture(scope="module")
def standing() -> Iterator[Served]:
    """One for several tests: none moves its clock, each sets what it needs."""
    with served(days=3) as server:
        yield server


def settings_for(server: Served, home: Path) -> Settings:
    """Settings that point both exchanges at ``server``."""
    variables = dict(server.env, TIDEMARK_HOME=str(home), TIDEMARK_LOOKUPS="1000")
    return load_settings(variables, None)


def run(settings: Settings, *patterns: str, feeds_root: Path | None = None) -> PullReport:
    """Pull and publish, without the client's own rate limits."""
    report = only_pull(settings, *patterns, feeds_root=feeds_root)
    publish(settings)
    return report


def only_pull(settings: Settings, *patterns: str, feeds_root: Path | None = None) -> PullReport:
    """Pull without the client's own rate limits."""
    jobs = select_jobs(load_feeds(feeds_root), list(patterns))
    return pull(jobs, settings, limits=NoLimits())


@pytest.fixture
def scene(
    tmp_path: Path,
    home: Path,
    exchange: Served,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> "Scene":
    """An exchange whose clock, like that of this machine, a test moves on; retries do not wait."""
    from tests.pipelines.ingest.scene import HOUR, Scene

    made = Scene(exchange, home, tmp_path / "feeds", capsys)
    real = time.time_ns
    moved = SimpleNamespace(time_ns=lambda: real() + int(made.hours * HOUR * 1e9))
    monkeypatch.setattr(clock, "time", moved)
    at_once = partial(connectors.open_connector, sleep=lambda _: None)
    monkeypatch.setattr(connectors, "open_connector", at_once)
    return made
