"""The names that a home remembers: a market keeps its symbol, and a currency its code."""

from contextlib import suppress
from operator import itemgetter

from schemas import StreamId
from warehouse.errors import StorageError
from warehouse.store import Store


def remembered_names(store: Store, exchange: str) -> dict[str, str]:
    """Symbols by the exchange's own names, as the table ``markets`` holds them.

    Empty where it cannot be read: the pull of ``markets`` reports that.
    """
    stored = store.reader(StreamId(exchange, "markets")).scan(["native_symbol", "symbol", "active"])
    try:
        rows = [row for table in stored for row in table.to_pylist()]
    except StorageError:
        return {}
    # of two symbols of one name, which an older Tidemark may have stored, that of the listed market
    return {row["native_symbol"]: row["symbol"] for row in sorted(rows, key=itemgetter("active"))}


def remembered_codes(store: Store, exchange: str) -> set[str]:
    """The currencies of ``exchange``, as the tables ``currencies`` and ``markets`` hold them."""
    found: set[str] = set()
    for name, columns in (("currencies", ["currency"]), ("markets", ["base", "quote"])):
        with suppress(StorageError):  # the pull of the dataset reports that
            for table in store.reader(StreamId(exchange, name)).scan(columns):
                for column in table.columns:
                    found.update(column.to_pylist())
    return found
