"""BitexBit's answers as canonical pages. Pure functions of the body.

Whatever is not an array of rows raises ``ContractError``; a row that cannot be stored is returned
as rejected.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
import pyarrow.compute as pc

from connectors.base import Page
from connectors.bitexbit import models
from connectors.bitexbit.names import symbol_of
from connectors.bitexbit.source import rows_of
from connectors.columns import Choice, Id, Number, Text, Time
from connectors.errors import ContractError
from connectors.exact import InvalidValue
from connectors.jsontext import decoder
from connectors.rows import Built, Column, Layout, column, read
from connectors.symbols import Canonical, Only, code_of
from schemas import timeframe_us

SIDES: Final = {"buy": "buy", "sell": "sell"}
_TRANSFER_STATES: Final = {"10": "pending", "20": "failed", "30": "ok"}
_ID, _TIME, _NUMBER, _SIGNED, _TEXT = Id(), Time(), Number(), Number(signed=True), Text()


_FILL: Final = (
    column("trade_id", "id", _ID),
    column("timestamp", "date", _TIME),
    column("side", "type", Choice(SIDES)),
    column("price", "price", _NUMBER),
    column("amount", "amount", _NUMBER),
)
_FILL_FIELDS: Final = (b"id", b"date", b"type", b"symbol", b"price", b"amount")

_ACCOUNT_TRADES: Final = Layout(
    "account_trades",
    (
        *_FILL,
        column("symbol", "symbol", Canonical(symbol_of)),
        # A maker's fee may be a rebate.
        column("fee_amount", "fee_amount", _SIGNED, required=False),
        column("fee_rate", "fee_rate", _SIGNED, required=False),
        column("fee_currency", "fee_symbol", _TEXT, required=False),
    ),
    key=("trade_id", "symbol"),
    position="trade_id",
    fields=_FILL_FIELDS,
)

_CANDLE_COLUMNS: Final = (
    column("timestamp", "date", _TIME),
    *(column(name, name, _NUMBER) for name in ("open", "high", "low", "close", "volume")),
)

_TICKER_COLUMNS: Final = (
    column("timestamp", "date", _TIME),
    *(
        column(name, source, _SIGNED, required=False)
        for name, source in {
            "last": "last",
            "bid": "buy",
            "ask": "sell",
            "high": "high",
            "low": "low",
            "base_volume": "vol1",
            "quote_volume": "vol2",
            "change_percent": "change",
        }.items()
    ),
)


def trades(body: bytes, native: str, symbol: str) -> Built:
    """``/public/trades`` of one market. A row of another market is a ``ContractError``."""
    layout = Layout(
        "trades",
        (*_FILL, column("symbol", "symbol", Only(native, symbol))),
        key=("trade_id",),
        position="trade_id",
        fields=_FILL_FIELDS,
    )
    return read(layout, rows_of(body, models.Trade))


def account_trades(body: bytes) -> Built:
    """``/private/trades`` of all markets. No order is named, nor who was the maker."""
    return read(_ACCOUNT_TRADES, rows_of(body, models.AccountTrade))


def candles(body: bytes, symbol: str, timeframe: str, clock: int | None) -> Built:
    """``/public/ohlcv``. ``clock``: the exchange's time in microseconds, where it is reported.

    A candle is final when its interval has ended by that clock. Without one, the newest opening
    time of the answer is all that is known of the exchange's time: it proves that the intervals
    before have ended, and never its own.
    """
    layout = Layout(
        "candles",
        _CANDLE_COLUMNS,
        key=("timestamp",),
        position="timestamp",
        constants={"symbol": symbol, "timeframe": timeframe},
    )
    built = read(layout, rows_of(body, models.Candle))
    opened = built.positions
    if clock is None:
        clock = pc.max(opened).as_py() or 0
    ended = pc.less_equal(pc.add(opened, timeframe_us(timeframe)), clock)
    return built.with_column("is_final", ended)


def tickers(body: bytes, asked: Mapping[str, str], observed_at: int) -> Built:
    """``/public/tickers``; ``asked``: canonical symbol by native one. Others are left out."""
    layout = Layout(
        "tickers",
        (*_TICKER_COLUMNS, column("symbol", "symbol", Choice(asked))),
        key=("symbol",),
        position="observed_at",
        fields=(b"symbol", b"date"),
        constants={"observed_at": observed_at},
    )

    def wanted(row: Any) -> bool:
        return not isinstance(row.symbol, str) or row.symbol in asked

    return read(layout, rows_of(body, models.Ticker), wanted)


def transfers(body: bytes) -> Page:
    """One page of ``/private/transfers``: deposits and withdrawals with their present state.

    ``next_token`` is the query of the ``next`` link, never its host.
    """
    try:
        page = _TRANSFERS_PAGE.decode(body)
    except msgspec.DecodeError as error:
        raise ContractError(f"not a page of transfers ({error})") from None
    source = rows_of(bytes(page.results), models.Transfer)
    built = read(_TRANSFERS, source)
    token = urlsplit(page.next).query if isinstance(page.next, str) else ""
    total = page.count if isinstance(page.count, int) else None
    return replace(built.page(), next_token=token or None, total=total)


def _transfer_id(row: models.Transfer) -> Any:
    return row.txid if row.id is None else row.id


def _transfer_type(row: models.Transfer) -> Any:
    if not isinstance(row.is_outgoing, bool):
        raise InvalidValue(f"is unknown: is_outgoing is {row.is_outgoing!r}")
    return "withdrawal" if row.is_outgoing else "deposit"


def _inner(row: models.Transfer, name: str, key: str) -> Any:
    value = getattr(row, name)
    return value.get(key) if isinstance(value, dict) else value


def _described(row: models.Transfer) -> Any:
    return "" if row.txid is None else row.txid


_TRANSFERS: Final = Layout(
    "account_transactions",
    (
        Column("transaction_id", _transfer_id, _TEXT),
        column("timestamp", "date", _TIME),
        Column("type", _transfer_type, _TEXT),
        Column("currency", lambda row: code_of(_inner(row, "currency", "code")), _TEXT),
        column("amount", "amount", _NUMBER),
        Column("status", lambda row: _inner(row, "status", "key"), Choice(_TRANSFER_STATES)),
        Column("description", _described, _TEXT),
    ),
    key=("transaction_id",),
    position="timestamp",
)


class _TransfersPage(msgspec.Struct):
    results: msgspec.Raw
    count: Any = None
    next: Any = None


_TRANSFERS_PAGE: Final = decoder(_TransfersPage)
