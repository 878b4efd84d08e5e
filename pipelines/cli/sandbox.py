"""``tidemark sandbox``: the sandbox exchange, in the foreground."""

from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli.output import warn
from pipelines.cli.run import INTERRUPTED
from sandbox.tape import HELP
from schemas import ConfigError

DEFAULT_PORT = 8765


def sandbox(
    port: Annotated[int, typer.Option(help="Where to listen; 0 = any free port.")] = DEFAULT_PORT,
    tape: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help=f"Replay recorded trades: {HELP}", show_default=False),
    ] = None,
    market: Annotated[
        str, typer.Option(metavar="BASE-QUOTE", help="The market of the tape.")
    ] = "BTC-USD",
) -> int:
    """Run an exchange on this machine that speaks both dialects, until Ctrl-C.

    It prints the settings with which Tidemark reads from it. Its world is made up and moves on with
    the clock; with --tape it serves recorded trades instead.

    \b
    Examples:
      tidemark sandbox
      tidemark sandbox --port 0
      tidemark sandbox --tape trades.csv.gz --market XRP-ETH
    """
    from sandbox import SandboxError, run

    try:
        run(port, tape=tape, tape_market=market)
    except SandboxError as error:
        raise ConfigError(str(error)) from error
    warn("sandbox stopped")
    return INTERRUPTED
