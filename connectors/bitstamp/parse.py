"""Bitstamp's public answers as canonical columns. Pure functions of the body.

Whatever does not have the documented shape raises ``ContractError``; a row that cannot be stored is
returned as rejected.
"""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import replace
from itertools import chain
from typing import Any, Final

from connectors import columns as kinds
from connectors import exact, market_data
from connectors.books import book
from connectors.codes import Code, Codes
from connectors.errors import ContractError
from connectors.exact import InvalidValue
from connectors.http import Response
from connectors.jsontext import NotJsonError, row_type
from connectors.members import Row, of, parts_of
from connectors.names import Listed, Names, Spelling, listed_rows
from connectors.rows import Built, Column, Layout, Source, column, list_of, observed, read, rows_of
from schemas import RejectedRow

SPELLING: Final = Spelling(lower=True, separator="")
"""``btcusd``: which two currencies these are, only the list tells."""
NO_NAMES: Final = Names(SPELLING)
MAX_LEVELS: Final = 100_000  # of a whole book; recorded are several thousand
MAX_TRADES: Final = 50_000
"""As many are read of the answer for a day; it has a tenth of them as a rule."""
_LONGEST: Final = 4_000_000
"""Bytes of trades that are read at once: some 45,000 rows."""
_TEXT, _TIME, _NUMBER = kinds.Text(), kinds.Time(), kinds.Number()
_SIGNED, _SIGNED_WIDE = kinds.Number(signed=True), kinds.Wide(signed=True)


def content(response: Response) -> bytes:
    """What parsers read: the body, of a very long list of trades its newest part alone.

    What is left out is older than all that is read, as if the answer had been cut.
    """
    body = response.json
    if len(body) <= _LONGEST or "/transactions/" not in response.request.path:
        return body
    last = body.rfind(b"}", 0, _LONGEST)
    first = body.find(b"{", len(body) - _LONGEST)
    newest, oldest = body[: last + 1] + b"]", b"[" + body[first:]
    return newest if _first_id(newest) >= _first_id(oldest) else oldest


def _first_id(body: bytes) -> int:
    """The id of the first of ``body``'s trades; -1 where it cannot be read."""
    try:
        (row,) = listed_rows(rows_of(body[: body.find(b"}") + 1] + b"]", _Trade))
        return exact.identity(row.tid)
    except (ContractError, ValueError):
        return -1


_Trade: Final = row_type("PublicTrade", "tid date price amount type")
_TRADES: Final = Layout(
    "trades",
    (
        column("trade_id", "tid", kinds.Id()),
        column("timestamp", "date", _TIME),
        column("side", "type", kinds.Choice({"0": "buy", "1": "sell"})),
        column("price", "price", _NUMBER),
        column("amount", "amount", _NUMBER),
    ),
    key=("trade_id",),
    position="trade_id",
    fields=(b"tid", b"date", b"price", b"amount", b"type"),
    most_rows=MAX_TRADES,
)


def trades(body: bytes, symbol: str) -> Built:
    """``/transactions/<market>/``, which does not name the market."""
    layout = replace(_TRADES, constants={"symbol": symbol})
    return read(layout, rows_of(body, _Trade))


TWICE: Final = "the candle came twice in one answer, with different content"
_Candle: Final = row_type("Candle", "timestamp open high low close volume")
_CANDLE_COLUMNS: Final = market_data.candle_columns("timestamp")


def candles(body: bytes, symbol: str, timeframe: str, clock: int | None) -> Built:
    """``/ohlc/<market>/``. ``clock``: the exchange's time in microseconds, if it is reported.

    Of a candle that comes twice with different content, none is taken: it is not known which. Where
    there are several such candles, the newest one and what is newer is read, as if the answer had
    been cut: the others come with the next request.
    """
    rows = parts_of(parts_of(body).get("data", b"")).get("ohlc", b"")
    source = rows_of(rows, _Candle)
    contested = _contested(source)
    if not contested:
        return market_data.candles(source, _CANDLE_COLUMNS, symbol, timeframe, clock)
    below = max(contested - {max(contested)}, default=0)
    good, rejected = [], []
    for text in list_of(rows, "the candles"):
        try:
            opening = _opening(source.one(text))
        except NotJsonError:
            opening = None
        if opening is not None and opening <= below:
            continue
        if opening in contested:
            payload = bytes(text.payload).decode("utf-8", "backslashreplace")
            rejected.append(RejectedRow(TWICE, payload, opening, None, symbol))
        else:
            good.append(text)
    others = Source.of_texts(rows, good, source.one)
    built = market_data.candles(others, _CANDLE_COLUMNS, symbol, timeframe, clock)
    return replace(built, rejected=(*built.rejected, *rejected))


