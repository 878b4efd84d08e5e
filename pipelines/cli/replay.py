"""``tidemark replay``: read the kept answers again, after a parser was mended."""

from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.cli.outcome import finish, say_added
from pipelines.cli.output import count, print_table, say
from pipelines.cli.progress import showing

if TYPE_CHECKING:
    from pipelines.ingest import PublishReport
    from pipelines.ingest.replay_report import ReplayReport

_COUNTS = {
    "streams": "streams",
    "answers": "answers",
    "rows": "rows",
    "new rows": "added",
    "replaced": "replaced",
    "released": "released",
    "quarantined": "quarantined",
}
"""What the table counts, and the name it has in the report."""


def replay(
    select: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SELECT]...",
            help="Exchanges or datasets: bitexbit, bitexbit/trades, '*/tickers'; all of which "
            "answers are kept if none is named.",
            show_default=False,
        ),
    ] = None,
) -> int:
    """Read the kept answers again, put their rows into the lake, and publish it to DuckDB.

    For use after a parser was mended; needs no exchange and no network. A row that reads
    differently now replaces the stored one. A row that was refused and reads well now is stored,
    and leaves the quarantine. Nothing more is claimed as complete than before. Replaying again
    changes nothing. Answers are kept where a feed says `keep_raw: true`, and of account data
    unless it says false. Exit code 0: all was read. 1: an answer or a row could not be read, the
    rest is stored; the last lines say what. 2: wrong usage, or no answers were kept.

    \b
    Examples:
      tidemark replay
      tidemark replay bitexbit/account_trades
      tidemark replay '*/account_*'
    """
    from pipelines import ingest
    from pipelines.feeds import load_feeds
    from pipelines.ingest import kept
    from pipelines.ingest.replay import replay as replay_streams
    from pipelines.settings import load_settings

    settings = load_settings()
    streams = kept.select(settings.home, list(select or []), load_feeds)
    with showing("answer") as report_progress:
        replayed = replay_streams(settings.prepare_home(), streams, report_progress)
    published = ingest.publish(settings)
    summarise(replayed, published)
    return finish(replayed)


def summarise(replayed: "ReplayReport", published: "PublishReport") -> None:
    """Say on stdout what was read and what it changed, per dataset."""
    print_table(
        ("dataset", *_COUNTS),
        (
            (d.name, *(f"{getattr(d, attribute):,}" for attribute in _COUNTS.values()))
            for d in replayed.datasets
        ),
        right=_COUNTS,
    )
    replaced = sum(d.replaced for d in replayed.datasets)
    if replaced:
        say(f"{count(replaced, 'stored row')} read differently now and replaced")
    released = sum(d.released for d in replayed.datasets)
    if released:
        say(f"{count(released, 'row')} left the quarantine")
    newer = sum(d.newer for d in replayed.datasets)
    if newer:
        say(f"{count(newer, 'stored row')} of later answers, which were not kept, left as they are")
    say_added(sum(d.added for d in replayed.datasets), published)
