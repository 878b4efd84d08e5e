"""A plain script, as many are written: page down by id, one DataFrame, Parquet, DuckDB.

Prices become floats and all of the history is in memory at once; nothing is incremental.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import duckdb
import httpx
import pandas as pd

from bench.contestants.base import Totals, read_back


class PandasScript:
    def __init__(self, url: str, folder: Path) -> None:
        self._url = url
        self._database = folder / "trades.duckdb"
        self._parquet = folder / "trades.parquet"

    def pull(self) -> None:
        rows: list[dict[str, Any]] = []
        params: dict[str, str | int] = {"symbol": "BTC_USD", "limit": 1000}
        with httpx.Client(base_url=self._url) as client:
            while True:
                response = client.get("/api/v2/public/trades", params=params)
                response.raise_for_status()
                page = response.json()
                if not page:
                    break
                rows += page
                params["until_id"] = page[-1]["id"] - 1
        trades = pd.DataFrame(rows)
        trades["date"] = pd.to_datetime(trades["date"], unit="ms", utc=True)
        trades["price"] = trades["price"].astype(float)
        trades["amount"] = trades["amount"].astype(float)
        trades = trades.drop_duplicates("id").sort_values("id")
        trades.to_parquet(self._parquet, index=False)
        with duckdb.connect(str(self._database)) as connection:
            connection.execute("CREATE TABLE trades AS SELECT * FROM trades")

    def stored(self) -> Mapping[str, Totals]:
        return read_back("trades", "id", self._database, str(self._parquet))


RACER = PandasScript
