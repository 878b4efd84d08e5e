"""``python -m sandbox``: the sandbox exchange as a program."""

import argparse
import sys

from sandbox.errors import SandboxError
from sandbox.server import run
from sandbox.tape import HELP


def main(argv: list[str] | None = None) -> int:
    """Parse the options, serve until interrupted; 2 for a user's mistake."""
    parser = argparse.ArgumentParser(prog="sandbox", description=__doc__)
    parser.add_argument("--port", type=int, default=8765, help="0 = a free one (default: 8765)")
    parser.add_argument("--tape", metavar="FILE", help=f"replay recorded trades: {HELP}")
    parser.add_argument(
        "--tape-market", default="BTC-USD", metavar="BASE-QUOTE", help="market of the tape"
    )
    parser.add_argument(
        "--column",
        action="append",
        default=[],
        metavar="MEANING=NAME",
        help="a column of the tape that has another name, e.g. --column price=px",
    )
    parser.add_argument(
        "--rows", type=int, metavar="N", help="serve N invented trades (for measurements)"
    )
    parser.add_argument("--seed", type=int, default=1, help="another seed is another world")
    parser.add_argument("--epoch", metavar="ISO", help="end of the three days of history (UTC)")
    parser.add_argument("--now", metavar="ISO", help="start the clock here instead of today")
    parser.add_argument("--no-limits", action="store_true", help="no rate limits")
    options = parser.parse_args(argv)
    columns = dict(pair.partition("=")[::2] for pair in options.column)
    try:
        run(
            options.port,
            tape=options.tape,
            tape_market=options.tape_market,
            columns=columns,
            rows=options.rows,
            seed=options.seed,
            epoch=options.epoch,
            now=options.now,
            limits=not options.no_limits,
        )
    except SandboxError as error:
        print(f"sandbox: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
