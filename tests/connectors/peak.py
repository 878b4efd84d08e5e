"""``python -m tests.connectors.peak URL EXCHANGE...``: call after call, and the memory it took.

A process of its own, since a peak is never lowered again. Prints a line for each call: the peak so
far beyond what the process took before (KiB), seconds of processor time, and what the call said.
"""

import re
import resource
import sys
import time
from pathlib import Path

import connectors
from connectors import Connection, Credentials, ExchangeError, StreamId, Window
from connectors.local import LocalNonces, NoLimits


def peak_kib() -> int:
    """The most memory that this process had. ``ru_maxrss`` may be that of the one it came from."""
    status = Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found = re.search(r"VmHWM:\s*(\d+)", status.read_text())
    assert found is not None
    return int(found[1])


def main(url: str, exchange: str, *datasets: str) -> None:
    connection = Connection(
        url,
        LocalNonces(),
        NoLimits(),
        credentials=Credentials("my-key-4711", "my-secret-0815"),
        retries=0,
    )
    connector = connectors.open_connector(exchange, connection)
    before = 0
    for dataset in ("trades", *datasets):  # the first one only for the imports that it makes
        private = dataset.startswith("account")
        symbol, account = (None, "main") if private else ("BTC-USD", None)
        began = time.process_time()
        try:
            page = connector.fetch(StreamId(exchange, dataset, symbol, account), Window())
            said = f"{page.table.num_rows} rows, {len(page.rejected)} rejected"
        except ExchangeError as error:
            said = f"{type(error).__name__}: {error}"
        took = time.process_time() - began
        peak = peak_kib()
        before = before or peak
        print(f"{peak - before}\t{took:.2f}\t{said[:300]!r}", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
