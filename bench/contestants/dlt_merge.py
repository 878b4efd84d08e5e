"""dlt, as its documentation teaches: a REST client, a resource with a key, merge, incremental id.

Its choices favour dlt: pages stay lists as decoded, decimals are declared so that SQL gets exact
numbers, Parquet as the load format (the quicker one for DuckDB), newest-first order declared so
that an incremental run stops early, and the Parquet copy is exported by DuckDB after the load
instead of a second pipeline.
"""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import duckdb

os.environ.setdefault("RUNTIME__DLTHUB_TELEMETRY", "false")
os.environ.setdefault("RUNTIME__LOG_LEVEL", "ERROR")

import dlt
import dlt.destinations.impl.duckdb.duck  # what a run would import while the clock runs
from dlt.sources.helpers.rest_client.client import RESTClient
from dlt.sources.helpers.rest_client.paginators import BasePaginator
from requests import Request, Response

from bench.contestants.base import Totals, read_back


class UntilIdPaginator(BasePaginator):
    """Down the ids: the next page ends below the lowest id of this one."""

    def __init__(self) -> None:
        super().__init__()
        self._until_id = 0

    def update_state(self, response: Response, data: list[Any] | None = None) -> None:
        self._has_next_page = bool(data)
        if data:
            self._until_id = data[-1]["id"] - 1

    def update_request(self, request: Request) -> None:
        request.params = {**cast(dict[str, Any], request.params), "until_id": self._until_id}


@dlt.resource(
    name="trades",
    primary_key="id",
    write_disposition="merge",
    columns={
        "date": {"data_type": "bigint"},
        "price": {"data_type": "decimal", "precision": 38, "scale": 12},
        "amount": {"data_type": "decimal", "precision": 38, "scale": 12},
    },
)
def trades(
    url: str,
    newest: Any = dlt.sources.incremental("id", initial_value=0, row_order="desc"),  # noqa: B008
) -> Iterator[list[dict[str, Any]]]:
    """All trades of the market, newest first, down to the newest of the last run."""
    client = RESTClient(url, paginator=UntilIdPaginator())
    params = {"symbol": "BTC_USD", "since_id": newest.last_value, "limit": 1000}
    yield from client.paginate("/api/v2/public/trades", params=params)


class Dlt:
    id = "id"

    def __init__(self, url: str, folder: Path) -> None:
        self._url = url
        self._database = folder / "trades.duckdb"
        self._parquet = folder / "trades.parquet"
        self._pipeline = dlt.pipeline(
            pipeline_name="bench",
            pipelines_dir=str(folder / "pipelines"),
            destination=dlt.destinations.duckdb(str(self._database)),
            dataset_name="exchange",
        )

    def source(self) -> Any:
        """What the pipeline runs."""
        return trades(self._url)

    def pull(self) -> None:
        self._pipeline.run(self.source(), loader_file_format="parquet").raise_on_failed_jobs()
        with duckdb.connect(str(self._database), read_only=True) as connection:
            connection.execute(f"COPY exchange.trades TO '{self._parquet}' (FORMAT parquet)")

    def stored(self) -> Mapping[str, Totals]:
        return read_back("exchange.trades", self.id, self._database, str(self._parquet))


RACER = Dlt
