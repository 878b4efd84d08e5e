"""WEX's answers as canonical columns. Pure functions of the body.

Whatever has not the documented shape raises ``ContractError``; a row that cannot be stored is
returned as rejected. Siblings of this dialect write numbers as text and ``[]`` for an empty object:
both are read.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from connectors.columns import Choice, Id, Number, Text, Time
from connectors.errors import ContractError
from connectors.exact import InvalidValue
from connectors.jsontext import decoder, elements
from connectors.rows import Built, Column, Layout, RowText, Source, column, read
from connectors.symbols import Canonical, code_of
from connectors.wex import models
from connectors.wex.names import symbol_of
from connectors.wex.source import is_empty, keyed, members_of

_ID, _TIME, _NUMBER, _SIGNED, _TEXT = Id(), Time(), Number(), Number(signed=True), Text()
_TAKER_SIDES: Final = {"bid": "buy", "ask": "sell"}
_OWN_SIDES: Final = {"buy": "buy", "sell": "sell"}
_TYPES: Final = {"1": "deposit", "2": "withdrawal", "4": "credit", "5": "debit"}
_STATES: Final = {"0": "failed", "1": "pending", "2": "ok", "3": "unconfirmed"}


_TRADE_COLUMNS: Final = (
    column("trade_id", "tid", _ID),
    column("timestamp", "timestamp", _TIME),
    column("side", "type", Choice(_TAKER_SIDES)),
    column("price", "price", _NUMBER),
    column("amount", "amount", _NUMBER),
)

_TICKER_COLUMNS: Final = (
    column("timestamp", "updated", _TIME),
    *(
        column(name, source, _SIGNED, required=False)
        for name, source in {
            "last": "last",
            "bid": "sell",
            "ask": "buy",
            "high": "high",
            "low": "low",
            "base_volume": "vol_cur",
            "quote_volume": "vol",
            "average": "avg",
        }.items()
    ),
)


def _is_own(row: models.AccountTrade) -> bool:
    if str(row.is_your_order) not in ("0", "1", "True", "False"):
        raise InvalidValue(f"is unknown: is_your_order is {row.is_your_order!r}")
    return str(row.is_your_order) in ("1", "True")


def _role(row: models.AccountTrade) -> str:
    return "maker" if _is_own(row) else "taker"


def _own_order(row: models.AccountTrade) -> Any:
    """The account's own order; a taker's fill names the counterparty's, which is not ours."""
    return row.order_id if _is_own(row) else None


_ACCOUNT_TRADES: Final = Layout(
    "account_trades",
    (
        column("trade_id", "id", _ID),
        column("symbol", "pair", Canonical(symbol_of)),
        column("timestamp", "timestamp", _TIME),
        column("side", "type", Choice(_OWN_SIDES)),
        column("price", "rate", _NUMBER),
        column("amount", "amount", _NUMBER),
        Column("order_id", _own_order, _TEXT, required=False),
        Column("taker_or_maker", _role, _TEXT),
    ),
    key=("trade_id", "symbol"),
    position="trade_id",
    fields=(b"pair", b"rate", b"amount", b"timestamp"),
)


_TRANSACTIONS: Final = Layout(
    "account_transactions",
    (
        column("transaction_id", "id", _ID),
        column("timestamp", "timestamp", _TIME),
        # The type says which way the money went; a sign besides would say it twice, or otherwise.
        column("type", "type", Choice(_TYPES)),
        Column("currency", lambda row: code_of(row.currency), _TEXT),
        column("amount", "amount", _NUMBER),
        column("status", "status", Choice(_STATES)),
        Column("description", lambda row: "" if row.desc is None else row.desc, _TEXT),
    ),
    key=("transaction_id",),
    position="transaction_id",
    fields=(b"currency", b"amount", b"timestamp"),
)

_ENVELOPE: Final = decoder(models.Envelope)
_TRADES_PAGE: Final = decoder(dict[str, list[models.Trade]])
_TRADE: Final = decoder(models.Trade)


def envelope(body: bytes) -> models.Envelope:
    """What wraps an answer. Raises ``ContractError`` where it is no object."""
    try:
        found: models.Envelope = _ENVELOPE.decode(body)
    except msgspec.DecodeError as error:
        raise ContractError(f"not an answer as documented ({error})") from None
    return found


def succeeded(answer: models.Envelope) -> bool:
    """``success`` comes as 1, ``"1"``, true or ``"true"``."""
    return str(answer.success).lower() in ("1", "true")


def trades(body: bytes, native: str, symbol: str) -> Built:
    """``/api/3/trades`` of one pair. Rows of another pair are a ``ContractError``."""
    layout = Layout(
        "trades",
        _TRADE_COLUMNS,
        key=("trade_id",),
        position="trade_id",
        fields=(b"tid", b"type", b"price", b"amount", b"timestamp"),
        constants={"symbol": symbol},
    )
    rows: Sequence[models.Trade] | None = None
    if is_empty(body):
        rows = []
    else:
        try:
            by_pair = _TRADES_PAGE.decode(body)
        except msgspec.ValidationError:
            by_pair = {}
        except msgspec.DecodeError as error:
            raise ContractError(f"not JSON ({error})") from None
        # The pair twice would mean rows lost in decoding: then its parts are read one by one.
        if list(by_pair) == [native] and body.count(b'"%b"' % native.encode()) == 1:
            rows = by_pair[native]

    def texts() -> list[RowText]:
        found: list[RowText] = []
        for member in members_of(body):
            if member.key != native:
                raise ContractError(f"{member.key[:40]!r} in the answer for {native!r}")
            try:
                found += [RowText(text, text) for text in elements(member.value.encode())]
            except msgspec.DecodeError as error:
                raise ContractError(f"the trades are not a list ({error})") from None
        return found

    source = Source(body, rows, texts, lambda text: _TRADE.decode(text.value), ordered=True)
    return read(layout, source)


def tickers(body: bytes, asked: Mapping[str, str], observed_at: int) -> Built:
    """``/api/3/ticker``; ``asked``: canonical symbol by native one.

    A pair that was not asked for is a ``ContractError``.
    """
    for member in () if is_empty(body) else members_of(body):
        if member.key not in asked:
            raise ContractError(f"{member.key[:40]!r} was not asked for")
    layout = Layout(
        "tickers",
        (*_TICKER_COLUMNS, column("symbol", "symbol", Choice(asked))),
        key=("symbol",),
        position="observed_at",
        fields=(b"updated",),
        constants={"observed_at": observed_at},
    )
    return read(layout, keyed(body, models.Ticker, "symbol"))


def account_trades(body: bytes) -> Built:
    """What ``TradeHistory`` returns: the account's fills, keyed by id. It names no fee."""
    return read(_ACCOUNT_TRADES, keyed(body, models.AccountTrade, "id"))


def account_transactions(body: bytes) -> Built:
    """What ``TransHistory`` returns, keyed by id."""
    return read(_TRANSACTIONS, keyed(body, models.Transaction, "id"))
