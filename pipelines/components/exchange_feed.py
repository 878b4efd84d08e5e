"""The component behind every ``pipelines/defs/<feed>/defs.yaml``."""

from pathlib import Path
from typing import Literal

import dagster as dg
from pydantic import Field

from pipelines.feeds import COMPONENT_TYPE, FILE_NAME, load_feed, load_feeds
from pipelines.orchestration.code import feed_definitions
from schemas import ConfigError


class DatasetOptions(dg.Model, dg.Resolvable):
    """How one dataset is collected."""

    schedule: str | None = Field(
        default=None,
        description="Cron expression in UTC, in quotes; pulled then once `collect` is switched on.",
        examples=["*/5 * * * *"],
    )
    timeframes: list[str] | None = Field(
        default=None, description="Of candles: any of 5m 15m 30m 1h 4h 1d; all where left out."
    )
    lookback: int | None = Field(
        default=None, description="How much below the newest row every pull reads again."
    )
    keep_raw: bool | None = Field(default=None, description="Archive the raw responses.")


class ExchangeFeed(dg.Component, dg.Model, dg.Resolvable):
    """What is collected from one exchange, for one account."""

    exchange: str = Field(description="The connector.", examples=["bitexbit"])
    account: str = Field(default="main", description="The label that the account's rows carry.")
    markets: list[str] | Literal["all"] = Field(
        default="all", description="BASE-QUOTE or the exchange's own name each, or the word all."
    )
    start: str = Field(description="History is wanted back to here (UTC).", examples=["2016-01-01"])
    datasets: dict[str, DatasetOptions | None] = Field(
        description="What is collected; a dataset that is left out is not.",
        examples=[{"trades": {"schedule": "*/5 * * * *"}}],
    )

    @classmethod
    def get_spec(cls) -> dg.ComponentTypeSpec:
        return dg.ComponentTypeSpec(
            description="Collects one exchange's datasets into the lake.",
            owners=["team:tidemark"],
            tags=["parquet", "crypto"],
            produces=["asset"],
        )

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """Made from the same reading of the file that the command line uses.

        The fields above are what editors and ``dg check yaml`` know of the file; every rule
        (what an exchange offers, dates, markets) is checked in one place, ``pipelines.feeds``.
        """
        path = Path(context.path)
        file = path / FILE_NAME if path.is_dir() else path
        feed = load_feed(file)
        if feed is None:
            raise ConfigError(f"{file}:1: the first document must be of type {COMPONENT_TYPE}")
        return feed_definitions(feed, load_feeds(context.defs_module_path))
