"""dlt given Arrow tables instead of rows: what an expert would try. Not part of the default round.

The pages are parsed by the same code as ``fetch-and-parse``; dlt then skips its row-by-row
normalisation. Merge by key into DuckDB as in :mod:`bench.contestants.dlt_merge`.
"""

from collections.abc import Iterator
from typing import Any

import dlt
import httpx
import msgspec
import pyarrow as pa

from bench.contestants.dlt_merge import Dlt
from bench.contestants.fetch_parse import Row, parse


@dlt.resource(name="trades", primary_key="id", write_disposition="merge")
def trades(
    url: str,
    newest: Any = dlt.sources.incremental("id", initial_value=0, row_order="desc"),  # noqa: B008
) -> Iterator[pa.Table]:
    """All trades of the market, newest first, down to the newest of the last run."""
    decoder = msgspec.json.Decoder(list[Row])
    params: dict[str, str | int] = {
        "symbol": "BTC_USD",
        "since_id": newest.last_value,
        "limit": 1000,
    }
    with httpx.Client(base_url=url) as client:
        while True:
            response = client.get("/api/v2/public/trades", params=params)
            response.raise_for_status()
            table, ids = parse(response.content, decoder)
            if not ids:
                return
            yield table.append_column("id", pa.array(ids, pa.int64()))
            params["until_id"] = ids[-1] - 1


class DltArrow(Dlt):
    def source(self) -> Any:
        return trades(self._url)


RACER = DltArrow
