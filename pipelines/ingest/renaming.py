"""Give rows that an earlier version stored under other ids those that they have now."""

import pyarrow as pa

from connectors.base import Connector
from warehouse.store import StreamWriter


def rename_stored(connector: Connector, writer: StreamWriter, received: pa.Table) -> int:
    """Rename the rows of a stream, as ``received`` rows of it show; how many were renamed.

    All its rows are read: it is for streams of few rows.
    """
    tables = list(writer.scan(writer.declared.file_schema.names))
    if not tables:
        return 0
    ids = connector.renamed(writer.declared.name, received, pa.concat_tables(tables))
    return writer.rename(ids) if ids else 0
