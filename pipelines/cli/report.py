"""``tidemark report``: what the home holds, on one page for the browser."""

from pathlib import Path
from typing import Annotated

import typer

from pipelines.output.console import say
from pipelines.output.extras import require


def report(
    out: Annotated[
        Path | None,
        typer.Option(help="The file to write; by default report.html in TIDEMARK_HOME."),
    ] = None,
    market: Annotated[
        str | None, typer.Option(help="The market that the price chart opens with: BTC-USD.")
    ] = None,
    quote: Annotated[
        str | None, typer.Option(help="The currency to value accounts in; by default USD.")
    ] = None,
) -> None:
    """Write one HTML page of all that is held: prices, coverage, account, reconciliation.

    The page loads nothing from anywhere: open it offline, send it, keep it. It shows your balances,
    so be careful whom you give it to.

    \b
    Examples:
      tidemark report
      tidemark report --market ETH-USD --quote EUR --out ~/report.html
    """
    require("report")
    from pipelines.report import page
    from pipelines.settings import load_settings

    written = page.write(
        load_settings().home,
        None if out is None else out.expanduser(),
        market and market.upper(),
        quote.upper() if quote and quote.islower() else quote,
    )
    say(str(written.path))
