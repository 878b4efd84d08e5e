"""Ids as numbers: which ids are integers, and the order of ids of which some are not.

An id is an integer where its text is the canonical decimal form of an int64: ``7``, not ``007``.
Integers come first, in numeric order; all other ids follow in the order of their text. The order of
a file is therefore the same whatever ids arrive later. Pure; Arrow in, Arrow out.
"""

from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

_SHORT: Final = r"^(0|-?[1-9][0-9]{0,17})$"
"""Canonical, and an int64 whatever the digits."""
_LONG: Final = r"^-?[1-9][0-9]{18}$"
"""Canonical, and perhaps an int64."""
_BEYOND: Final = 2**63


def is_integer(text: str) -> bool:
    """Whether ``text`` is the canonical decimal form of an int64."""
    if not text.removeprefix("-").isdecimal() or not text.isascii():
        return False
    return str(int(text)) == text and -_BEYOND <= int(text) < _BEYOND


def integers(ids: pa.ChunkedArray) -> pa.ChunkedArray | None:
    """``ids`` (text) as int64; ``None`` unless every one is an integer."""
    try:
        numbers = pc.cast(ids, pa.int64())
    except pa.ArrowInvalid:
        return None
    # the cast also takes 007, 0x1A and -0, which are other texts than 7, 26 and 0
    zero = pc.starts_with(ids, "0")
    if pc.any(zero).as_py() and pc.any(pc.not_equal(ids.filter(zero), "0")).as_py():
        return None
    least = pc.min(numbers).as_py()
    if least is not None and least <= 0 and pc.any(pc.starts_with(ids, "-0")).as_py():
        return None
    return numbers


def order_columns(ids: pa.ChunkedArray) -> list[pa.ChunkedArray]:
    """Three columns that put ``ids`` of any kind in order: is it text, its number, its text."""
    is_number = pc.match_substring_regex(ids, _SHORT)
    numbers = pc.fill_null(pc.cast(pc.if_else(is_number, ids, None), pa.int64()), 0)
    long = pc.match_substring_regex(ids, _LONG)
    if pc.any(long).as_py():
        fits = {text: int(text) for text in ids.filter(long).to_pylist() if is_integer(text)}
        found = pa.array([fits.get(text) for text in ids.to_pylist()], pa.int64())
        is_number = pc.or_(is_number, pc.is_valid(found))
        numbers = pc.coalesce(found, numbers)
    return [pc.cast(pc.invert(is_number), pa.int8()), numbers, ids]


def integer_ids(ids: pa.ChunkedArray) -> pa.ChunkedArray:
    """Those of ``ids`` that are integers, as int64; the others are left out."""
    is_text, numbers, _ = order_columns(ids)
    return numbers.filter(pc.equal(is_text, 0))
