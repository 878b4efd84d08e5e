"""The component behind every feed's ``defs.yaml``, and the file that scaffolding writes for it."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import click
import dagster as dg
from dagster_shared.yaml_utils.source_position import SourcePositionTree
from pydantic import BaseModel, Field, PrivateAttr

import connectors
from pipelines.feeds import (
    FILE_NAME,
    MOST_SHARDS,
    Environment,
    Feed,
    check_no_overlap,
    feed_of,
    feeds_root,
    load_feeds,
    new_feed,
    readable_feeds,
)
from pipelines.orchestration.code import feed_definitions
from pipelines.settings import load_settings
from schemas import DATASETS, TIMEFRAMES, ConfigError

_TEMPLATE: Final = {"pattern": r"\{\{"}


def _or_template(schema: Mapping[str, Any]) -> dict[str, Any]:
    """A JSON schema that allows ``{{ env.NAME }}`` as well."""
    return {"if": _TEMPLATE, "else": schema}


class DatasetOptions(dg.Model, dg.Resolvable):
    """How one dataset is collected."""

    schedule: Annotated[
        str | None,
        dg.Resolver.default(
            description="Cron expression in UTC, in quotes: minute hour day month weekday. "
            "Pulled then once `collect` is switched on.",
            examples=["*/5 * * * *", "0 0 * * *", "@hourly"],
            json_schema_extra=_or_template({"pattern": r"^\s*(@[a-z]+|\S+(\s+\S+){4})\s*$"}),
        ),
    ] = None
    timeframes: Annotated[
        list[str] | None,
        dg.Resolver.default(
            description=f"Of candles: any of {' '.join(TIMEFRAMES)}. Those that the exchange "
            "lacks are built from its trades. Where left out: all that it has.",
            examples=[["5m", "1h", "1d"]],
            json_schema_extra={"items": {"enum": list(TIMEFRAMES)}, "uniqueItems": True},
        ),
    ] = None
    lookback: Annotated[
        int | None,
        dg.Resolver.default(
            description="How much below the newest row every pull reads again: rows, or candles.",
            examples=[2000],
            json_schema_extra={"minimum": 1, "maximum": 1_000_000},
        ),
    ] = None
    keep_raw: Annotated[
        bool | None,
        dg.Resolver.default(
            description="Archive the responses as they came. Account data: yes where left out.",
            examples=[True],
        ),
    ] = None


class FeedParams(BaseModel):
    """What ``dg scaffold defs`` takes of a new feed."""

    exchange: str | None = Field(
        default=None, description="The connector; else the feed's own name where it is one."
    )
    account: str = Field(default="main", description="The label of the account's rows.")
    markets: str = Field(default="BTC-USD", description="With commas between; or all.")
    start: str = Field(default="2016-01-01", description="History is wanted back to here (UTC).")


class FeedScaffolder(dg.Scaffolder[FeedParams]):
    """Writes a feed with everything that its exchange offers, commented."""

    @classmethod
    def get_scaffold_params(cls) -> type[FeedParams]:
        return FeedParams

    def scaffold(self, request: dg.ScaffoldRequest[FeedParams]) -> None:
        name, params = request.target_path.name, request.params
        exchange = params.exchange or (name if name in connectors.names() else "bitexbit")
        markets = None if params.markets == "all" else params.markets.split(",")
        path = request.target_path / FILE_NAME
        try:
            others = load_feeds(request.target_path.parent)
            text = new_feed(path, exchange, others, markets, params.start, params.account)
        except ConfigError as error:
            with suppress(OSError):  # nothing is left behind, unless something was there before
                request.target_path.rmdir()
            raise click.ClickException(str(error)) from None
        path.write_text(text, encoding="utf-8")
        if feeds_root().resolve() != request.target_path.parent.resolve():
            click.echo(
                f"note: the feeds are in {feeds_root()}, so this file is not read. "
                "Fix: move its folder there, or use tidemark init",
                err=True,
            )


@dg.scaffold_with(FeedScaffolder)
class ExchangeFeed(dg.Component, dg.Model, dg.Resolvable):
    """What is collected from one exchange, for one account.

    Every dataset becomes the asset `<exchange>/<dataset>`; the schedule `collect` pulls it when
    it is due. `tidemark pull` reads the same file. Values may come from the environment or
    `.env`: `"{{ env.NAME }}"`, `"{{ env('NAME', 'default') }}"`.

    Example:

        type: pipelines.components.ExchangeFeed
        attributes:
          exchange: bitexbit
          account: main
          markets: [BTC-USD, ETH-USD]
          start: 2016-01-01
          datasets:
            trades: {schedule: "*/5 * * * *"}
            candles: {schedule: "*/5 * * * *", timeframes: [5m, 1h, 1d]}
            account_trades: {schedule: "*/15 * * * *", keep_raw: true}

    A file with everything that an exchange offers:

        dg scaffold defs pipelines.components.ExchangeFeed NAME --exchange wex
    """

    exchange: Annotated[
        str,
        dg.Resolver.default(
            description=f"The connector: {', '.join(connectors.names())}; or ccxt:<id>, which has "
            "a page in docs/exchanges.",
            examples=["bitexbit", "ccxt:okx"],
            json_schema_extra=_or_template(
                {"anyOf": [{"enum": list(connectors.names())}, {"pattern": "^ccxt:[a-z0-9]+$"}]}
            ),
        ),
    ]
    account: Annotated[
        str,
        dg.Resolver.default(
            description="The label that the account's rows carry. Its key is read from "
            "<EXCHANGE>_API_KEY (main) or <EXCHANGE>_<ACCOUNT>_API_KEY, and _API_SECRET "
            "(and _API_PASSPHRASE where the exchange has one).",
            examples=["main"],
            json_schema_extra=_or_template({"pattern": "^[A-Za-z0-9][A-Za-z0-9_-]*$"}),
        ),
    ] = "main"
    markets: Annotated[
        list[str] | Literal["all"],
        dg.Resolver.default(
            description="BASE-QUOTE or the exchange's own name each, or the word all. Account data "
            "are always the whole account.",
            examples=[["BTC-USD", "ETH-USD"], "all"],
            json_schema_extra={
                "if": {"type": "string"},
                "then": _or_template({"const": "all"}),
                "else": {"minItems": 1, "uniqueItems": True},
            },
        ),
    ] = "all"
    account_markets: Annotated[
        list[str] | Literal["all"] | None,
        dg.Resolver.default(
            description="Of exchanges that give account data market by market: the markets to ask "
            "for. Those above, and every listed one between currencies that the account held, "
            "where left out.",
            examples=[["BTC-USD", "ETH-USD"], "all"],
            json_schema_extra={
                "if": {"type": "string"},
                "then": _or_template({"const": "all"}),
                "else": {"if": {"type": "array"}, "then": {"minItems": 1, "uniqueItems": True}},
            },
        ),
    ] = None
    shards: Annotated[
        int,
        dg.Resolver.default(
            description="In so many parts a run pulls the markets, each in a step of its own, for "
            "executors that run steps side by side: TIDEMARK_EXECUTOR. What belongs to no market "
            "is pulled by the first.",
            examples=[8],
            json_schema_extra={"minimum": 1, "maximum": MOST_SHARDS},
        ),
    ] = 1
    start: Annotated[
        str,
        dg.Resolver.default(
            description="History is wanted back to here (UTC).",
            examples=["2016-01-01"],
            json_schema_extra=_or_template({"pattern": r"^\s*\d{4}-\d{2}-\d{2}"}),
        ),
    ]
    datasets: Annotated[
        dict[str, DatasetOptions | None],
        dg.Resolver.default(
            description="What is collected; a dataset that is left out is not. Which there are "
            "depends on the exchange.",
            examples=[{"trades": {"schedule": "*/5 * * * *"}}],
            json_schema_extra={
                "propertyNames": {"enum": [name for name in DATASETS if name != "quarantine"]},
                "minProperties": 1,
            },
        ),
    ]

    _positions: SourcePositionTree | None = PrivateAttr(default=None)
    """The lines of the file; none where the component was made in Python."""

    @classmethod
    def resolve_from_model(cls, context: dg.ResolutionContext, model: BaseModel) -> "ExchangeFeed":
        """As Dagster does it; the lines are remembered for messages."""
        found: ExchangeFeed = super().resolve_from_model(context, model)
        found._positions = context.source_position_tree
        return found

    @classmethod
    def get_spec(cls) -> dg.ComponentTypeSpec:
        return dg.ComponentTypeSpec(
            owners=["team:tidemark"],
            tags=["parquet", "crypto"],
            produces=["asset"],
        )

    @classmethod
    def get_additional_scope(cls) -> Mapping[str, Any]:
        """``env`` reads the settings, as the command line's does."""
        return {"env": Environment(load_settings().variables)}

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """The assets, jobs and schedules of the attributes as Dagster resolved them.

        Every rule (what an exchange offers, dates, markets) is in ``pipelines.feeds``; a mistake
        is a ``ConfigError`` with file and line.
        """
        mine = self.feed(context)
        readable, _ = readable_feeds(context.defs_module_path)  # others may have mistakes
        others = [feed for feed in readable if feed.path != mine.path]
        feeds = sorted([*others, mine], key=lambda feed: feed.path)
        check_no_overlap(feeds)
        return feed_definitions(mine, feeds)

    def feed(self, context: dg.ComponentLoadContext) -> Feed:
        """What the attributes declare. Raises ``ConfigError`` with file and line."""
        path, positions = Path(context.path), self._positions

        def line(place: Sequence[str | int]) -> int:
            if positions is None:  # made in Python
                return 0
            return positions.lookup_closest_and_path(["attributes", *place], None)[0].start.line

        attributes = self.model_dump(exclude_unset=True)
        return feed_of(path / FILE_NAME if path.is_dir() else path, attributes, line)
