"""How much of an exchange's rate limit a pull uses where each answer takes long.

``python -m bench.latency``: 50 markets, first pulled, of a local exchange that answers after 200 ms
and allows 100 calls a second (BitexBit v2, section "Rate limits"). Counted at the exchange.
"""

import argparse
import json
import sys
import tempfile
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from bench.everyday import Place
from bench.measure import ROOT, BenchError, served

MARKETS: Final = 50
ROWS: Final = 40_000
LATENCY: Final = 0.2
ALLOWED: Final = 100


@dataclass(frozen=True)
class Use:
    """``share``: of the allowed calls, over the whole pull. ``busiest``: calls in any second."""

    requests: int
    seconds: float
    share: float
    busiest: int


def use_of(arrivals: Sequence[float], allowed: float) -> Use:
    """What the ``arrivals`` (seconds, in order, at least two) use of ``allowed`` calls a second."""
    seconds = arrivals[-1] - arrivals[0]
    busiest = max(bisect_left(arrivals, at + 1) - index for index, at in enumerate(arrivals))
    return Use(len(arrivals), seconds, (len(arrivals) - 1) / seconds / allowed, busiest)


def measure(folder: Path) -> Use:
    """Pull all markets once, at the pace that is kept against the real exchange."""
    with served("bench.exchange", f"{ROWS}*{MARKETS}", "--latency", str(LATENCY)) as url:
        place = Place(folder, url)
        del place.environment["TIDEMARK_UNPACED"]
        place.feed("trades", "trades", "all")
        place.run("pull")
        return use_of(place.arrivals(), ALLOWED)


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0 where it ran."""
    parser = argparse.ArgumentParser(prog="python -m bench.latency", description=__doc__)
    parser.add_argument("--output", type=Path, default=ROOT / "data" / "bench" / "latency.json")
    options = parser.parse_args(arguments)
    try:
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            use = measure(Path(folder))
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    print(
        f"{use.requests} requests in {use.seconds:.1f} s: {use.share:.2f} of the allowed rate, "
        f"{use.busiest} in the busiest second"
    )
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(asdict(use), indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
