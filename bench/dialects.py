"""First pulls at other exchanges, Tidemark and dlt: ``python -m bench.dialects``.

Each race has one list of one exchange brought home from a local server that speaks its dialect
(:mod:`bench.dialect_server`), by either in a fresh process, in rounds, checked as in
``python -m bench``.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Final

from bench.contestants import DIALECTS
from bench.measure import ROOT, BenchError, Result, run, say, served
from bench.races import RACES, Race
from bench.report import machine, ratio, table, verdicts

TARGET: Final = {"dlt": 8.0}
"""How many times the rows a second of dlt Tidemark is to reach."""


def measure(race: Race, rows: int, rounds: int) -> dict[str, list[Result]]:
    """Every pull of ``race``, by contestant. Raises ``BenchError``."""
    results: dict[str, list[Result]] = {name: [] for name in DIALECTS}
    with served("bench.dialect_server", race.name, "--rows", str(rows)) as url:
        for number in range(1, rounds + 1):
            for name, done in results.items():
                done.append(run(f"{race.name}/{name}", url))
                say(f"round {number}/{rounds}", done[-1])
    return results


def main(arguments: Sequence[str] | None = None) -> int:
    """Exit code 0 when all ran and stored the same rows; a target that is missed is only said."""
    options = _options(arguments)
    races = [RACES[name] for name in options.races]
    try:
        if options.profile:
            for race in races:
                with served("bench.dialect_server", race.name, "--rows", str(options.rows)) as url:
                    path = options.profile.resolve()
                    run(f"{race.name}/tidemark", url, path.with_name(f"{path.name}.{race.name}"))
            print(f"profiles of Tidemark: {options.profile}.* (read them with python -m pstats)")
            return 0
        found = {race.name: measure(race, options.rows, options.rounds) for race in races}
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    figures = []
    for race in races:
        results = found[race.name]
        print(f"\n{race.title}\n{table(results)}", *verdicts(results, None, TARGET), sep="\n")
        figures.append(
            {
                "title": race.title,
                "rows": options.rows,
                "ratio": ratio(results, "tidemark", "dlt"),
                "rounds": {name: [asdict(r) for r in done] for name, done in results.items()},
            }
        )
    options.output.parent.mkdir(parents=True, exist_ok=True)
    document = {"machine": machine(), "races": figures}
    options.output.write_text(json.dumps(document, indent=2) + "\n")
    print(f"\nevery pull: {options.output}")
    return 0


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.dialects", description=__doc__)
    parser.add_argument("--rows", type=int, default=200_000, help="of each list (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="(%(default)s)")
    parser.add_argument(
        "--races",
        nargs="+",
        choices=list(RACES),
        default=list(RACES),
        metavar="RACE",
        help=f"of {', '.join(RACES)}; all by default",
    )
    parser.add_argument("--profile", type=Path, help="only profile Tidemark, a file a thread")
    parser.add_argument("--output", type=Path, default=ROOT / "data" / "bench" / "dialects.json")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
