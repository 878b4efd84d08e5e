"""Writes commits into one metastore, beside others that do the same; run by ``test_metastore.py``.

``python -m tests.warehouse.metastore_child HOME NAME COMMITS``: waits for a line on standard
input, so that several begin together.
"""

import sys
import threading
from pathlib import Path

from schemas import StreamId
from warehouse.intervals import Interval
from warehouse.metastore import FileRecord, Metastore
from warehouse.state import StreamState


def main(home: Path, name: str, commits: int) -> None:
    print("ready", flush=True)
    sys.stdin.readline()
    failures: list[BaseException] = []

    def work(thread: int) -> None:
        try:
            metastore = Metastore(home)
            stream = StreamId("x", "trades", f"{name}{thread}")
            for n in range(commits):
                record = FileRecord(f"{name}{thread}-{n}", str(n), 1, 1, 1, n, n, n, n)
                metastore.record(stream, StreamState((Interval(0, n + 1, 0, n, 0),)), [record])
                metastore.state(stream)
            metastore.close()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
