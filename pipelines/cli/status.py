"""``tidemark status``: what is covered, missing or lost, and how fresh it is."""

from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.cli.completion import streams_starting
from pipelines.output.console import say
from schemas import ConfigError
from schemas.wording import count

if TYPE_CHECKING:
    from schemas import StreamId
    from warehouse.iceberg import IcebergTarget


def status(
    select: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SELECT]...",
            help="Feeds, datasets, streams: wex, '*/tickers', 'wex/trades/BTC-*'; else all.",
            show_default=False,
            autocompletion=streams_starting,
        ),
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="A line for each stream, and how datasets are paged.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Write every figure of each stream as one JSON object.")
    ] = False,
) -> None:
    """Show what is covered, missing and lost, and how fresh it is: a line for each dataset.

    It counts the streams (markets, accounts) that are wrong, were never checked up to the newest
    row, or have missing or lost stretches, and names the one to look at first. `checked` is the age
    of the last whole pull, of the stream where that is longest ago. A stream that no feed names any
    more is "no longer collected"; its rows stay until `tidemark purge` deletes them.

    With --all, streams counted in ids show the ids proved and the dates of their rows; streams
    counted in time show the time proved.

    \b
    Examples:
      tidemark status
      tidemark status wex '*/candles' --all
      tidemark status bitexbit/trades --json
      TIDEMARK_HOME=data/demo tidemark status
    """
    import warehouse
    from pipelines import status as found
    from pipelines.feeds import load_feeds
    from pipelines.settings import load_settings

    settings = load_settings()
    home = settings.home
    streams = warehouse.status(home) if warehouse.has_data(home) else []
    if not streams and not as_json:
        say(f"nothing collected yet in {home}: run tidemark pull (or tidemark demo to try it out)")
        return
    names, feeds = found.symbols_of(home), None
    with suppress(ConfigError):  # what is stored can be shown whatever the feeds say
        feeds = load_feeds()
    shown = found.select(streams, select or [], feeds or (), names) if streams else []
    gone: set[StreamId] = set()
    if feeds is not None:
        gone = found.uncollected((s.stream for s in shown), feeds, names)
    if as_json:
        say(found.as_json(shown, home, gone))
        return
    say(f"home: {home}")
    write = found.write_status if every else found.write_overview
    write(shown, datetime.now(UTC), gone)
    never = found.never_pulled(streams, feeds or ())
    if never and not select:
        say(f"never pulled: {never}")
    if settings.iceberg is not None:
        say(_iceberg_line(home, settings.iceberg))


def _iceberg_line(home: Path, target: "IcebergTarget") -> str:
    from warehouse.iceberg.marks import changes_behind

    behind = changes_behind(home, target)
    how = (
        f"{count(behind, 'change')} behind, published by the next pull" if behind else "up to date"
    )
    return f"Iceberg: {target.warehouse}, namespace {target.namespace}: {how}"
