"""``python -m bench``: the race, the memory check, a table, and every figure as JSON."""

import argparse
import sys
from pathlib import Path

from bench.contestants import DEFAULT, MODULES
from bench.measure import ROOT, BenchError, Result, run, say, serving
from bench.report import Memory, save, table, verdicts


def main() -> int:
    """Exit code 0 when all ran and stored the same rows; targets that are missed are only said."""
    options = _options()
    try:
        if options.profile:
            with serving(options.rows) as url:
                run("tidemark", url, options.profile.resolve())
            print(f"profile of Tidemark: {options.profile}.* (read it with python -m pstats)")
            return 0
        results = _race(options)
        memory = None if options.memory_rows == 0 else _memory(options, results)
    except BenchError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    print()
    print(table(results))
    print()
    print("\n".join(verdicts(results, memory)))
    given = {name: value for name, value in vars(options).items() if name != "profile"}
    given["output"] = options.output.name
    save(options.output, results, memory, given)
    print(f"\nevery pull: {options.output}")
    return 0


def _race(options: argparse.Namespace) -> dict[str, list[Result]]:
    results: dict[str, list[Result]] = {name: [] for name in options.contestants}
    with serving(options.rows, options.gzip) as url:
        for number in range(1, options.rounds + 1):
            for name in options.contestants:
                result = run(name, url)
                results[name].append(result)
                say(f"round {number}/{options.rounds}", result)
    return results


def _memory(options: argparse.Namespace, results: dict[str, list[Result]]) -> Memory | None:
    if not (rounds := results.get("tidemark")):
        return None
    with serving(options.memory_rows) as url:
        long = run("tidemark", url)
    say("memory", long)
    # the smallest peak of the short pulls: the strictest comparison
    return Memory(min(rounds, key=lambda r: r.peak_mib), long)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="trades to pull (%(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="(%(default)s)")
    parser.add_argument(
        "--memory-rows",
        type=int,
        default=10_000_000,
        help="the long history of the memory check; 0 leaves it out (%(default)s)",
    )
    parser.add_argument(
        "--contestants",
        nargs="+",
        choices=list(MODULES),
        default=list(DEFAULT),
        metavar="NAME",
        help=f"of {', '.join(MODULES)}; the first four by default",
    )
    parser.add_argument("--gzip", action="store_true", help="compressed answers")
    parser.add_argument("--profile", type=Path, help="only profile Tidemark, a file a thread")
    parser.add_argument("--output", type=Path, default=ROOT / "data" / "bench" / "results.json")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
