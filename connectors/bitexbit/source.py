"""The rows of BitexBit's answers, which are arrays, in the two ways that ``rows.read`` wants."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from connectors.errors import ContractError
from connectors.jsontext import decoder, elements
from connectors.rows import RowText, Source

_MADE: Final[dict[Any, tuple["msgspec.json.Decoder[Any]", "msgspec.json.Decoder[Any]"]]] = {}


def _decoders(model: Any) -> "tuple[msgspec.json.Decoder[Any], msgspec.json.Decoder[Any]]":
    """Of a whole answer, and of one row; made once."""
    if model not in _MADE:
        _MADE[model] = decoder(list[model]), decoder(model)
    return _MADE[model]


def rows_of(body: bytes, model: type[Any]) -> Source:
    """The array ``body`` of objects (or arrays). Raises ``ContractError`` where it is none."""
    page, one = _decoders(model)
    rows: Sequence[Any] | None
    try:
        rows = page.decode(body)
    except msgspec.ValidationError:
        rows = None  # some row is not even an object
    except msgspec.DecodeError as error:
        raise ContractError(f"not JSON ({error})") from None

    def texts() -> list[RowText]:
        try:
            return [RowText(text, text) for text in elements(body)]
        except msgspec.DecodeError as error:
            raise ContractError(f"the rows are not a list ({error})") from None

    return Source(body, rows, texts, lambda text: one.decode(text.value))
