"""JSON whose numbers keep their exact text (``1.50``, ``7E-5``), which ``json`` cannot write."""

import json
from decimal import Decimal
from json.encoder import encode_basestring_ascii as quoted
from typing import Any, Literal

NumberStyle = Literal["text", "number", "exponent", "exponent-text"]


class Raw(str):
    """The text of a JSON number, written as it is."""

    __slots__ = ()


def encode(value: Any) -> str:
    """Compact JSON of dicts, lists, strings, integers, booleans, None and :class:`Raw`."""
    if type(value) is str:
        return quoted(value)
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, dict):
        return "{" + ",".join(f"{quoted(str(k))}:{encode(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(encode, value)) + "]"
    return json.dumps(value)


def decode(text: str | bytes) -> Any:
    """The reverse of :func:`encode`: numbers come back as :class:`Raw`."""
    return json.loads(text, parse_float=Raw, parse_int=Raw)


def plain(text: str) -> str:
    """The shortest decimal text without exponent: ``1.5000`` → ``1.5``, ``100`` → ``100``."""
    whole, _, rest = text.partition(".")
    rest = rest.rstrip("0")
    return f"{whole}.{rest}" if rest else whole


def scientific(text: str) -> str:
    """The same value with an exponent: ``0.00756`` → ``7.56E-3``."""
    value = Decimal(text)
    body = "".join(map(str, value.as_tuple().digits)).rstrip("0") or "0"
    mantissa = body[0] + ("." + body[1:] if len(body) > 1 else "")
    return f"{'-' if value.is_signed() else ''}{mantissa}E{value.adjusted()}"


def number(text: str, style: NumberStyle) -> str:
    """A decimal in a style: text as it is, or a JSON number, or with an exponent."""
    if style == "text":
        return text
    if style == "number":
        return Raw(plain(text))
    return Raw(scientific(text)) if style == "exponent" else scientific(text)
