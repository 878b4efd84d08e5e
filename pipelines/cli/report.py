"""``tidemark report``: what the home holds, on one page for the browser."""

import signal
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Final

import typer

from pipelines.output.console import say
from pipelines.output.extras import require

USUAL_PORT: Final = 3001


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
    serve: Annotated[
        bool,
        typer.Option("--serve", help="Show the page in the home over HTTP, until Ctrl-C."),
    ] = False,
    port: Annotated[
        int, typer.Option(help="For --serve: the port on 127.0.0.1; another one where it is taken.")
    ] = USUAL_PORT,
) -> None:
    """Write one HTML page of all that is held: prices, coverage, account, reconciliation.

    The page loads nothing from anywhere: open it offline, send it, keep it. It shows your balances,
    so be careful whom you give it to. With --serve nothing is written: the page that is there, and
    each newer one, is shown at an address of this machine, for a link or a proxy.

    \b
    Examples:
      tidemark report
      tidemark report --market ETH-USD --quote EUR --out ~/report.html
      tidemark report --serve
    """
    if serve:
        if out is not None or market is not None or quote is not None:
            raise typer.BadParameter("--serve shows the page that is there, and takes only --port")
        return _serve(port)
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


def _serve(port: int) -> None:
    from pipelines.report.serving import serving
    from pipelines.settings import REPORT_URL, load_settings

    settings = load_settings()
    address = settings.variables.get(REPORT_URL)
    with serving(settings.home, port, address) as url, suppress(KeyboardInterrupt):
        say(f"Report on {url}   (Ctrl-C stops it)")
        signal.pause()
