"""``python -m tests.fuzz --minutes 60 --seed 1``."""

import argparse
import sys
import time
import traceback
from pathlib import Path

from tests.fuzz.answers import calls
from tests.fuzz.calls import Fuzzer


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--seed", type=int, default=1, help="of the first answer; the next follow")
    parser.add_argument("--recorded", type=Path, help="a folder of recorded answers of BTC-e")
    asked = parser.parse_args()
    fuzzer = Fuzzer(calls(asked.recorded))
    end = time.monotonic() + asked.minutes * 60
    findings: dict[str, int] = {}
    slowest, slow_seed = 0.0, 0
    seed = asked.seed
    while time.monotonic() < end:
        began = time.process_time()
        try:
            fuzzer.one(seed)
        except Exception as error:
            place = traceback.extract_tb(error.__traceback__)[-1]
            kind = f"{type(error).__name__} at {Path(place.filename).name}:{place.lineno}"
            if kind not in findings:
                print(f"seed {seed}: {kind}: {str(error)[:200]!r}", flush=True)
            findings[kind] = findings.get(kind, 0) + 1
        took = time.process_time() - began
        if took > slowest:
            slowest, slow_seed = took, seed
        seed += 1
    fuzzer.close()
    print(
        f"answers tried {fuzzer.count:,} (seeds {asked.seed} to {seed - 1}), pages read "
        f"{fuzzer.pages:,}, slowest {slowest:.2f} s (seed {slow_seed}), findings {len(findings)}"
    )
    return 1 if findings else 0


if __name__ == "__main__":
    sys.exit(main())
