"""BitexBit's balances and fee rates as canonical columns. Pure functions of the body."""

from typing import Any, Final

import msgspec

from connectors.bitexbit import models
from connectors.bitexbit.names import symbol_of
from connectors.bitexbit.source import rows_of
from connectors.columns import Number, Text
from connectors.errors import ContractError
from connectors.jsontext import decoder, elements
from connectors.rows import Built, Column, Layout, RowText, Source, column, read
from connectors.symbols import Canonical, code_of

_SIGNED: Final = Number(signed=True)
_ALL: Final = "*"


class _Top(msgspec.Struct):
    pair_fee_rates: msgspec.Raw = msgspec.Raw(b"[]")


_TOP: Final = decoder(_Top)
_RATES: Final = decoder(models.Fees)


def balances(body: bytes, observed_at: int) -> Built:
    """``/private/balance``: every currency of the account."""
    layout = Layout(
        "balances",
        (
            Column("currency", lambda row: code_of(row.symbol), Text()),
            column("available", "available", _SIGNED),
            column("reserved", "reserved", _SIGNED, required=False),
        ),
        key=("currency",),
        position="observed_at",
        constants={"observed_at": observed_at},
    )
    return read(layout, rows_of(body, models.Balance))


def trading_fees(body: bytes, observed_at: int) -> Built:
    """``/private/trading-fees``: the account's rates as symbol ``*``, and those of single pairs."""
    try:
        top = _TOP.decode(body)
        texts = [RowText(body.decode(), body.decode(), _ALL)]
        if bytes(top.pair_fee_rates) != b"null":
            pairs = elements(bytes(top.pair_fee_rates))
            texts += [RowText(pair, pair) for pair in pairs]
    except (msgspec.DecodeError, ValueError) as error:
        raise ContractError(f"not the account's fee rates ({error})") from None
    if b'_fee_rate"' not in body:
        raise ContractError("no fee rate in the answer")
    layout = Layout(
        "trading_fees",
        (
            column("symbol", "symbol", Canonical(symbol_of)),
            Column("buy_fee_rate", _buy, _SIGNED),
            Column("sell_fee_rate", _sell, _SIGNED),
        ),
        key=("symbol",),
        position="observed_at",
        constants={"observed_at": observed_at},
    )
    try:
        rows: list[models.Fees] | None = [_one(text) for text in texts]
    except msgspec.DecodeError:
        rows = None
    return read(layout, Source(body, rows, lambda: texts, _one))


def _one(text: RowText) -> models.Fees:
    row: models.Fees = _RATES.decode(text.value)
    if text.key:
        row.symbol = text.key
    return row


# The text explains the account's `taker_fee_rate` as "fee rate for sell orders" and its
# `maker_fee_rate` as that for buy orders, and those of a pair the other way round. It is taken at
# its word; the example's keys need no explanation and come first.
def _buy(row: models.Fees) -> Any:
    if row.buy_fee_rate is not None:
        return row.buy_fee_rate
    return row.maker_fee_rate if row.symbol == _ALL else row.taker_fee_rate


def _sell(row: models.Fees) -> Any:
    if row.sell_fee_rate is not None:
        return row.sell_fee_rate
    return row.taker_fee_rate if row.symbol == _ALL else row.maker_fee_rate
