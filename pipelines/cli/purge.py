"""``tidemark purge``: delete what is stored of streams that no feed collects any more."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.cli.completion import streams_starting
from pipelines.output.console import print_table, say, warn
from pipelines.output.formatting import size, with_fix
from schemas import ConfigError
from schemas.wording import count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from warehouse import StreamStatus


def purge(
    select: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SELECT]...",
            help="wex, wex/trades, 'wex/*/BTC-USD'; all that is not collected if none is named.",
            show_default=False,
            autocompletion=streams_starting,
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Delete. Without it nothing is.")] = False,
) -> None:
    """Show what is stored of streams that no feed collects any more; with --yes, delete it.

    Deleted are rows, quarantined rows, archived responses and the record of what was complete. An
    exchange that is gone does not give them again. What a feed still collects is never deleted, nor
    is a delisted market that its feed still names. What was imported, and never pulled, is deleted
    only where it is named.

    \b
    Examples:
      tidemark purge
      tidemark purge wex --yes
    """
    import warehouse
    from pipelines import publishing
    from pipelines.ingest.checkpoint import is_imported
    from pipelines.settings import load_settings
    from pipelines.status import select as selected
    from warehouse.purge import held
    from warehouse.purge import purge as delete

    settings = load_settings()
    home = settings.home
    streams = warehouse.status(home) if warehouse.has_data(home) else []
    gone = no_longer_collected(home, streams)
    named = selected(streams, select or []) if streams else []
    chosen = [s for s in named if s.stream in gone]
    imported = [s for s in chosen if is_imported(s.state.checkpoint)]
    if imported and not select:  # no feed was to collect it, so that it must be meant
        chosen = [s for s in chosen if s not in imported]
        names = ", ".join(sorted({f"{s.stream.exchange}/{s.stream.dataset}" for s in imported}))
        say(f"imported, and kept unless it is named: {names}")
    if not chosen:
        say("nothing to delete: every stream named is collected by a feed, or holds nothing")
        return
    found = [(s, held(home, s.stream)) for s in chosen]
    print_table(
        ("dataset", "stream", "rows", "files", "size", "archived responses"),
        (
            (
                f"{s.stream.exchange}/{s.stream.dataset}",
                s.stream.label,
                f"{s.rows:,}",
                f"{what.files:,}",
                size(what.bytes),
                size(what.raw_bytes) if what.raw_files else "–",
            )
            for s, what in found
        ),
        right=("rows", "files", "size", "archived responses"),
    )
    rows = count(sum(s.rows for s in chosen), "row")
    total = size(sum(what.bytes + what.raw_bytes for _, what in found))
    if not yes:
        say(f"{rows} in {count(len(chosen), 'stream')}, {total}: nothing is deleted without --yes")
        return
    for status in chosen:
        delete(home, status.stream)
    publishing.publish(settings)
    say(f"deleted {rows} of {count(len(chosen), 'stream')}, {total}")
    say("older versions of warehouse.duckdb hold them until later pulls replace these")


def no_longer_collected(home: Path, streams: "Sequence[StreamStatus]") -> set[object]:
    """The streams that certainly no feed collects. Raises ``ConfigError`` where that is unknown."""
    from pipelines.feeds import feeds_root, load_feeds
    from pipelines.feeds.folder import unknown_markets
    from pipelines.status import symbols_of, uncollected

    feeds = load_feeds()
    if not feeds:
        raise ConfigError(
            with_fix(
                f"no feed is declared in {feeds_root()}, so nothing tells what is collected",
                "point TIDEMARK_FEEDS at your feeds; to delete everything, remove the home",
            )
        )
    names = symbols_of(home)
    gone = uncollected((s.stream for s in streams), feeds, names)
    for exchange in {stream.exchange for stream in gone}:
        unknown = unknown_markets(feeds, exchange, names.get(exchange, {}))
        if unknown:
            warn(
                f"notice: {exchange}: markets {', '.join(unknown)} of the feeds are not in the "
                f"stored list, so no market is deleted. Fix: tidemark pull {exchange}/markets"
            )
            gone = {s for s in gone if s.exchange != exchange or s.symbol is None}
    return set(gone)
