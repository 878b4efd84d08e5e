"""Answers whose rows are the members of an object: by id, by market, by currency.

They are few, and read one by one, so that none is lost where a key comes twice. Some servers write
``[]`` for an object without members.
"""

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from connectors.columns import Kind
from connectors.errors import ContractError
from connectors.jsontext import Member, NotJsonError, decode_row, members
from connectors.rows import Column, RowText, Source, decoded

Row = dict[str, Any]
"""A row of :func:`keyed`, with its key as ``id``."""


def is_empty(body: bytes) -> bool:
    """Whether there is nothing in it: ``{}``, or ``[]``."""
    return len(body) < 100 and b"".join(body.split()) in (b"{}", b"[]")


def members_of(body: bytes) -> Sequence[Member]:
    """The members in order. Raises ``ContractError`` for what is no object."""
    try:
        return () if is_empty(body) else members(body)
    except NotJsonError as error:
        raise ContractError(f"the rows are not an object keyed by name ({error})") from None


def texts_of(body: bytes) -> list[RowText]:
    """The members as texts of rows. Raises ``ContractError`` for what is no object."""
    return [RowText(m.whole, m.value, m.key) for m in members_of(body)]


def parts_of(body: bytes) -> dict[str, bytes]:
    """The members by key, each as received. Raises ``ContractError`` for what is no object."""
    found = decoded(dict[str, msgspec.Raw], body)
    if found is not None:
        return {key: bytes(value) for key, value in found.items()}
    return {member.key: bytes(member.value) for member in members_of(body)}


def keyed(body: bytes) -> Source:
    """The members as rows."""

    def with_key(text: RowText) -> Row:
        return {**decode_row(Row, text.value), "id": text.key}

    return Source(body, None, lambda: texts_of(body), with_key)


def of(name: str, source: str, kind: Kind, required: bool = True) -> Column:
    """The canonical column ``name`` from the member ``source`` of a row."""
    return Column(name, lambda row: row.get(source), kind, required)


def nth(name: str, index: int) -> Callable[[Row], Any]:
    """A getter of one element of the list ``name``; of what is no such list, all of it."""

    def get(row: Row) -> Any:
        values = row.get(name)
        return values[index] if isinstance(values, list) and len(values) > index else values

    return get
