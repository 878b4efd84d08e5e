"""``tidemark status``: what is covered, missing or lost, and how fresh it is."""

from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.cli.completion import streams_starting
from pipelines.output.console import say
from schemas import ConfigError

if TYPE_CHECKING:
    from schemas import StreamId


def status(
    select: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SELECT]...",
            help="wex, wex/trades, '*/tickers', 'wex/trades/BTC-*'; all if none is named.",
            show_default=False,
            autocompletion=streams_starting,
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Write every figure as one JSON object.")
    ] = False,
) -> None:
    """Show what is covered, missing and lost, stream by stream, and how fresh it is.

    Streams counted in ids show the ids proved and the dates of their rows; streams counted in time
    show the time proved. `newest row` and `checked` are ages: of the newest row held, and of the
    last pull that reached the newest end. A stream that no feed names any more is "no longer
    collected"; its rows stay until `tidemark purge` deletes them.

    \b
    Examples:
      tidemark status
      tidemark status wex '*/candles'
      tidemark status bitexbit/trades --json
      TIDEMARK_HOME=data/demo tidemark status
    """
    import warehouse
    from pipelines import status as found
    from pipelines.feeds import load_feeds
    from pipelines.settings import load_settings

    home = load_settings().home
    streams = warehouse.status(home) if warehouse.has_data(home) else []
    if not streams and not as_json:
        say(f"nothing collected yet in {home}: run tidemark pull (or tidemark demo to try it out)")
        return
    shown = found.select(streams, select or []) if streams else []
    gone: set[StreamId] = set()
    with suppress(ConfigError):  # what is stored can be shown whatever the feeds say
        names = found.symbols_of(home)
        gone = found.uncollected((s.stream for s in shown), load_feeds(), names)
    if as_json:
        say(found.as_json(shown, home, gone))
        return
    say(f"home: {home}")
    found.write_status(shown, datetime.now(UTC), gone)
