"""Fill a home with a long history of one market: ``python -m bench.homes HOME ROWS``.

The home was pulled already; ``ROWS`` older trades are put below what it holds, through the store,
as if they had been pulled too. Requesting 50 million rows over HTTP would take minutes and prove
nothing more.
"""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from bench.tape import draw
from pipelines.ingest import checkpoint
from schemas import StreamId, dataset
from schemas.declare import PRICE
from warehouse.costs import costs
from warehouse.store import Store

STREAM: Final = StreamId("bitexbit", "trades", "BTC-USD")
_CHUNK: Final = 200_000


def fill(home: Path, rows: int) -> None:
    """Put ``rows`` older trades into ``home``, and their coverage into its metastore."""
    store = Store(home)
    with store.open_stream(STREAM) as writer:
        state = writer.state()
        (held,) = state.complete
        span = writer.span()
        assert span is not None
        first_id, first_us = held.lower, span[0]
        known = checkpoint.load(state.checkpoint, checkpoint.Windows)
        for table in older(rows, first_id, first_us):
            lower = int(table.column("trade_id")[0].as_py())
            at = table.column("timestamp")[0].value
            moved = tuple(position - first_id + lower for position in known.beginning)
            state = replace(
                state,
                complete=(replace(held, lower=lower, first=lower + 2, first_at=at),),
                checkpoint=checkpoint.dump(msgspec.structs.replace(known, beginning=moved)),
            )
            writer.put(table, state)
    store.close()


def older(rows: int, below_id: int, below_us: int) -> Iterator[pa.Table]:
    """Trades below an id and a time, the newest chunk first; rows of a chunk in order."""
    schema = dataset("trades").file_schema
    rng = np.random.default_rng(7)
    while rows > 0:
        size = min(rows, _CHUNK)
        made = draw(size, rng)
        ids = (made.ids - made.ids[0] + below_id - 1)[::-1]
        times = ((made.times - made.times[0]) * 1000 + below_us - 1_000_000)[::-1]
        price = _decimals(made.price[::-1], 2)
        amount = _decimals(made.amount[::-1], 8)
        stamp = pa.array(times, pa.timestamp("us", "UTC"))
        values = {
            "trade_id": pc.cast(pa.array(ids), pa.string()),
            "timestamp": stamp,
            "side": pc.if_else(pa.array(made.buy[::-1]), "buy", "sell"),
            "price": price,
            "amount": amount,
            "cost": costs(pa.chunked_array([price]), pa.chunked_array([amount])),
            "ingested_at": stamp,
        }
        yield pa.table(values).select(schema.names).cast(schema)
        below_id, below_us, rows = int(ids[0]), int(times[0]), rows - size


def _decimals(numbers: np.ndarray, places: int) -> pa.Array:
    """Positive numbers as decimals; ``places`` of their digits stand behind the point."""
    words = np.zeros((len(numbers), 2), dtype=np.int64)  # low and high half, little-endian
    words[:, 0] = numbers.astype(np.int64) * 10 ** (12 - places)
    return pa.Array.from_buffers(PRICE, len(words), [None, pa.py_buffer(words.tobytes())])


def main() -> None:
    """Fill the home that the arguments name."""
    home, rows = sys.argv[1:]
    fill(Path(home), int(rows))


if __name__ == "__main__":
    main()
