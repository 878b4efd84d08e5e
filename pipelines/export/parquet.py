"""Rows as one Parquet file: of a table in its contracted types, of a view in those of its head."""

from typing import IO

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.export.selection import Rows, Selection


def write(db: duckdb.DuckDBPyConnection, wanted: Selection, out: IO[bytes]) -> int:
    """Write the rows; returns how many."""
    rows = Rows(db, wanted)
    batches = rows.batches()
    schema = rows.contract or batches.schema
    count = 0
    with pq.ParquetWriter(out, schema, compression="zstd") as file:
        for batch in batches:
            # the cast also holds that what is never null is not
            file.write_table(pa.Table.from_batches([batch]).cast(schema))
            count += batch.num_rows
    return count
