"""``tidemark export``: hand data to other programs."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from enum import StrEnum
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from pipelines.output.console import say, warn
from pipelines.output.formatting import with_fix
from pipelines.spans import span
from schemas import ConfigError
from schemas.wording import count

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from pipelines.export.events import Scope

app = typer.Typer(
    help="""Hand data to other programs: CSV, Parquet, Beancount, hledger, tax calculators.

    \b
    Examples:
      tidemark export csv trades --symbol BTC-USD --out trades.csv
      tidemark export beancount --out tidemark.beancount
      tidemark export tax --help
    """,
    short_help="Hand data to other programs: CSV, Parquet, Beancount, taxes.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Table = Annotated[
    str,
    typer.Argument(
        metavar="DATASET_OR_VIEW", help="trades, ledger, marts.vwap_daily, …: any table or view."
    ),
]
Exchange = Annotated[str | None, typer.Option(help="Only rows of this exchange.")]
Symbol = Annotated[str | None, typer.Option(help="Only rows of this market: BTC-USD.")]
Account = Annotated[str | None, typer.Option(help="Only rows of this account: main.")]
Start = Annotated[
    str | None, typer.Option(help="From here, inclusive: 2026-01-10 or 2026-01-10T12:00Z (UTC).")
]
End = Annotated[str | None, typer.Option(help="To here, exclusive.")]
Out = Annotated[str, typer.Option(metavar="FILE", help="Where to write; - is standard output.")]


class TaxFormat(StrEnum):
    """Programs whose records can be written."""

    BITTYTAX = "bittytax"


@app.command("csv", short_help="Rows of a table or view as text.")
def csv(
    table: Table,
    exchange: Exchange = None,
    symbol: Symbol = None,
    account: Account = None,
    start: Start = None,
    end: End = None,
    out: Out = "-",
    safe: Annotated[
        bool, typer.Option("--safe", help="For spreadsheets: no text becomes a formula.")
    ] = False,
) -> None:
    """Write the rows of a table or view as CSV.

    Decimals are exact and in plain notation, times are UTC, NULL is nothing at all and the empty
    text is "". Texts are exact too, so a spreadsheet may take one for a formula: with --safe those
    that begin with = + - @ get a ' before them. Rows come in the order of exchange, market or
    account, and time. A file appears only when it is complete. Exit code 0: written. 1: it could
    not be. 2: wrong usage.

    \b
    Examples:
      tidemark export csv trades --symbol BTC-USD --start 2026-01-10 --out trades.csv
      tidemark export csv marts.vwap_daily
      tidemark export csv ledger --exchange wex | head
    """
    from pipelines.export.tables import Selection, write_csv
    from pipelines.output.files import text_file

    wanted = Selection(table, exchange, symbol, account, *span(start, end, ("--start", "--end")))
    _write(lambda db, to: write_csv(db, wanted, to, safe=safe), text_file(out), out, "row")


@app.command("parquet", short_help="Rows of a table or view as one Parquet file.")
def parquet(
    table: Table,
    out: Annotated[str, typer.Option(metavar="FILE", help="Where to write.")],
    exchange: Exchange = None,
    symbol: Symbol = None,
    account: Account = None,
    start: Start = None,
    end: End = None,
) -> None:
    """Write the rows of a table or view as one Parquet file, of the types of the data dictionary.

    Rows come in the order of exchange, market or account, and time. The file appears only when it
    is complete. Exit code 0: written. 1: it could not be. 2: wrong usage.

    \b
    Examples:
      tidemark export parquet trades --symbol BTC-USD --out btc-usd.parquet
      tidemark export parquet marts.fills --account main --out fills.parquet
    """
    from pipelines.export.tables import Selection, write_parquet
    from pipelines.output.files import STDOUT, whole_file

    if out == STDOUT:
        fix = "--out FILE, or tidemark export csv"
        raise ConfigError(with_fix("Parquet needs a file", fix))
    wanted = Selection(table, exchange, symbol, account, *span(start, end, ("--start", "--end")))
    target = whole_file(Path(out), "wb")
    _write(lambda db, to: write_parquet(db, wanted, to), target, out, "row")


@app.command("beancount", short_help="The accounts as a Beancount journal.")
def beancount(
    exchange: Exchange = None,
    account: Account = None,
    start: Start = None,
    end: End = None,
    out: Out = "-",
) -> None:
    """Write the history of the accounts as a balanced journal for Beancount 3.

    Every trade, fee, deposit, withdrawal, credit and debit of the ledger once, with the id it has
    at the exchange; fills of one order share a link. A trade is written at its total price; for
    gains by lot see `realised_profit` in the data dictionary. Where the exchange's own balance was
    that of the history, an exact balance assertion follows at the next midnight (UTC).

    A withdrawal counts from when it is asked for and is flagged ! while it is under way; one that
    failed is not there. A deposit or credit counts once it is there; until then it is a comment at
    the end and a notice. What WEX lays aside for open orders is still owned, and no transaction.
    With --start, what was there before is one opening balance per currency.

    \b
    Examples:
      tidemark export beancount --out tidemark.beancount
      tidemark export beancount --exchange wex --account main --start 2026-01-01
    """
    from pipelines.export import beancount as export
    from pipelines.export.events import Scope

    scope = Scope(exchange, account, *span(start, end, ("--start", "--end")))
    _accounts(export.write, scope, out, "transaction")


@app.command("hledger", short_help="The accounts as an hledger journal.")
def hledger(
    exchange: Exchange = None,
    account: Account = None,
    start: Start = None,
    end: End = None,
    out: Out = "-",
) -> None:
    """Write the history of the accounts as a balanced journal for hledger.

    Its content and the treatment of pending transfers: tidemark export beancount --help.

    \b
    Examples:
      tidemark export hledger --out tidemark.journal
      tidemark export hledger --exchange wex | hledger -f - balance Assets
    """
    from pipelines.export import hledger as export
    from pipelines.export.events import Scope

    scope = Scope(exchange, account, *span(start, end, ("--start", "--end")))
    _accounts(export.write, scope, out, "transaction")


@app.command("tax", short_help="The accounts as records for a tax calculator.")
def tax(
    format: Annotated[TaxFormat, typer.Option(help="Of which program.")] = TaxFormat.BITTYTAX,
    exchange: Exchange = None,
    account: Account = None,
    out: Out = "-",
) -> None:
    """Write the history of the accounts as transaction records for a tax calculator.

    Always the whole history: the calculator needs the purchases of earlier years. BittyTax values
    the records itself (`bittytax tax.csv`); `bittytax --audit tax.csv` shows the balances, which
    are those of the ledger. Deposits and withdrawals are transfers, not taxed. So are credits and
    debits, with the exchange's words in the note: change their Type if they were income, a gift or
    a payment. A withdrawal under way is a record whose note says so; one that failed is not there;
    a deposit or credit is a record once it is there, and until then a notice.

    \b
    Examples:
      tidemark export tax --out tax.csv
      tidemark export tax --format bittytax --exchange bitexbit --account main
    """
    from pipelines.export import bittytax as export
    from pipelines.export.events import Scope

    _accounts(export.write, Scope(exchange, account), out, "record")


def _accounts(
    write: "Callable[[DuckDBPyConnection, Scope, IO[str]], int]",
    scope: "Scope",
    out: str,
    noun: str,
) -> None:
    """Write the events of ``scope``, and report what they leave out."""
    from pipelines.export.events import left_out
    from pipelines.output.files import text_file

    def make(db: "DuckDBPyConnection", to: IO[str]) -> int:
        written = write(db, scope, to)
        for text in left_out(db, scope):
            warn(f"notice: not counted yet: {text}")
        return written

    _write(make, text_file(out), out, noun)


def _write(
    make: "Callable[[DuckDBPyConnection, IO[Any]], int]",
    target: AbstractContextManager[IO[Any]],
    out: str,
    noun: str,
) -> None:
    from pipelines.export.sql import opened
    from pipelines.settings import load_settings

    with opened(load_settings().home) as db, target as to:
        written = make(db, to)
    if out != "-":
        say(f"{count(written, noun)}: {out}")
