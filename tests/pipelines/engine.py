"""A stand-in for the ingest engine, and the feeds that Dagster's definitions are made of."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg

from connectors.base import Cursor, Paging
from pipelines.feeds import Job, Shard
from pipelines.ingest import Budget, PullReport, StreamReport
from pipelines.orchestration.marts import marts_of
from pipelines.publishing import PublishReport, TableState
from pipelines.report.page import Written
from pipelines.settings import Settings
from schemas import TidemarkError
from schemas.timeframes import USUAL
from tests.feeds import write_feed

FIVE = ("trades", "candles", "tickers", "account_trades", "account_transactions")
OFFERS = {
    "bitexbit": {name: Paging(Cursor.ID, timeframes=USUAL) for name in FIVE},
    "wex": {name: Paging(Cursor.ID) for name in FIVE} | {"candles": Paging(Cursor.DERIVED)},
}
FEED = """\
exchange: {exchange}
account: {account}
markets: [BTC-USD, ETH-USD]
start: 2016-01-01
datasets:
"""
EVERY = '  {}: {{schedule: "*/5 * * * *"}}\n'


@dataclass
class Engine:
    """Answers as the ingest engine does, and remembers what it was asked."""

    pulled: list[list[str]] = field(default_factory=list)
    again: list[tuple[int, int] | None] = field(default_factory=list)
    budgets: list[Budget | None] = field(default_factory=list)
    markets: list[tuple[str, ...] | None] = field(default_factory=list)
    shards: list[Shard | None] = field(default_factory=list)
    unfinished: set[str] = field(default_factory=set)
    """Datasets with more to fetch than there is time for, as long as they are in here."""
    published: list[list[str]] = field(default_factory=list)
    written: list[Path] = field(default_factory=list)
    problems: dict[str, str] = field(default_factory=dict)
    notices: dict[str, str] = field(default_factory=dict)
    refuses: TidemarkError | None = None

    def pull(
        self,
        jobs: Sequence[Job],
        settings: Settings,
        on_progress: object = None,
        again: tuple[int, int] | None = None,
        budget: Budget | None = None,
        stop: threading.Event | None = None,
    ) -> PullReport:
        if self.refuses:
            raise self.refuses
        self.pulled.append([job.name for job in jobs])
        self.again.append(again)
        self.budgets.append(budget)
        self.markets.append(jobs[0].feed.markets)
        shard = jobs[0].feed.shard
        self.shards.append(shard)
        number = shard.number if shard else 0
        return PullReport(
            [
                StreamReport(
                    job.exchange,
                    job.dataset,
                    "BTC-USD",
                    requests=2,
                    rows_added=7,
                    refetched=40 if again else 0,
                    differences=2 if again else 0,
                    error=self.problems.get(job.name) or self.problems.get(f"{job.name} {number}"),
                    notice=self.notices.get(job.name),
                    unfinished=job.name in self.unfinished,
                )
                for job in jobs
            ]
        )

    def publish(self, settings: Settings, datasets: Sequence[str]) -> PublishReport:
        self.published.append(sorted(datasets))
        tables = {name: TableState(rows=100, rows_added=7, files=3) for name in datasets}
        return PublishReport(tables, True, settings.home / "warehouse.duckdb")

    def write(self, home: Path) -> Written:
        self.written.append(home)
        if self.refuses:
            raise self.refuses
        return Written(home / "report.html", 2_000_000)

    def state(self, settings: Settings, exchange: str, dataset: str) -> TableState:
        newest = datetime.now(UTC) - timedelta(seconds=60)
        return TableState(rows=50, files=2, newest=newest, gaps=1, lost=0)


def declare(root: Path, feed: str, exchange: str, account: str, datasets: Sequence[str]) -> None:
    head = FEED.format(exchange=exchange, account=account)
    write_feed(root, head + "".join(EVERY.format(name) for name in datasets), feed)


def keys(*names: str) -> list[dg.AssetKey]:
    return [dg.AssetKey(name.split("/")) for name in names]


MARTS = {f"marts/{mart.name}" for mart in marts_of(FIVE)}
TABLES = {f"{owner}/{name}" for owner in (*OFFERS, "warehouse") for name in FIVE}
EVERYTHING = TABLES | MARTS | {"marts/report"}


def marts_on(*datasets: str) -> set[str]:
    return {f"marts/{mart.name}" for mart in marts_of(datasets)}
