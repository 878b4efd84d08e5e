"""Pulls over real HTTP from the sandbox exchange."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from connectors.local import NoLimits
from pipelines.feeds import load_feeds, select_jobs
from pipelines.ingest import PullReport, pull
from pipelines.publishing import publish
from pipelines.settings import Settings, load_settings
from sandbox import Served
from tests.pipelines.conftest import served


@pytest.fixture(scope="module")
def standing() -> Iterator[Served]:
    """One for several tests: none moves its clock, each sets what it needs."""
    with served() as server:
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
