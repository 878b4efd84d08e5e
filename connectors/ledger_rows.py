"""Rows of ``account_transactions``: one of each record, or one of each side of an exchange."""

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, Final

from connectors.codes import Code, Codes
from connectors.columns import Text, Time, Wide, by_word
from connectors.exact import InvalidValue
from connectors.jsontext import NotJsonError, decode_row
from connectors.rows import Column, Layout, RowText, Source, column, list_of

_TEXT, _TIME, _WIDE = Text(), Time(), Wide()


@dataclass(frozen=True)
class Side:
    """One side of an exchange of one currency for another."""

    id: str
    time: Any
    type: str
    currency: Any
    amount: Any
    status: str
    text: str


def sides_of(body: bytes, model: Any, of: Callable[[Any], list[Side]]) -> Source:
    """The sides of each row of the array ``body``. Of a row for which ``of`` raises, none."""
    texts: list[RowText] = []
    for row in list_of(body, "the rows"):
        count = 1
        with suppress(InvalidValue, NotJsonError):
            count = len(of(decode_row(model, row.value)))
        texts += [RowText(row.payload, row.value, str(n)) for n in range(count)]

    def one(text: RowText) -> Side:
        return of(decode_row(model, text.value))[int(text.key or 0)]

    return Source(body, None, lambda: texts, one)


def state(words: Mapping[str, Iterable[str]], field: str = "status") -> Callable[[Any], str]:
    """The state of a row by its ``field``; ``words``: those of each state. Others: unconfirmed."""
    value, states = attrgetter(field), by_word(words)
    return lambda row: states.get(str(value(row)).lower(), "unconfirmed")


def fixed(word: str) -> Callable[[Any], str]:
    """The same for every row."""
    return lambda row: word


def transactions(
    id_: Callable[[Any], Any],
    time: str,
    type_: Callable[[Any], str],
    status: Callable[[Any], str],
    currency: str,
    text: str,
    fee: str = "",
) -> Callable[[Codes], Layout]:
    """The layout by an exchange's codes. Texts name the fields of a row."""
    about = attrgetter(text)
    columns = [
        Column("transaction_id", id_, _TEXT),
        column("timestamp", time, _TIME),
        column("amount", "amount", _WIDE),
        Column("type", type_, _TEXT),
        Column("status", status, _TEXT),
        Column("description", lambda row: about(row) or "", _TEXT),
    ]
    if fee:
        columns.append(column("fee_amount", fee, _WIDE, required=False))

    def of(codes: Codes) -> Layout:
        named = (*columns, column("currency", currency, Code(codes)))
        return Layout("account_transactions", named, ("transaction_id",), "timestamp")

    return of


SIDES: Final = transactions(
    attrgetter("id"), "time", attrgetter("type"), attrgetter("status"), "currency", "text"
)
