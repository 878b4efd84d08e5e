"""Pulls over real HTTP from the sandbox exchange."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from connectors.local import NoLimits
from pipelines.feeds import load_feeds, select_jobs
from pipelines.ingest import PullReport, publish, pull
from pipelines.settings import Settings, load_settings
from sandbox import ManualClock, Served, World, serve

EPOCH = "2026-01-10T00:00:00"


@pytest.fixture
def exchange() -> Iterator[Served]:
    """A sandbox exchange whose clock stands still until a test moves it."""
    yield from _served()


@pytest.fixture(scope="module")
def standing() -> Iterator[Served]:
    """One for several tests: none moves its clock, each sets the laws and faults that it needs."""
    yield from _served()


def _served() -> Iterator[Served]:
    world = World(seed=7, epoch=EPOCH, clock=ManualClock(EPOCH))
    with serve(world, limits=False) as server:
        yield server


def settings_for(server: Served, home: Path) -> Settings:
    """Settings that point both exchanges at ``server``."""
    variables = dict(server.env, TIDEMARK_HOME=str(home), TIDEMARK_LOOKUPS="1000")
    return load_settings(variables, None)


@pytest.fixture
def feeds(tmp_path: Path) -> Callable[[str], Path]:
    """Write a feeds folder: ``feeds("exchange: wex …")`` makes one feed of the YAML attributes."""

    def write(attributes: str, name: str = "one") -> Path:
        folder = tmp_path / "feeds" / name
        folder.mkdir(parents=True, exist_ok=True)
        body = "".join(f"  {line}\n" for line in attributes.strip().splitlines())
        text = f"type: pipelines.components.ExchangeFeed\nattributes:\n{body}"
        (folder / "defs.yaml").write_text(text)
        return folder.parent

    return write


def run(settings: Settings, *patterns: str, feeds_root: Path | None = None) -> PullReport:
    """Pull and publish, without the client's own rate limits."""
    report = only_pull(settings, *patterns, feeds_root=feeds_root)
    publish(settings)
    return report


def only_pull(settings: Settings, *patterns: str, feeds_root: Path | None = None) -> PullReport:
    """Pull without the client's own rate limits."""
    jobs = select_jobs(load_feeds(feeds_root), list(patterns))
    return pull(jobs, settings, limits=NoLimits())
