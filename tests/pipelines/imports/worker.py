"""An import in a process that may be killed: ``python -m tests.pipelines.imports.worker FILE…``.

It says ``ready``, waits for a line, then says how far it is. Rows are stored a few at a time: there
are many moments at which a crash can leave something half done.
"""

import sys
from pathlib import Path
from unittest.mock import patch

from pipelines.imports import ImportProgress, Wish, batches, import_files, run
from pipelines.settings import load_settings

CHUNK = 1_000
NAMED = [f"{name}={name}" for name in ("trade_id", "timestamp", "side", "price", "amount")]


def wish(path: Path) -> Wish:
    """What the user says of the file."""
    return Wish("binance", "BTC-USDT", columns=NAMED if path.suffix == ".csv" else ())


def said(progress: ImportProgress) -> None:
    """Say how many rows are stored."""
    print(progress.rows, flush=True)


def main(path: Path) -> None:
    print("ready", flush=True)
    sys.stdin.readline()
    with (
        patch.object(run, "SEGMENT_ROWS", CHUNK),
        patch.object(batches, "_BLOCK", CHUNK * 40),
        patch.object(batches, "_ROWS", CHUNK),
    ):
        report = import_files([path], wish(path), load_settings(), said)
    assert report.ok, report.errors


if __name__ == "__main__":
    main(Path(sys.argv[1]))
