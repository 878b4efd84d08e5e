"""``tidemark import``: bulk files of exchanges and tools into the lake."""

from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.cli.outcome import finish, say_added
from pipelines.output.console import print_table, say, warn
from pipelines.output.formatting import instant, interval_text
from pipelines.output.results import write_table
from schemas.times import to_datetime
from schemas.wording import count

if TYPE_CHECKING:
    from pipelines.imports import FileImport, ImportReport

_COUNTS = ("rows", "new rows", "held", "contradict", "rejected")
_OF_FILES = ("rows", "rejected")
"""What can be said without a look at what is stored."""
_LISTED = 20
"""Rows that are listed one by one on the terminal; quarantine has all."""
_GAPS = 5
_FILES = 20
"""Files that are listed one by one; of more, those of which there is nothing to say are one row."""


def import_(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE...",
            help="CSV (also in zip or gzip), JSON, Feather or Parquet; or folders of such files.",
            show_default=False,
        ),
    ],
    exchange: Annotated[
        str, typer.Option(metavar="NAME", help="The exchange that the rows are of.")
    ],
    market: Annotated[
        str, typer.Option(metavar="BASE-QUOTE", help="The market that the rows are of.")
    ],
    dataset: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="trades, candles or reference_trades; else as the format has it.",
            show_default=False,
        ),
    ] = None,
    file_format: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="NAME",
            help="The format, where it is not recognised: binance-trades, csv, …",
            show_default=False,
        ),
    ] = None,
    columns: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=COLUMN,…",
            help="Of any other CSV: trade_id=…,timestamp=…,side=…,price=…,amount=…; a column by "
            "its header or, where there is none, by its number.",
            show_default=False,
        ),
    ] = None,
    timeframe: Annotated[
        str | None,
        typer.Option(
            metavar="5m", help="Of candles, where neither rows nor name say it.", show_default=False
        ),
    ] = None,
    ignore_checksum: Annotated[
        bool,
        typer.Option("--ignore-checksum", help="Import files that FILE.CHECKSUM does not match."),
    ] = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Read everything, store nothing: what would be imported."),
    ] = False,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="List every file, also of more than 20.")
    ] = False,
) -> int:
    """Import files of one market, and publish them to DuckDB.

    Formats: trades and candles of Binance Vision, Kraken, tardis.dev, freqtrade and Tidemark, and
    any CSV whose columns are named. The format is recognised and shown, with the first rows as
    they are stored. Nothing stored is overwritten: importing a file twice, or files that overlap,
    changes nothing; rows that contradict are listed. Rows that do not fit go to quarantine.

    Where ids have no holes, what the files cover counts as complete, and the next pull fetches
    what is missing between. Trades without the exchange's ids are kept apart, in
    reference_trades, and compared in marts.trades_compared.

    Exit code 0: all is stored. 1: a file or a row is not; the last lines say what. 2: wrong usage.

    \b
    Examples:
      tidemark import BTCUSDT-trades-2024-*.zip --exchange binance --market BTC-USDT
      tidemark import dump --exchange binance --market BTC-USD --dry-run
      tidemark import XBTUSD.csv --exchange kraken --market BTC-USD
      tidemark import my.csv --exchange binance --market BTC-USDT
        --columns trade_id=id,executed_at=when,side=side,price=px,amount=qty
    """
    from functools import partial

    from pipelines import publishing
    from pipelines.imports import Wish, import_files
    from pipelines.progress import showing_files
    from pipelines.settings import load_settings

    settings = load_settings()
    wish = Wish(
        exchange,
        market,
        dataset,
        file_format,
        columns or (),
        timeframe,
        verify=not ignore_checksum,
        dry_run=dry_run,
    )
    publish = partial(publishing.publish, settings)
    if dry_run:
        with showing_files() as report_progress:
            found = import_files(files, wish, settings, report_progress)
        summarise(found, stored=False, verbose=verbose)
        say("nothing was stored: a dry run")
        return finish(found)
    with showing_files() as report_progress, publishing.periodic_publish(publish):
        found = import_files(files, wish, settings, report_progress)
    published = publish()
    summarise(found, stored=True, verbose=verbose)
    say_added(sum(one.added for one in found.files), published)
    return finish(found)


def summarise(found: "ImportReport", *, stored: bool, verbose: bool = False) -> None:
    """Write what each file held and what it changed; rows that were refused, one by one."""
    shown: set[tuple[str, str]] = set()
    for one in found.files:
        if one.format and (one.format, one.stream) not in shown:
            shown.add((one.format, one.stream))
            _show_format(one)
    names = _COUNTS if stored else tuple(n for n in _COUNTS if n in _OF_FILES)
    rows = []
    for alike in _groups(found.files, verbose=verbose):
        sums = map(sum, zip(*map(_counts, alike), strict=True))
        counts = dict(zip(_COUNTS, sums, strict=True))
        rows.append((_label(alike), *(f"{counts[n]:,}" for n in names), *_span(alike)))
    print_table(("file", *names, "first", "last", "checksum"), rows, right=names)
    for one in found.files:
        for line in one.lines[:_LISTED]:
            warn(line)
        left = one.rejected + one.conflicts - min(len(one.lines), _LISTED)
        if left > 0:
            warn(f"… and {left:,} more in `quarantine`: tidemark sql 'FROM quarantine'")
    gaps = {gap: None for one in found.files for gap in one.gaps}
    for gap in list(gaps)[:_GAPS]:
        say(f"missing: {interval_text(gap, 'id')}; the next pull fetches them")
    if len(gaps) > _GAPS:
        say(f"… and {count(len(gaps) - _GAPS, 'more gap')}")


def _show_format(one: "FileImport") -> None:
    say(f"{one.label}: {one.title} ({one.format}) → {one.dataset} of {one.exchange} {one.stream}")
    if one.note:
        say(f"  {one.note}")
    if one.first is not None:
        write_table(one.first.drop_columns(["ingested_at"]))


def _counts(one: "FileImport") -> tuple[int, ...]:
    return one.seen + one.rejected, one.added, one.held, one.conflicts, one.rejected


def _groups(files: "list[FileImport]", *, verbose: bool) -> "list[list[FileImport]]":
    """The files of each row of the table: of many, those alike that follow one another."""
    if verbose or len(files) <= _FILES:
        return [[one] for one in files]
    return [list(alike) for _, alike in groupby(files, _kind)]


def _kind(one: "FileImport") -> tuple[object, ...]:
    """Equal for files that need no row of their own."""
    if one.rejected or one.conflicts or one.problems:
        return (id(one),)
    return one.format, one.stream, one.verified


def _label(alike: "list[FileImport]") -> str:
    if len(alike) == 1:
        return alike[0].label
    return f"{len(alike):,} files: {alike[0].label} … {alike[-1].label}"


def _span(alike: "list[FileImport]") -> tuple[str, str, str]:
    spans = [one.span for one in alike if one.span]
    first = instant(to_datetime(min(low for low, _ in spans))) if spans else "–"
    last = instant(to_datetime(max(high for _, high in spans))) if spans else "–"
    return first, last, "agrees" if alike[0].verified else "–"
