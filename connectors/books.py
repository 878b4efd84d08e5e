"""Order books: from two lists of (price, amount), in any order, to numbered levels, best first."""

from collections.abc import Sequence
from typing import Any, Final

import pyarrow as pa
from msgspec import Raw, Struct

from connectors.base import Page
from connectors.columns import Number, Text
from connectors.jsontext import decode_row
from connectors.rows import (
    Built,
    Column,
    Layout,
    RowText,
    Source,
    list_of,
    nothing,
    object_of,
    read,
)


class _Level(Struct, array_like=True, gc=False):
    price: Any = None
    amount: Any = None
    place: Any = ""  # what a level holds besides price and amount is overwritten
    """Which list, and where in it: distinguishes the levels of one answer."""


class _Sides(Struct):
    asks: Raw
    bids: Raw


_MOST_LEVELS: Final = 40_000
"""Documented are up to 5,000 of either side."""


def book(
    asks: bytes, bids: bytes, symbol: str, observed_at: int, most_levels: int = _MOST_LEVELS
) -> Built:
    """One market's book. A level that cannot be stored is rejected; the others are numbered on.

    ``most_levels``: as many are read of both sides together.
    Raises ``ContractError`` where the sides are no lists.
    """
    texts = [
        text._replace(key=f"{side}:{number}")
        for side, body in (("ask", asks), ("bid", bids))
        for number, text in enumerate(list_of(body, f"the levels of {symbol}"))
    ]

    def one(text: RowText) -> _Level:
        level: _Level = decode_row(_Level, text.value)
        level.place = text.key or ""
        return level

    layout = Layout(
        "order_books",
        (
            Column("place", lambda level: level.place, Text()),
            Column("side", lambda level: level.place.partition(":")[0], Text()),
            Column("price", lambda level: level.price, Number()),
            Column("amount", lambda level: level.amount, Number()),
        ),
        key=("place",),
        position="observed_at",
        constants={"symbol": symbol, "observed_at": observed_at},
        most_rows=most_levels,
    )
    return _numbered(read(layout, Source.of_texts(asks + bids, texts, one)))


def book_of(body: bytes, symbol: str, observed_at: int, most_levels: int = _MOST_LEVELS) -> Built:
    """The book of an object that names its sides ``asks`` and ``bids``.

    Raises ``ContractError`` for anything else.
    """
    sides = object_of(_Sides, body, "an order book")
    return book(bytes(sides.asks), bytes(sides.bids), symbol, observed_at, most_levels)


def _numbered(built: Built) -> Built:
    """With ``level``: the rank of its price on its side."""
    sides, prices = built.columns["side"].to_pylist(), built.columns["price"].to_pylist()
    levels = [0] * len(sides)
    for side, reverse in (("ask", False), ("bid", True)):
        places = [i for i, found in enumerate(sides) if found == side]
        # Sorting is stable: levels of one price stay in the order they came in.
        for level, place in enumerate(sorted(places, key=prices.__getitem__, reverse=reverse)):
            levels[place] = level
    return built.with_column("level", pa.array(levels, pa.int32()))


def together(pages: Sequence[Page]) -> Page:
    """The books of several markets as one page."""
    if not pages:
        return nothing("order_books")
    return Page(
        pa.concat_tables([page.table for page in pages]),
        pa.concat_arrays([page.positions for page in pages]),
        tuple(rejected for page in pages for rejected in page.rejected),
    )
