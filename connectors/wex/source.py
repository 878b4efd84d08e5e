"""The rows of WEX's answers, which are members of an object, in the two ways ``rows.read`` wants.

Siblings of this dialect write ``[]`` for an empty object: it is read.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from connectors.errors import ContractError
from connectors.jsontext import Member, decoder, members
from connectors.rows import RowText, Source


def is_empty(body: bytes) -> bool:
    """Whether there is nothing in it: ``{}``, or ``[]``, which siblings send for it."""
    return len(body) < 100 and b"".join(body.split()) in (b"{}", b"[]")


def keyed(body: bytes, model: Any, key: str) -> Source:
    """Rows that are members of an object, their key set as the attribute ``key``."""

    def with_key(text: RowText) -> Any:
        row = decoder(model).decode(text.value)
        setattr(row, key, text.key)
        return row

    def texts() -> list[RowText]:
        return [RowText(m.whole, m.value, m.key) for m in members_of(body)]

    return Source(body, _decoded(body, model, key), texts, with_key)


def _decoded(body: bytes, model: Any, key: str) -> list[Any] | None:
    if is_empty(body):
        return []
    try:
        by_key = decoder(dict[str, model]).decode(body)
    except msgspec.ValidationError:
        return None
    except msgspec.DecodeError as error:
        raise ContractError(f"not JSON ({error})") from None
    for name, row in by_key.items():
        setattr(row, key, name)
    return list(by_key.values())


def members_of(body: bytes) -> Sequence[Member]:
    """The members of an object in order. Raises ``ContractError`` where it is none."""
    try:
        return members(body.decode())
    except (ValueError, RecursionError) as error:
        raise ContractError(f"the rows are not an object keyed by name ({error})") from None
