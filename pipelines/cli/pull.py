"""``tidemark pull``: fetch what is wanted and not yet held, store it, publish it."""

from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.cli.outcome import finish, say_added
from pipelines.output.console import print_table
from pipelines.output.formatting import instant

if TYPE_CHECKING:
    from pipelines.ingest import PullReport, StreamReport
    from pipelines.publishing import PublishReport

_SUMS = {
    "requests": "requests",
    "new rows": "rows_added",
    "replaced": "rows_replaced",
    "quarantined": "quarantined",
}
"""What the table sums up, and the name it has in the report."""


def pull(
    select: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SELECT]...",
            help="Feeds or datasets: bitexbit, bitexbit/trades, '*/tickers'; all if none is named.",
            show_default=False,
        ),
    ] = None,
) -> int:
    """Fetch what the feeds want and is not yet held, newest first, and publish it to DuckDB.

    Stops and crashes lose nothing: the next pull continues from there. Exit code 0: all is stored.
    1: something could not be fetched, the rest is stored; the last lines say what. 2: wrong usage
    or configuration.

    \b
    Examples:
      tidemark pull
      tidemark pull bitexbit
      tidemark pull bitexbit/trades wex/trades
      tidemark pull '*/tickers'
    """
    from pipelines import ingest, publishing
    from pipelines.feeds import load_feeds, select_jobs
    from pipelines.progress import showing
    from pipelines.settings import load_settings

    settings = load_settings()
    jobs = select_jobs(load_feeds(), list(select or []))
    publish = partial(publishing.publish, settings)
    with showing() as report_progress, publishing.periodic_publish(publish):
        pulled = ingest.pull(jobs, settings, on_progress=report_progress)
    published = publish()
    summarise(pulled, published)
    return finish(pulled)


def summarise(pulled: "PullReport", published: "PublishReport") -> None:
    """Write the table of what was fetched per dataset, and what is new in the warehouse."""
    datasets: dict[tuple[str, str], list[StreamReport]] = {}
    for stream in pulled.streams:
        datasets.setdefault((stream.exchange, stream.dataset), []).append(stream)
    rows = []
    for (exchange, dataset), streams in sorted(datasets.items()):
        counts = [len(streams), *(sum(getattr(s, n) for s in streams) for n in _SUMS.values())]
        newest = max((s.newest for s in streams if s.newest is not None), default=None)
        at = "–" if newest is None else instant(newest)
        rows.append((f"{exchange}/{dataset}", *(f"{n:,}" for n in counts), at))
    if rows:
        numbers = ("streams", *_SUMS)
        print_table(("dataset", *numbers, "newest row"), rows, right=numbers)
    say_added(sum(stream.rows_added for stream in pulled.streams), published)
