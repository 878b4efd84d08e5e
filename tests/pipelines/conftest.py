"""A sandbox exchange and feeds that read it; Dagster around a stand-in for the engine."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import dagster as dg
import pytest

from sandbox import Served, serve
from tests.feeds import write_feed
from tests.pipelines.engine import FIVE, OFFERS, Engine, declare
from tests.worlds import world_at

if TYPE_CHECKING:
    from tests.pulled import Pulled


@pytest.fixture
def days() -> int:
    """How long the exchange's history is: ``parametrize("days", [3])`` where one is too few."""
    return 1


@pytest.fixture
def hours_ahead() -> int:
    """How many hours a test will let pass; no less takes the time to make them on the way."""
    return 0


@pytest.fixture
def exchange(days: int, hours_ahead: int) -> Iterator[Served]:
    """A sandbox exchange whose clock stands still until a test moves it."""
    with served(days, hours_ahead) as server:
        yield server


@contextmanager
def served(days: int = 1, hours_ahead: int = 0) -> Iterator[Served]:
    """``days`` and ``hours_ahead``: as of :func:`world_at`."""
    with serve(world_at(days=days, hours_ahead=hours_ahead), limits=False) as server:
        yield server


@pytest.fixture
def after_everything(pulled: "Pulled", home: Path) -> Iterator[Served]:
    """The exchange of which ``home`` holds everything after one pull of all feeds."""
    from tests.pulled import its_world

    shutil.copytree(pulled.home, home, symlinks=True, dirs_exist_ok=True)
    with serve(its_world(), limits=False) as server:
        yield server


@pytest.fixture
def feeds(tmp_path: Path) -> Callable[..., Path]:
    """Write a feeds folder: ``feeds("exchange: wex …")`` makes one feed of the YAML attributes."""
    return partial(write_feed, tmp_path / "feeds")


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Engine:
    found = Engine()
    monkeypatch.setattr("pipelines.ingest.pull", found.pull)
    monkeypatch.setattr("pipelines.publishing.publish", found.publish)
    monkeypatch.setattr("pipelines.publishing.table_state", found.state)
    monkeypatch.setattr("pipelines.report.page.write", found.write)
    monkeypatch.setattr("connectors.names", lambda: tuple(OFFERS))
    monkeypatch.setattr("connectors.offers", OFFERS.__getitem__)
    monkeypatch.setenv("TIDEMARK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TIDEMARK_FEEDS", str(tmp_path))
    for exchange in OFFERS:
        declare(tmp_path, exchange, exchange, "main", FIVE)
    return found


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as found:
        yield found
