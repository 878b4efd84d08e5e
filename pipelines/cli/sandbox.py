"""``tidemark demo`` and ``tidemark sandbox``: try Tidemark with an exchange on this machine."""

from pathlib import Path
from typing import Annotated

import typer

from pipelines.output.console import say, warn
from pipelines.output.exits import INTERRUPTED
from sandbox.tape import HELP
from schemas import ConfigError
from schemas.wording import count

DEFAULT_PORT = 8765


def demo() -> int:
    """Pull everything from a sandbox exchange through Dagster, and show the result.

    Starts the sandbox on a free port of this machine; nothing leaves the machine. The data are
    stored in ./data/demo, or in TIDEMARK_HOME where it is set. The sandbox continues its history
    between runs: a second run fetches only what is new.

    \b
    Examples:
      tidemark demo
      TIDEMARK_HOME=/tmp/demo tidemark demo
    """
    from pipelines.demo.run import run

    return run()


def sandbox(
    port: Annotated[int, typer.Option(help="Where to listen; 0 = any free port.")] = DEFAULT_PORT,
    tape: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help=f"Replay recorded trades: {HELP}", show_default=False),
    ] = None,
    market: Annotated[
        str, typer.Option(metavar="BASE-QUOTE", help="The market of the tape.")
    ] = "BTC-USD",
    write_dump: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Write its past days as bulk files of Binance (zip, with checksums), and end.",
            show_default=False,
        ),
    ] = None,
) -> int:
    """Run an exchange on this machine that speaks every dialect, until Ctrl-C.

    It prints the settings with which Tidemark reads from it. Its history is generated and goes on
    with the clock; with --tape it serves recorded trades instead.

    \b
    Examples:
      tidemark sandbox
      tidemark sandbox --port 0
      tidemark sandbox --tape trades.csv.gz --market XRP-ETH
      tidemark sandbox --write-dump dump
    """
    from sandbox import SandboxError, run
    from sandbox import write_dump as write_files

    try:
        if write_dump is not None:
            paths = write_files(write_dump, tape=tape, tape_market=market)
            say(f"{count(len(paths), 'file')} with checksums written below {write_dump}")
            return 0
        run(port, tape=tape, tape_market=market)
    except SandboxError as error:
        raise ConfigError(str(error)) from error
    warn("sandbox stopped")
    return INTERRUPTED