def _opening(row: Any) -> int | None:
    try:
        return exact.time_us(row.timestamp)
    except InvalidValue:
        return None


def _contested(source: Source) -> set[int]:
    """Openings that come with different content."""
    rows = list(listed_rows(source))
    if len({row.timestamp for row in rows if isinstance(row.timestamp, str | int)}) == len(rows):
        return set()
    found: defaultdict[int | None, set[str]] = defaultdict(set)
    for row in rows:
        values = (row.open, row.high, row.low, row.close, row.volume)
        found[_opening(row)].add(str(values))
    return {at for at, contents in found.items() if at is not None and len(contents) > 1}


def ticker(body: bytes, symbol: str, observed_at: int) -> Built:
    """``/ticker/<market>/``: of 24 hours."""
    if not body.lstrip().startswith(b"{") or b'"last"' not in body:
        raise ContractError("no ticker")
    prices = {name: name for name in ("last", "bid", "ask", "high", "low")}
    prices["change_percent"] = "percent_change_24"
    columns = (
        of("timestamp", "timestamp", _TIME),
        *(of(name, source, _SIGNED, required=False) for name, source in prices.items()),
        of("base_volume", "volume", _SIGNED_WIDE, required=False),
        of("average", "vwap", _SIGNED_WIDE, required=False),
    )
    layout = observed("tickers", columns, key="timestamp", at=observed_at)
    layout = replace(layout, constants={**layout.constants, "symbol": symbol})
    return read(layout, rows_of(b"[%b]" % body, Row))


def order_book(body: bytes, symbol: str, observed_at: int) -> Built:
    """``/order_book/<market>/`` with orders added up by price: the whole book."""
    sides = parts_of(body)
    return book(sides.get("asks", b""), sides.get("bids", b""), symbol, observed_at, MAX_LEVELS)


def _native(row: Row) -> Any:
    return row.get("market_symbol") or row.get("url_symbol")


def _currencies(row: Row) -> tuple[str, str]:
    """Base and quote: of ``name`` (``BTC/USD``), where they have no fields of their own."""
    base, _, quote = str(row.get("name") or "").partition("/")
    return str(row.get("base_currency") or base), str(row.get("counter_currency") or quote)


def _currency(row: Row, at: int) -> str:
    if not all(found := _currencies(row)):
        raise InvalidValue(f"is unknown: the market's name is {exact.shown(row.get('name'))}")
    return found[at]


def _least_value(row: Row) -> Any:
    """``minimum_order_value``; before, the number of a text like ``20.0 USD``."""
    text = row.get("minimum_order")
    return text.partition(" ")[0] if isinstance(text, str) else row.get("minimum_order_value")


def _is_spot(row: Row) -> bool:
    return row.get("market_type") in (None, "SPOT")


def _is_enabled(name: str) -> Callable[[Row], bool]:
    return lambda row: row.get(name) in (None, "Enabled")


def market_rows(body: bytes, observed_at: int, names: Names = NO_NAMES) -> Built:
    """``/markets/``, or ``/trading-pairs-info/``: spot markets; perpetual ones are left out."""
    source = rows_of(body, Row)
    rows = [row for row in listed_rows(source) if isinstance(_native(row), str) and _is_spot(row)]
    listed = {_native(row): _currencies(row) for row in rows}
    code = Code(names.codes.listed(chain.from_iterable(listed.values())))
    columns = (
        Column("symbol", _native, Listed(names, listed)),
        Column("base", lambda row: _currency(row, 0), code),
        Column("quote", lambda row: _currency(row, 1), code),
        Column("native_symbol", _native, _TEXT),
        of("price_precision", "counter_decimals", kinds.Whole(), required=False),
        of("amount_precision", "base_decimals", kinds.Whole(), required=False),
        Column("min_value", _least_value, _NUMBER, required=False),
        Column("active", _is_enabled("trading"), kinds.Flag()),
    )
    return read(observed("markets", columns, key="symbol", at=observed_at), source, _is_spot)


def currency_rows(body: bytes, observed_at: int, codes: Codes = NO_NAMES.codes) -> Built:
    """``/currencies/``: active are those that can be deposited or withdrawn."""
    source = rows_of(body, Row)
    comes, goes = _is_enabled("deposit"), _is_enabled("withdrawal")
    code = Code(codes.listed(row.get("currency") for row in listed_rows(source)))
    columns = (
        of("currency", "currency", code),
        Column("name", lambda row: row.get("name") or row.get("currency"), _TEXT),
        of("precision", "decimals", kinds.Whole()),
        Column("active", lambda row: comes(row) or goes(row), kinds.Flag()),
    )
    return read(observed("currencies", columns, key="currency", at=observed_at), source)
