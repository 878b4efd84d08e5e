"""``tidemark pull``: fetch what is missing, or a stretch again; store it, publish it."""

import fnmatch
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.cli.completion import jobs_starting
from pipelines.cli.outcome import finish, say_added
from pipelines.output.console import print_table, say, warn
from pipelines.output.exits import WRONG_USAGE
from pipelines.output.formatting import instant
from schemas import ConfigError, TidemarkError
from schemas.wording import count

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pipelines.feeds import BrokenFeed, Job
    from pipelines.ingest import PullReport, StreamReport

_SUMS = ("requests", "new rows", "replaced", "quarantined")
_AGAIN = ("received", "new rows", "differ", "not shown")
"""Of the stretch: rows received, rows that were not stored, rows that differ from those stored; of
the whole stream: stretches that the exchange does not show."""


def pull(
    select: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SELECT]...",
            help="Feeds or datasets: bitexbit, bitexbit/trades, '*/tickers'; all if none is named.",
            show_default=False,
            autocompletion=jobs_starting,
        ),
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="TIME",
            help="Fetch again from here, inclusive: 2026-01-10 or 2026-01-10T12:00Z (UTC).",
        ),
    ] = None,
    end: Annotated[
        str | None,
        typer.Option("--to", metavar="TIME", help="Fetch again up to here, exclusive; else now."),
    ] = None,
) -> int:
    """Fetch what the feeds want and is not yet held, newest first, and publish it to DuckDB.

    With --from a stretch is fetched again, whatever is covered: missing rows are stored, rows that
    differ from the stored ones are counted, and lost stretches are tried once more.

    Stops and crashes lose nothing: the next pull continues from there. Exit code 0: all is stored.
    1: something could not be fetched, the rest is stored; the last lines say what. 2: wrong usage
    or configuration; a mistake in the file of one feed does not stop the others.

    \b
    Examples:
      tidemark pull
      tidemark pull bitexbit
      tidemark pull bitexbit/trades wex/trades
      tidemark pull '*/tickers'
      tidemark pull bitexbit/trades --from 2026-01-10 --to 2026-01-12
    """
    from pipelines import ingest, publishing
    from pipelines.progress import showing
    from pipelines.settings import load_settings
    from pipelines.spans import stretch

    settings = load_settings()
    again = stretch(start, end, ("--from", "--to"))
    jobs, broken = chosen(list(select or []))
    for feed in broken:
        warn(f"{feed.error}\nThis feed is not pulled; the others are.")
    publish = partial(publishing.publish, settings)
    with showing() as report_progress, publishing.periodic_publish(publish):
        pulled = ingest.pull(jobs, settings, on_progress=report_progress, again=again)
    summarise(pulled)
    added = sum(stream.rows_added for stream in pulled.streams)
    try:
        published = publish()
    except TidemarkError:
        say(f"{count(added, 'new row')} stored, not all published")
        finish(pulled)
        raise
    say_added(added, published)
    if again is not None:
        write_again(pulled, settings.home)
    code = finish(pulled)
    for feed in broken:
        warn(f"tidemark: {feed.error}")
    return WRONG_USAGE if broken else code


def chosen(patterns: "Sequence[str]") -> "tuple[list[Job], list[BrokenFeed]]":
    """What to pull, and the feeds among those named whose file has a mistake.

    Raises ``ConfigError`` where nothing else is named.
    """
    from pipelines.feeds import readable_feeds, select_jobs

    feeds, broken = readable_feeds()
    owners = [pattern.strip("/").partition("/")[0] for pattern in patterns] or ["*"]
    named = [b for b in broken if any(fnmatch.fnmatchcase(b.name, owner) for owner in owners)]
    try:
        return select_jobs(feeds, patterns), named
    except ConfigError:
        if named:
            raise named[0].error from None
        raise


def summarise(pulled: "PullReport") -> None:
    """Write the table of what was fetched per dataset."""
    datasets: dict[tuple[str, str], list[StreamReport]] = {}
    for stream in pulled.streams:
        datasets.setdefault((stream.exchange, stream.dataset), []).append(stream)
    rows = []
    for (exchange, dataset), streams in sorted(datasets.items()):
        counts = (
            len(streams),
            sum(s.requests for s in streams),
            sum(s.rows_added for s in streams),
            sum(s.rows_replaced for s in streams),
            sum(s.quarantined for s in streams),
        )
        newest = max((s.newest for s in streams if s.newest is not None), default=None)
        at = "–" if newest is None else instant(newest)
        rows.append((f"{exchange}/{dataset}", *(f"{n:,}" for n in counts), at))
    if rows:
        numbers = ("streams", *_SUMS)
        print_table(("dataset", *numbers, "newest row"), rows, right=numbers)


def write_again(pulled: "PullReport", home: Path) -> None:
    """Write what the stretch that was fetched again brought, per stream."""
    import warehouse

    unshown = {str(status.stream): len(status.state.unshown) for status in warehouse.status(home)}
    rows = []
    for stream in pulled.streams:
        if stream.requests:
            missing = unshown.get(stream.name, 0)
            counts = (stream.refetched, stream.refetched_new, stream.differences, missing)
            rows.append((stream.name, *(f"{n:,}" for n in counts)))
    if rows:
        print_table(("fetched again", *_AGAIN), rows, right=_AGAIN)
