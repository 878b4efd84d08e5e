"""What every day's work costs: ``python -m bench.everyday``.

Each figure is of whole commands in fresh processes, measured from outside (``bench/outside.py``)
against a local exchange (``bench/exchange.py``). A home with a long history is made once
(``bench/homes.py``), published, and used for all that is measured on it.
"""

import argparse
import json
import shutil
import sys
import tempfile
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any, Final

from bench.measure import ROOT, BenchError, served
from bench.outside import Cost, command, run

SHOWN: Final = 2_000
NEWS: Final = 1_000
MARKETS: Final = 300
_ROUNDS: Final = 5
_FEED: Final = """\
type: pipelines.components.ExchangeFeed
attributes:
  exchange: bitexbit
  markets: {markets}
  start: 2020-01-01
  datasets:
    {dataset}: {{}}
"""


@dataclass(frozen=True)
class Figure:
    """Medians over the runs of one command. ``requests``: to the exchange, of one run."""

    name: str
    held: int
    cpu_seconds: float
    seconds: float
    written: int
    requests: int


class Place:
    """One home, its feeds, and the exchange that they are pulled from."""

    def __init__(self, folder: Path, url: str, held: int = 0) -> None:
        self.home, self.feeds, self.url, self.held = folder / "home", folder / "feeds", url, held
        self.environment = {
            "TIDEMARK_HOME": str(self.home),
            "TIDEMARK_FEEDS": str(self.feeds),
            "BITEXBIT_BASE_URL": url,
            "TIDEMARK_UNPACED": "1",
            "XDG_STATE_HOME": str(folder / "state"),
        }

    def feed(self, name: str, dataset: str, markets: str = "[BTC-USD]") -> None:
        """Write the feed ``name``."""
        path = self.feeds / name / "defs.yaml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(_FEED.format(markets=markets, dataset=dataset))

    def run(self, *arguments: str) -> Cost:
        """One command of Tidemark."""
        return run(command(*arguments), self.environment)

    def measure(
        self,
        name: str,
        *arguments: str,
        before: Callable[[int], object] = lambda number: None,
        rounds: int = _ROUNDS,
    ) -> Figure:
        """Run a command several times, ``before`` first each time; the first run is not counted."""
        costs, requests = [], 0
        for number in range(rounds + 1):
            before(number)
            requests = self.requests()
            costs.append(self.run(*arguments))
            requests = self.requests() - requests
        costs = costs[1:]
        figure = Figure(
            name,
            self.held,
            median(c.cpu_seconds for c in costs),
            median(c.seconds for c in costs),
            round(median(c.written for c in costs)),
            requests,
        )
        print(line(figure), flush=True)
        return figure

    def requests(self) -> int:
        """Requests that the exchange answered so far."""
        count: int = self._ask("usage")["requests"]
        return count

    def show(self, rows: int) -> None:
        """Let the exchange have so many trades of the first market."""
        self._ask(f"show?symbol=BTC_USD&rows={rows}")

    def arrivals(self) -> list[float]:
        """When each request came, in seconds; in order."""
        arrivals: list[float] = self._ask("arrivals")
        return arrivals

    def _ask(self, what: str) -> Any:
        with urllib.request.urlopen(f"{self.url}/bench/{what}", timeout=30) as response:
            return json.load(response)


def line(figure: Figure) -> str:
    """One figure as text."""
    return (
        f"{figure.name:34} {figure.held:>11,d} held  {figure.cpu_seconds:6.2f} CPU s "
        f"{figure.seconds:6.2f} s  {figure.written / 1e6:8.2f} MB written  "
        f"{figure.requests:4d} requests"
    )


@contextmanager
def place_of(folder: Path, held: int, *lengths: str) -> Iterator[Place]:
    """A home that holds ``held`` trades of one market, all published; the exchange has 1,000 more
    for each measured pull.
    """
    with served("bench.exchange", *(lengths or (str(SHOWN + NEWS * (_ROUNDS + 2)),))) as url:
        place = Place(folder, url, held)
        yield place


def long_history(folder: Path, held: int) -> list[Figure]:
    """All that is measured on a home with a long history of one market."""
    with place_of(folder, held) as place:
        place.feed("trades", "trades")
        place.show(min(held, SHOWN))
        place.run("pull")
        if held > SHOWN:
            run([sys.executable, "-m", "bench.homes", str(place.home), str(held - SHOWN)], {})
            place.run("pull")
        figures = [
            place.measure("pull with nothing new", "pull"),
            place.measure('sql "select 1"', "sql", "select 1"),
            place.measure("status", "status"),
            place.measure(
                "1,000 new trades",
                "pull",
                before=lambda number: place.show(SHOWN + NEWS * (number + 1)),
            ),
        ]
        place.feed("tickers", "tickers")
        figures.append(place.measure("one ticker row", "pull", "tickers"))
        return figures


def many_markets(folder: Path) -> list[Figure]:
    """Tickers of 300 markets, and trades of 300 markets of which half have less than a page."""
    lengths = (str(SHOWN), f"1500*{MARKETS // 2}", f"300*{MARKETS - MARKETS // 2 - 1}")
    with place_of(folder, MARKETS, *lengths) as place:
        place.feed("tickers", "tickers", "all")
        figures = [place.measure("tickers of 300 markets", "pull", "tickers")]
        place.feed("trades", "trades", "all")
        place.run("pull", "trades")
        figures.append(place.measure("300 trade streams, nothing new", "pull", "trades"))
        return figures


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0 where all ran."""
    parser = argparse.ArgumentParser(prog="python -m bench.everyday", description=__doc__)
    parser.add_argument("--held", type=int, nargs="*", default=[100_000, 5_000_000])
    parser.add_argument("--no-markets", action="store_true", help="leave out the many markets")
    parser.add_argument("--keep", type=Path, help="make the homes here, and leave them")
    parser.add_argument("--output", type=Path, default=ROOT / "data" / "bench" / "everyday.json")
    options = parser.parse_args(arguments)
    figures: list[Figure] = []
    try:
        for held in options.held:
            with _folder(options.keep, f"held-{held}") as folder:
                figures += long_history(folder, held)
        if not options.no_markets:
            with _folder(options.keep, "markets") as folder:
                figures += many_markets(folder)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps([asdict(f) for f in figures], indent=2) + "\n")
    return 0


@contextmanager
def _folder(keep: Path | None, name: str) -> Iterator[Path]:
    if keep is not None:
        shutil.rmtree(keep / name, ignore_errors=True)
        (keep / name).mkdir(parents=True)
        yield keep / name
        return
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        yield Path(folder)


if __name__ == "__main__":
    sys.exit(main())
