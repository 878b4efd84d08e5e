"""What a feed is, and the jobs that it is made of."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path


@dataclass(frozen=True)
class DatasetSpec:
    """How one dataset is collected. ``line``: where it stands in the file."""

    name: str
    schedule: str | None
    """Cron expression in UTC, or none."""
    timeframes: tuple[str, ...]
    """Of candles; empty for every other dataset."""
    lookback: int | None
    """How much below the head every pull reads again: rows, or candles. ``None`` = the default."""
    keep_raw: bool | None
    line: int


@dataclass(frozen=True)
class Feed:
    """One folder of ``pipelines/defs``. ``name``: the folder's; ``path``: its ``defs.yaml``."""

    name: str
    path: Path
    exchange: str
    account: str
    markets: tuple[str, ...] | None
    """``BASE-QUOTE`` each; ``None`` = all that the exchange lists."""
    start: datetime
    """History is wanted back to here (UTC)."""
    datasets: dict[str, DatasetSpec]


@dataclass(frozen=True)
class Job:
    """One dataset of one feed: the smallest thing that can be pulled."""

    feed: Feed
    spec: DatasetSpec

    @property
    def exchange(self) -> str:
        return self.feed.exchange

    @property
    def dataset(self) -> str:
        return self.spec.name

    @property
    def name(self) -> str:
        """``bitexbit/trades``: as it is selected."""
        return f"{self.feed.name}/{self.spec.name}"


def jobs(feeds: Sequence[Feed]) -> list[Job]:
    """Every dataset of every feed, in the order of the files."""
    return [Job(feed, spec) for feed in feeds for spec in feed.datasets.values()]
