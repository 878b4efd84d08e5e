"""Kraken's public results as canonical columns. Pure functions of what stands under ``result``.

Whatever does not have the documented shape raises ``ContractError``; a row that cannot be stored is
returned as rejected. Results are keyed by the market's id, whatever name was asked for.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import pyarrow.compute as pc

from connectors import columns as kinds
from connectors.base import Page
from connectors.books import book
from connectors.codes import Code, Codes
from connectors.errors import ContractError
from connectors.exact import InvalidValue, natural
from connectors.jsontext import row_type
from connectors.kraken.names import SPELLING, code, common, symbol_of
from connectors.members import Row, keyed, nth, of, parts_of
from connectors.names import Listed, Names, listed_rows, with_aliases
from connectors.rows import Built, Column, Layout, column, observed, read, rows_of
from schemas import timeframe_us
from schemas.wording import count

NO_NAMES: Final = Names(SPELLING)
_NUMBER, _SIGNED, _SIGNED_WIDE = kinds.Number(), kinds.Number(signed=True), kinds.Wide(signed=True)


def _of_one_market(body: bytes, native: str, names: Names) -> tuple[bytes, int | None]:
    """What stands under the one market of a result, and its ``last``.

    Asked for by its name, it answers under its id: only the id of another known market is wrong.
    """
    parts = parts_of(body)
    last = natural(parts.pop("last", b""))
    if len(parts) != 1:
        raise ContractError(f"{count(len(parts), 'market')} in the answer for {native!r}")
    ((key, rows),) = parts.items()
    if key != native and {key, native} <= names.known.keys():
        raise ContractError(f"{key[:40]!r} in the answer for {native!r}")
    return rows, last


_Trade: Final = row_type("PublicTrade", "price amount time side kind misc id", array_like=True)
_Candle: Final = row_type("Candle", "time open high low close vwap volume", array_like=True)


_TRADE_COLUMNS: Final = (
    column("trade_id", "id", kinds.Id(least=1)),
    column("timestamp", "time", kinds.Time()),
    column("side", "side", kinds.Choice({"b": "buy", "s": "sell"})),
    column("price", "price", _NUMBER),
    column("amount", "amount", _NUMBER),
)
_CANDLE_COLUMNS: Final = (
    column("timestamp", "time", kinds.Time()),
    *(column(name, name, _NUMBER) for name in ("open", "high", "low", "close", "volume")),
)


def trades(body: bytes, native: str, symbol: str, names: Names = NO_NAMES) -> Page:
    """``Trades`` of one market, oldest first. A row's time is no place to go on from: it is printed
    up to 119 ns off; ``last`` is.
    """
    rows, last = _of_one_market(body, native, names)
    same = {"symbol": symbol}
    layout = Layout("trades", _TRADE_COLUMNS, ("trade_id",), "trade_id", constants=same)
    page = read(layout, rows_of(rows, _Trade)).page()
    return replace(page, resume=last if page.received else None)


def candles(
    body: bytes, native: str, symbol: str, timeframe: str, clock: int, names: Names = NO_NAMES
) -> Built:
    """``OHLC`` of one market. ``clock``: the exchange's, in microseconds.

    ``last`` names the newest candle that is final. Where it is missing, the newest row is taken to
    be open, and of the others those whose interval has ended by the clock are final.
    """
    rows, last = _of_one_market(body, native, names)
    same = {"symbol": symbol, "timeframe": timeframe}
    layout = Layout("candles", _CANDLE_COLUMNS, ("timestamp",), "timestamp", constants=same)
    built = read(layout, rows_of(rows, _Candle))
    opened = built.positions
    ended = pc.less_equal(pc.add(opened, timeframe_us(timeframe)), clock)
    limit = (pc.max(opened).as_py() or 0) if last is None else last * 1_000_000 + 1
    return built.with_column("is_final", pc.and_(ended, pc.less(opened, limit)))


_TICKER_COLUMNS: Final = tuple(
    Column(name, nth(source, index), kind, required=False)
    for name, source, index, kind in (
        ("last", "c", 0, _SIGNED),
        ("bid", "b", 0, _SIGNED),
        ("ask", "a", 0, _SIGNED),
        ("high", "h", 1, _SIGNED),  # the second one is of the last 24 hours
        ("low", "l", 1, _SIGNED),
        ("base_volume", "v", 1, _SIGNED_WIDE),
        ("average", "p", 1, _SIGNED_WIDE),
    )
)


def tickers(
    body: bytes, asked: Mapping[str, str], at: int, clock: int | None, names: Names = NO_NAMES
) -> Built:
    """``Ticker``; ``asked``: symbols by the names asked for. No row names a time: it is ``clock``,
    else ``at``. ``o`` is the opening of the day, not of 24 hours ago: there is no change.
    """
    alone = next(iter(asked.values())) if len(asked) == 1 else None

    def symbol(key: str) -> str:
        if key in asked or alone is None or key in names.known:
            return asked.get(key) or symbol_of(names, key)
        return alone  # asked for by its name, it answers under its id

    wanted = set(asked.values())
    columns = (*_TICKER_COLUMNS, of("symbol", "id", kinds.Canonical(symbol)))
    layout = observed("tickers", columns, key="symbol", at=at)
    layout = replace(layout, constants={**layout.constants, "timestamp": clock or at})
    return read(layout, keyed(body), lambda row: symbol(row["id"]) in wanted)


def order_books(
    body: bytes, native: str, symbol: str, observed_at: int, names: Names = NO_NAMES
) -> Built:
    """``Depth`` of one market."""
    sides = parts_of(_of_one_market(body, native, names)[0])
    return book(sides.get("asks", b""), sides.get("bids", b""), symbol, observed_at)


_OPEN: Final = (None, "online", "limit_only", "post_only", "reduce_only")
"""States in which a market has orders that may trade; an old list names none."""
_ENABLED: Final = (None, "enabled", "deposit_only", "withdrawal_only")


def _fee(row: Row) -> Any:
    """What a taker of no volume pays; the table is a list of volumes and rates."""
    match row.get("fees"):
        case [[_, rate, *_], *_]:
            return rate
    return None


_MARKETS: Final = (
    of("native_symbol", "id", kinds.Text()),
    of("price_precision", "pair_decimals", kinds.Whole(), required=False),
    of("amount_precision", "lot_decimals", kinds.Whole(), required=False),
    of("min_amount", "ordermin", _NUMBER, required=False),
    of("min_value", "costmin", _NUMBER, required=False),
    Column("fee_rate", _fee, kinds.Percent(signed=True), required=False),
    Column("active", lambda row: row.get("status") in _OPEN, kinds.Flag()),
)


def _spelled(row: Row) -> tuple[str, str] | None:
    """Base and quote as codes, where a market has its third spelling."""
    base, _, quote = str(row.get("wsname") or "").partition("/")
    return (common(base), common(quote)) if base and quote else None


def _ids(row: Row) -> tuple[Any, Any]:
    return row.get("base"), row.get("quote")


def market_rows(body: bytes, observed_at: int, names: Names = NO_NAMES) -> Page:
    """``AssetPairs``: every market of the list, dark pools (``.d``) too."""
    source = keyed(body)
    rows = list(listed_rows(source))
    spelled: dict[str, str] = {}  # codes by currency id, of other markets
    for row in rows:
        spelled |= zip(map(str, _ids(row)), _spelled(row) or (), strict=False)

    def currencies(row: Row) -> tuple[str, str]:
        base, quote = (spelled.get(str(c)) or code(names.codes, str(c or "")) for c in _ids(row))
        return _spelled(row) or (base, quote)

    def named(row: Row, at: int) -> str:
        if not all(found := currencies(row)):
            raise InvalidValue(f"is unknown: base and quote are {str(_ids(row))[:60]}")
        return found[at]

    listed = {row["id"]: currencies(row) for row in rows}
    kind = Code(names.codes.listed(c for pair in listed.values() for c in pair if c))
    columns = (
        of("symbol", "id", Listed(names, listed)),
        Column("base", lambda row: named(row, 0), kind),
        Column("quote", lambda row: named(row, 1), kind),
        *_MARKETS,
    )
    built = read(observed("markets", columns, key="symbol", at=observed_at), source)
    return with_aliases(built, rows, "native_symbol", "symbol", ("altname", "wsname"))


def currency_rows(body: bytes, observed_at: int, codes: Codes = NO_NAMES.codes) -> Page:
    """``Assets``: every currency, variants (``.S``, ``.F``, ``.HOLD``) too; ``name`` is its id."""
    source = keyed(body)
    rows = list(listed_rows(source))
    found: dict[str, str] = {}
    for row in rows:
        mine = common(str(row.get("altname") or row["id"]))
        found[row["id"]] = row["id"] if mine in found.values() else mine
    columns = (
        Column("currency", lambda row: found.get(row["id"]), Code(codes.listed(found.values()))),
        of("name", "id", kinds.Text()),
        of("precision", "decimals", kinds.Whole()),
        Column("active", lambda row: row.get("status") in _ENABLED, kinds.Flag()),
    )
    built = read(observed("currencies", columns, key="currency", at=observed_at), source)
    return with_aliases(built, rows, "name", "currency", ("altname",))
