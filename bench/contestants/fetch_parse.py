"""The lower bound: fetch every page and parse it to exact Arrow, store nothing.

Independent of the connectors, so that it stays the same yardstick whatever becomes of them: httpx,
msgspec structs, ``timestamp[us, UTC]`` and ``decimal128(38, 12)`` columns of the ``trades`` schema,
cost included, without validation of any kind.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import httpx
import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from bench.contestants.base import Totals

_PRICE: Final = pa.decimal128(38, 12)
_COST: Final = pa.decimal128(38, 18)
_FACTOR: Final = pa.decimal128(18, 9)  # the product of two is decimal128(37, 18)
_TIME: Final = pa.timestamp("us", tz="UTC")


class Row(msgspec.Struct, gc=False):
    date: int
    id: int
    symbol: str
    price: str
    amount: str
    type: str


def parse(body: bytes, decoder: msgspec.json.Decoder[list[Row]]) -> tuple[pa.Table, list[int]]:
    """One answer as a table of trades, and its ids."""
    rows = decoder.decode(body)
    ids = [row.id for row in rows]
    price = pc.cast(pa.array([row.price for row in rows]), _PRICE)
    amount = pc.cast(pa.array([row.amount for row in rows]), _PRICE)
    cost = pc.multiply(pc.cast(price, _FACTOR), pc.cast(amount, _FACTOR)) if rows else price
    table = pa.table(
        {
            "symbol": pa.repeat(pa.scalar("BTC-USD"), len(rows)),
            "trade_id": pc.cast(pa.array(ids, pa.int64()), pa.string()),
            "timestamp": pc.cast(
                pc.multiply(pa.array([row.date for row in rows], pa.int64()), 1000), _TIME
            ),
            "side": pa.array([row.type for row in rows], pa.string()),
            "price": price,
            "amount": amount,
            "cost": pc.cast(cost, _COST),
        }
    )
    return table, ids


class FetchAndParse:
    def __init__(self, url: str, folder: Path) -> None:
        self._url = url
        self._totals = Totals(0, 0)

    def pull(self) -> None:
        decoder = msgspec.json.Decoder(list[Row])
        params: dict[str, str | int] = {"symbol": "BTC_USD", "limit": 1000}
        rows = id_sum = 0
        with httpx.Client(base_url=self._url) as client:
            while True:
                response = client.get("/api/v2/public/trades", params=params)
                response.raise_for_status()
                table, ids = parse(response.content, decoder)
                if not ids:
                    break
                rows += table.num_rows
                id_sum += sum(ids)
                params["until_id"] = ids[-1] - 1
        self._totals = Totals(rows, id_sum)

    def stored(self) -> Mapping[str, Totals]:
        return {"parsed": self._totals}


RACER = FetchAndParse
