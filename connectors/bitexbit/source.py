"""The rows of BitexBit's answers, which are arrays, in the two ways that ``rows.read`` wants."""

from collections.abc import Sequence
from typing import Any

import msgspec

from connectors.errors import ContractError
from connectors.jsontext import decoder, elements
from connectors.rows import RowText, Source


def rows_of(body: bytes, model: Any) -> Source:
    """The array ``body`` of objects (or arrays). Raises ``ContractError`` where it is none."""
    rows: Sequence[Any] | None
    try:
        rows = decoder(list[model]).decode(body)
    except msgspec.ValidationError:
        rows = None  # some row is not even an object
    except msgspec.DecodeError as error:
        raise ContractError(f"not JSON ({error})") from None

    def texts() -> list[RowText]:
        try:
            return [RowText(text, text) for text in elements(body)]
        except msgspec.DecodeError as error:
            raise ContractError(f"the rows are not a list ({error})") from None

    return Source(body, rows, texts, lambda text: decoder(model).decode(text.value), ordered=True)
