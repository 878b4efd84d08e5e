"""Counts that must not grow: ``python -m bench.check``. Requests, bytes, files, modules.

Unlike times they are the same on every machine, so that a loss of more than a fifth fails, in CI
too. ``--update`` writes the counts of now into ``bench/counts.json``, to be committed.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from bench.everyday import NEWS, SHOWN, Place, place_of
from bench.measure import ROOT, BenchError
from bench.outside import run

COUNTS: Final = ROOT / "bench" / "counts.json"
LOSS: Final = 1.2
"""A count may grow by so much; small ones by a few more (``_SLACK``)."""
_SLACK: Final = {"requests": 0, "bytes": 16_384, "files": 1, "modules": 5}
_HELD: Final = 20_000
_MARKETS: Final = 50
_LOADED: Final = """
import sys
from pipelines.cli import main
main()
print(f"modules {len(sys.modules)}")
"""


def counts() -> dict[str, int]:
    """Every count, by what it is of; the last word is its kind."""
    found: dict[str, int] = {}
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        found |= _of_one_market(Path(folder))
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        found |= _of_many(Path(folder))
    return found


def _of_one_market(folder: Path) -> dict[str, int]:
    found: dict[str, int] = {}
    with place_of(folder, _HELD) as place:
        place.feed("trades", "trades")
        place.show(SHOWN)
        place.run("pull")
        run([sys.executable, "-m", "bench.homes", str(place.home), str(_HELD - SHOWN)], {})
        place.run("pull")
        for number in range(4):  # from here on there are versions to bring up to date
            place.show(SHOWN + NEWS * (number + 1))
            place.run("pull")
        found |= _measured(place, "an idle pull", "pull")
        place.show(SHOWN + NEWS * 5)
        found |= _measured(place, "1,000 new trades", "pull")
        for name, *arguments in (
            ("--version", "--version"),
            ("sql", "sql", "select 1"),
            ("status", "status"),
            ("an idle pull", "pull"),
        ):
            done = run([sys.executable, "-c", _LOADED, *arguments], place.environment)
            found[f"{name}: modules"] = int(done.out.rpartition("modules ")[2])
        place.feed("tickers", "tickers")
        place.run("pull", "tickers")
        found |= _measured(place, "one ticker row", "pull", "tickers")
    return found


def _of_many(folder: Path) -> dict[str, int]:
    lengths = (str(SHOWN), f"1500*{_MARKETS // 2}", f"300*{_MARKETS - _MARKETS // 2 - 1}")
    with place_of(folder, _MARKETS, *lengths) as place:
        place.feed("tickers", "tickers", "all")
        for _ in range(4):
            place.run("pull")
        found = _measured(place, f"tickers of {_MARKETS} markets", "pull", "tickers")
        place.feed("trades", "trades", "all")
        place.run("pull", "trades")
        found |= _measured(place, f"{_MARKETS} idle streams of trades", "pull", "trades")
        files = [p for p in (place.home / "lake" / "tickers").rglob("*") if p.is_file()]
        found[f"tickers of {_MARKETS} markets: files"] = len(files)
    return found


def _measured(place: Place, name: str, *arguments: str) -> dict[str, int]:
    before = place.requests()
    cost = place.run(*arguments)
    return {f"{name}: requests": place.requests() - before, f"{name}: bytes": cost.written}


def losses(now: dict[str, int], before: dict[str, int]) -> list[str]:
    """What grew by more than it may, or is not known, in words."""
    found = []
    for name, value in now.items():
        was = before.get(name)
        kind = name.rpartition(" ")[2]
        if was is None:
            found.append(f"{name}: {value:,}, and no count is committed")
        elif value > was * LOSS + _SLACK[kind]:
            found.append(f"{name}: {value:,}, committed {was:,}")
    return found + [f"{name}: no longer counted" for name in before if name not in now]


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0 where no count grew by more than it may."""
    parser = argparse.ArgumentParser(prog="python -m bench.check", description=__doc__)
    parser.add_argument("--update", action="store_true", help="commit the counts of now")
    options = parser.parse_args(arguments)
    try:
        now = counts()
    except BenchError as error:
        print(f"bench-check: {error}", file=sys.stderr)
        return 1
    for name, value in now.items():
        print(f"{name:40} {value:>12,}")
    if options.update:
        COUNTS.write_text(json.dumps(now, indent=2) + "\n")
        return 0
    found = losses(now, json.loads(COUNTS.read_text()))
    for loss in found:
        print(f"bench-check: {loss}", file=sys.stderr)
    if found:
        print(
            "Fix: find what grew; or, where that is meant, python -m bench.check --update",
            file=sys.stderr,
        )
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
