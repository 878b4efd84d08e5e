"""``tidemark pull``: fetch what is wanted and not yet held, store it, publish it."""

from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.cli.outcome import finish, say_added
from pipelines.cli.output import instant, print_table
from pipelines.cli.progress import showing

if TYPE_CHECKING:
    from pipelines.ingest import PublishReport, PullReport


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

    Stops and crashes lose nothing: the next pull goes on where this one was. Exit code 0: all is
    stored. 1: something could not be had, the rest is stored; the last lines say what. 2: wrong
    usage or configuration.

    \b
    Examples:
      tidemark pull
      tidemark pull bitexbit
      tidemark pull bitexbit/trades wex/trades
      tidemark pull '*/tickers'
    """
    from pipelines import ingest
    from pipelines.feeds import load_feeds, select_jobs
    from pipelines.settings import load_settings

    settings = load_settings()
    jobs = select_jobs(load_feeds(), list(select or []))
    with showing() as report_progress:
        pulled = ingest.pull(jobs, settings, on_progress=report_progress)
    published = ingest.publish(settings)
    summarise(pulled, published)
    return finish(pulled)


def summarise(pulled: "PullReport", published: "PublishReport") -> None:
    """Say on stdout what came, per dataset, and what the warehouse holds now."""
    totals: dict[tuple[str, str], list[int]] = {}
    newest: dict[tuple[str, str], str] = {}
    for stream in pulled.streams:
        key = (stream.exchange, stream.dataset)
        sums = totals.setdefault(key, [0, 0, 0, 0, 0])
        values = (
            1,
            stream.requests,
            stream.rows_added,
            stream.rows_replaced,
            stream.quarantined,
        )
        for index, value in enumerate(values):
            sums[index] += value
        if stream.newest is not None:
            newest[key] = max(newest.get(key, ""), instant(stream.newest))
    if totals:
        columns = ("dataset", "streams", "requests", "new rows", "replaced", "quarantined")
        print_table(
            (*columns, "newest row"),
            (
                (f"{exchange}/{dataset}", *(f"{n:,}" for n in sums), newest.get(key, "–"))
                for key in sorted(totals)
                for exchange, dataset, sums in [(*key, totals[key])]
            ),
            right=columns[1:],
        )
    added = sum(stream.rows_added for stream in pulled.streams)
    say_added(added, published)
