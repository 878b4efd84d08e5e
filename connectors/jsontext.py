"""JSON as text: the pieces of an answer exactly as received.

The fast decoder drops two things that are needed at times: the text of a row (for quarantine), and
the first of two equal keys of one object. Both are recovered
here, from the text, only when they are needed.
"""

import json
from functools import cache
from typing import Any, Final, NamedTuple

import msgspec

_SCANNER: Final = json.JSONDecoder(parse_float=str, parse_int=str)
_SPACE: Final = " \t\r\n"


class Member(NamedTuple):
    """One member of an object. ``whole``: key and value as received; ``value``: the value alone."""

    key: str
    value: str
    whole: str


def members(text: str) -> list[Member]:
    """The members of a JSON object in the order received, repeated keys included.

    Raises ``ValueError`` where ``text`` is no JSON object.
    """
    found: list[Member] = []
    at = _past_space(text, 0)
    if text[at : at + 1] != "{":
        raise ValueError("not a JSON object")
    at = _past_space(text, at + 1)
    if text[at : at + 1] == "}":
        return found
    while True:
        start = at
        if text[at : at + 1] != '"':
            raise ValueError("a key was expected")
        key, at = _SCANNER.raw_decode(text, at)
        at = _past_space(text, at)
        if text[at : at + 1] != ":":
            raise ValueError("a colon was expected")
        begin = _past_space(text, at + 1)
        _, end = _SCANNER.raw_decode(text, begin)
        found.append(Member(key, text[begin:end], text[start:end]))
        at = _past_space(text, end)
        if text[at : at + 1] == "}":
            return found
        if text[at : at + 1] != ",":
            raise ValueError("a comma was expected")
        at = _past_space(text, at + 1)


def repeated_key(text: str) -> str | None:
    """The first key that appears twice in the object ``text``; None where all differ."""
    seen: set[str] = set()
    try:
        for member in members(text):
            if member.key in seen:
                return member.key
            seen.add(member.key)
    except ValueError:
        return None
    return None


def elements(body: bytes) -> list[str]:
    """The elements of a JSON array, each as received. Raises ``msgspec.DecodeError``."""
    return [
        bytes(raw).decode("utf-8", "replace")
        for raw in msgspec.json.decode(body, type=list[msgspec.Raw])
    ]


def is_json(body: bytes) -> bool:
    """Whether ``body`` is a whole JSON text."""
    try:
        json.loads(body, parse_float=str, parse_int=str)
    except (ValueError, RecursionError):
        return False
    return True


@cache
def decoder(type_: Any) -> "msgspec.json.Decoder[Any]":
    """A decoder whose numbers stay exact: integers as ``int``, all others as their text.

    Made once for each type.
    """
    return msgspec.json.Decoder(type_, float_hook=str)


def _past_space(text: str, at: int) -> int:
    while text[at : at + 1] and text[at] in _SPACE:
        at += 1
    return at
