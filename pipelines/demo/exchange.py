"""A sandbox whose world belongs to one home, so that a later run finds the same history and more.

The history that a home has collected must not change: the world's seed and epoch are stored in it,
and a home that holds other data than the sandbox's is refused.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import warehouse
from pipelines.feeds.folder import FEEDS, load_feeds
from pipelines.output.formatting import with_fix
from pipelines.settings import DUCKDB, EXECUTOR, HOME, IN_PROCESS, PUBLISH, UNPACED, load_settings
from pipelines.ui.instance import dagster_home
from sandbox import World, serve
from schemas import ConfigError
from warehouse.files import put
from warehouse.home import METASTORE

DEFAULT_HOME: Final = Path("data") / "demo"
DEMO_FEEDS: Final = Path(__file__).parent / "feeds"
FILE_NAME: Final = "sandbox.json"
SEED: Final = 1


@dataclass(frozen=True)
class Feeding:
    """A running sandbox. ``last_run``: when this home was fed before; ``None`` = never."""

    home: Path
    url: str
    exchanges: Sequence[str]
    """Those that the demo collects from: the sandbox speaks them all at one address."""
    variables: Mapping[str, str]
    """The settings with which Tidemark reads from it into ``home``."""
    last_run: datetime | None

    @property
    def greeting(self) -> str:
        """What the user is told of it first."""
        *some, last = self.exchanges
        return f"Sandbox exchange on {self.url}: it speaks {', '.join(some)} and {last}."


@contextmanager
def feeding() -> Iterator[Feeding]:
    """Serve the world of the demo's home, with the environment pointing there.

    Raises ``ConfigError`` where the home cannot be written or holds other data.
    """
    home = demo_home()
    epoch, last_run = _world_of(home)
    with serve(World(SEED, epoch), limits=False) as served:
        variables = {
            HOME: str(home),
            PUBLISH: DUCKDB,  # not among the tables of this user's own data
            METASTORE: "",  # in the home
            EXECUTOR: IN_PROCESS,  # workers elsewhere work on this user's own home
            **served.env,
            FEEDS: str(DEMO_FEEDS),
            "TIDEMARK_LOOKUPS": "8",
            UNPACED: "1",  # Kraken's allowance would make it ten minutes
            "DAGSTER_DISABLE_TELEMETRY": "1",
            "DAGSTER_HOME": str(dagster_home(home)),
        }
        with environment(variables):
            exchanges = [feed.exchange for feed in load_feeds(DEMO_FEEDS)]
            yield Feeding(home, served.base_url, exchanges, variables, last_run)
        _remember(home, epoch, datetime.now(UTC))


def demo_home() -> Path:
    """``TIDEMARK_HOME`` where it is set, else ``./data/demo``. It exists and can be written."""
    settings = load_settings()
    if HOME not in settings.variables:
        settings = load_settings({**os.environ, HOME: str(DEFAULT_HOME)})
    return settings.prepare_home()


@contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """The process's environment with ``variables``, for as long as the block runs."""
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        for name in variables:
            if name in before:
                os.environ[name] = before[name]
            else:
                del os.environ[name]


def _world_of(home: Path) -> tuple[datetime, datetime | None]:
    """Epoch of the home's world, and when it was last fed."""
    file = home / FILE_NAME
    try:
        known = json.loads(file.read_text(encoding="utf-8"))
        return datetime.fromisoformat(known["epoch"]), datetime.fromisoformat(known["last_run"])
    except FileNotFoundError:
        pass
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(
            with_fix(
                f"{file} does not describe the sandbox's world: {error}",
                f"remove the folder {home}; the demo creates it again",
            )
        ) from error
    if warehouse.has_data(home):
        raise ConfigError(
            with_fix(
                f"{home} holds data that are not the sandbox's; they will not be mixed",
                f"unset {HOME}, or point it at an empty folder",
            )
        )
    now = datetime.now(UTC)
    epoch = now.replace(minute=0, second=0, microsecond=0)
    _remember(home, epoch, now)
    return epoch, None


def _remember(home: Path, epoch: datetime, last_run: datetime) -> None:
    text = json.dumps({"seed": SEED, "epoch": epoch.isoformat(), "last_run": last_run.isoformat()})
    put(home / FILE_NAME, f"{text}\n".encode())
