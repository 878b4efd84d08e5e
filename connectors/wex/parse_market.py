"""WEX's markets and order books as canonical columns. Pure functions of the body."""

from collections.abc import Mapping
from typing import Final

import msgspec

from connectors.base import Page
from connectors.books import book, together
from connectors.columns import Number, Text
from connectors.errors import ContractError
from connectors.exact import InvalidValue
from connectors.jsontext import decoder
from connectors.kinds import Flag, Percent, Whole
from connectors.rows import Built, Column, Layout, column, read
from connectors.symbols import Canonical
from connectors.wex import models
from connectors.wex.names import symbol_of
from connectors.wex.source import is_empty, keyed, members_of


class _Info(msgspec.Struct):
    pairs: msgspec.Raw


_INFO: Final = decoder(_Info)
_DEPTH: Final = decoder(models.Depth)
_NUMBER: Final = Number()


def _currency(row: models.Market, end: int) -> str:
    base, separator, quote = str(row.symbol).upper().partition("_")
    if not (base and separator and quote):
        raise InvalidValue(f"is unknown: the pair is {row.symbol!r}")
    return quote if end else base


def _active(row: models.Market) -> bool:
    """One that says nothing of it is not hidden."""
    return row.hidden is None or str(row.hidden).lower() in ("0", "false")


_MARKETS: Final = (
    column("symbol", "symbol", Canonical(symbol_of)),
    column("native_symbol", "symbol", Text()),
    Column("base", lambda row: _currency(row, 0), Text()),
    Column("quote", lambda row: _currency(row, 1), Text()),
    column("price_precision", "decimal_places", Whole(), required=False),
    column("min_amount", "min_amount", _NUMBER, required=False),
    column("min_price", "min_price", _NUMBER, required=False),
    column("max_price", "max_price", _NUMBER, required=False),
    column("fee_rate", "fee", Percent(signed=True), required=False),
    Column("active", _active, Flag()),
)


def market_rows(body: bytes, observed_at: int) -> Built:
    """``/api/3/info``: every pair of the list; a disabled one is not in it, a hidden one is."""
    try:
        pairs = bytes(_INFO.decode(body).pairs)
    except msgspec.DecodeError as error:
        raise ContractError(f"not a list of pairs ({error})") from None
    layout = Layout(
        "markets",
        _MARKETS,
        key=("symbol",),
        position="observed_at",
        constants={"observed_at": observed_at},
    )
    return read(layout, keyed(pairs, models.Market, "symbol"))


def order_books(body: bytes, asked: Mapping[str, str], observed_at: int) -> Page:
    """``/api/3/depth``; ``asked``: canonical symbol by native one.

    A pair that was not asked for, or stands twice, is a ``ContractError``.
    """
    pages: dict[str, Page] = {}
    for member in () if is_empty(body) else members_of(body):
        if member.key not in asked or member.key in pages:
            raise ContractError(f"{member.key[:40]!r} was not asked for, or came twice")
        try:
            found = _DEPTH.decode(member.value)
        except msgspec.DecodeError as error:
            raise ContractError(f"not an order book ({error})") from None
        built = book(bytes(found.asks), bytes(found.bids), asked[member.key], observed_at)
        pages[member.key] = built.page()
    return together(list(pages.values()))
