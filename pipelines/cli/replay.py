"""``tidemark replay``: parse the archived responses again, after a parser was fixed."""

from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.cli.outcome import finish, say_added
from pipelines.output.console import print_table, say
from schemas.wording import count

if TYPE_CHECKING:
    from pipelines.publishing import PublishReport
    from pipelines.replay import DatasetReplay, ReplayReport

_COUNTS = ("streams", "responses", "rows", "new rows", "replaced", "released", "quarantined")


def replay(
    select: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SELECT]...",
            help="Exchanges or datasets: bitexbit, bitexbit/trades, '*/tickers'; all that are "
            "archived if none is named.",
            show_default=False,
        ),
    ] = None,
) -> int:
    """Parse the archived responses again, store their rows in the lake, and publish it to DuckDB.

    For use after a parser was fixed; needs no exchange and no network. A row that is parsed
    differently now replaces the stored one. A row that was rejected and can be parsed now is
    stored, and leaves the quarantine. Coverage does not grow. A second replay changes nothing.
    Responses are archived where a feed says `keep_raw: true`, and those of account data unless it
    says false. Exit code 0: all was parsed. 1: a response or a row could not be, the rest is
    stored; the last lines say what. 2: wrong usage, or nothing is archived.

    \b
    Examples:
      tidemark replay
      tidemark replay bitexbit/account_trades
      tidemark replay '*/account_*'
    """
    from pipelines.feeds import load_feeds
    from pipelines.progress import showing
    from pipelines.publishing import publish
    from pipelines.replay import replay as replay_streams
    from pipelines.replay import select as select_streams
    from pipelines.settings import load_settings

    settings = load_settings()
    streams = select_streams(settings.home, list(select or []), load_feeds)
    with showing("response") as report_progress:
        replayed = replay_streams(settings.prepare_home(), streams, report_progress)
    published = publish(settings)
    summarise(replayed, published)
    return finish(replayed)


def summarise(replayed: "ReplayReport", published: "PublishReport") -> None:
    """Write what was parsed and what it changed, per dataset."""
    print_table(
        ("dataset", *_COUNTS),
        ((d.name, *(f"{n:,}" for n in counts(d))) for d in replayed.datasets),
        right=_COUNTS,
    )
    replaced = sum(d.replaced for d in replayed.datasets)
    if replaced:
        say(f"{count(replaced, 'stored row')} parsed differently now and replaced")
    released = sum(d.released for d in replayed.datasets)
    if released:
        say(f"{count(released, 'row')} left the quarantine")
    newer = sum(d.newer for d in replayed.datasets)
    if newer:
        rows = count(newer, "stored row")
        say(f"{rows} of later responses, which are not archived, left unchanged")
    say_added(sum(d.added for d in replayed.datasets), published)


def counts(d: "DatasetReplay") -> tuple[int, ...]:
    """The figures of one dataset, in the order of the table's columns."""
    return d.streams, d.responses, d.rows, d.added, d.replaced, d.released, d.quarantined
