"""``python -m tests.torture --kills 300 --seed 1``."""

import argparse
import sys
import tempfile
from pathlib import Path

from tests.torture.driver import torture


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=300)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        figures = torture(
            Path(folder), asked.kills, asked.seed, lambda line: print(line, flush=True)
        )
    print(
        f"kills survived {figures.kills}, pulls finished {figures.finished}, faults injected "
        f"{figures.faults}, checks on the way {figures.checks}, rows compared "
        f"{figures.rows_compared}, differences: {len(figures.differences)}"
    )
    for difference in figures.differences:
        print(f"  {difference}")
    return 1 if figures.differences else 0


if __name__ == "__main__":
    sys.exit(main())
