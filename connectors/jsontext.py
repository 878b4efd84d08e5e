"""JSON as text: the pieces of an answer exactly as received.

Two ways through one text. :func:`decode` is the fast and strict one. The pieces (:func:`elements`,
:func:`members`) are found by brackets and quotes alone, so that a token that is no JSON spoils the
piece that holds it and no other; :func:`decode_row` then makes of such a piece what can be made.

Both are bounded. They take time in proportion to the text, memory of a few times its size, and no
recursion; a text of more values than any answer has is refused before it is looked at.
"""

import json
import re
import threading
from collections.abc import Iterator
from functools import cache
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

Text = bytes | memoryview
T = TypeVar("T", bound=msgspec.Struct)

_MOST_MARKS: Final = 500_000
"""Values of one text, about. The largest documented answer, ten order books, has 300,000."""
_MOST_PARTS: Final = 50_000
"""Of one array or object."""
_LONGEST: Final = 8 * 1024 * 1024
"""Bytes that are decoded at once: as Python objects they take several times as many."""
_STRING: Final = r'"[^"\\]*+(?:\\.[^"\\]*+)*+(?:"|\\?\Z)'
"""Also one that never ends, up to where the text does: nothing of it is looked at twice."""
_MARKS: Final = re.compile(rb"%b|[\[\]{},]" % _STRING.encode(), re.DOTALL)
_KEY: Final = re.compile(rb"(%b)\s*:" % _STRING.encode(), re.DOTALL)
_TOKENS: Final = re.compile(rf"{_STRING}|[^\s\[\]{{}},:\"]++", re.DOTALL)
_SPACE: Final = re.compile(rb"[ \t\r\n]*+")
_VALID: Final = re.compile(r"true|false|null|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?", re.ASCII)
_BARE: Final = re.compile(r"[\w.+-]+", re.ASCII)
_QUOTE, _COMMA = b'",'
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_ONE_AT_A_TIME: Final = threading.Lock()
"""msgspec crashes where two threads use one struct for the first time: it is not whole yet."""


class NotJsonError(ValueError):
    """A text that cannot be read as JSON of the shape asked for."""


class TooManyError(NotJsonError):
    """A text of more values than any answer has."""


class Member(NamedTuple):
    """One member of an object. ``whole``: key and value as received; ``value``: the value alone."""

    key: str
    value: memoryview
    whole: memoryview


def row_type(name: str, fields: str, *, array_like: bool = False) -> Any:
    """A struct of ``fields``, each None where it does not come; others are not read."""
    declared = [(field, Any, None) for field in fields.split()]
    return msgspec.defstruct(name, declared, module=__name__, gc=False, array_like=array_like)


def plain(body: bytes) -> bytes:
    """``body`` without a byte order mark."""
    return body.removeprefix(_BYTE_ORDER_MARK)


@cache
def _decoder(type_: Any) -> "msgspec.json.Decoder[Any]":
    with _ONE_AT_A_TIME:
        return msgspec.json.Decoder(type_, float_hook=str)


def decode(type_: Any, text: Text) -> Any:
    """``text`` as ``type_``; integers are ``int``, all other numbers their text.

    Raises ``NotJsonError``, also for what is too long or nested too deeply.
    """
    _check_size(text)
    try:
        return _decoder(type_).decode(text)
    except (ValueError, RecursionError) as error:  # of msgspec, and of text that is not UTF-8
        raise NotJsonError(str(error)) from None


def decode_row(type_: Any, text: Text) -> Any:
    """One row as :func:`decode` has it, also where a part of it is no JSON.

    A bare word or number that JSON does not have (``NaN``, ``.5``) becomes its text; a byte that is
    not UTF-8, and half a surrogate, stay in the string as a lone surrogate. Columns refuse those;
    fields that no column needs do no harm. Raises ``NotJsonError``.
    """
    try:
        return decode(type_, text)
    except NotJsonError as error:
        problem = error
    try:
        _check_size(text)
        words = bytes(text).decode("utf-8", "surrogateescape")
        value = json.loads(
            _TOKENS.sub(_as_json, words), parse_float=str, parse_int=_integer, strict=False
        )
        return msgspec.convert(value, type_)  # the decoder knows the type by now
    except (ValueError, RecursionError):
        raise problem from None


def decode_object(type_: type[T], text: Text) -> T:
    """An object as the struct ``type_``, also where some token in it is no JSON.

    Members of type ``msgspec.Raw`` are as received. Raises ``NotJsonError``.
    """
    try:
        found: T = decode(type_, text)
        return found
    except NotJsonError as error:
        problem = error
    received = {member.key: member.value for member in members(text)}
    values = {
        field.name: msgspec.Raw(part) if field.type is msgspec.Raw else decode_row(Any, part)
        for field in msgspec.structs.fields(type_)
        if (part := received.get(field.encode_name)) is not None
    }
    try:
        return type_(**values)
    except TypeError:  # one that must be there is not
        raise problem from None


def _as_json(token: re.Match[str]) -> str:
    text = token[0]
    if text[0] == '"' or _VALID.fullmatch(text) or not _BARE.fullmatch(text):
        return text
    return f'"{text}"'


def _integer(text: str) -> int | str:
    """As msgspec has it; one too long for Python's ``int`` stays text."""
    return int(text) if len(text) < 400 else text


def members(text: Text) -> list[Member]:
    """The members of a JSON object in the order received, repeated keys included.

    Raises ``NotJsonError`` where ``text`` is no JSON object.
    """
    found: list[Member] = []
    for part in _parts(text, b"{"):
        key = _KEY.match(part)
        if key is None:
            raise NotJsonError("a key was expected")
        value = _trimmed(part[key.end() :])
        found.append(Member(decode_row(str, key[1]), value, part[key.start(1) :]))
    return found


def repeated_key(text: Text) -> str | None:
    """The first key that appears twice in the object ``text``; None where all differ."""
    try:
        found = decode(dict[str, msgspec.Raw], text)
        # each member has a colon beside those of its key and value: so many, and none is missing
        inside = sum(bytes(value).count(b":") for value in found.values())
        if bytes(text).count(b":") - inside == len(found):
            return None
    except NotJsonError:
        pass  # some token is no JSON, or it is no object
    seen: set[str] = set()
    try:
        for member in members(text):
            if member.key in seen:
                return member.key
            seen.add(member.key)
    except NotJsonError:
        return None
    return None


def elements(text: Text) -> list[memoryview]:
    """The elements of a JSON array, each as received. Raises ``NotJsonError``."""
    found = _parts(text, b"[")
    if not all(map(len, found)):
        raise NotJsonError("nothing between two commas")
    return found


def is_json(text: Text) -> bool:
    """Whether ``text`` is one whole value: every bracket and quote is closed, nothing follows."""
    try:
        begins = bytes(_trimmed(memoryview(text))[:1])
        if begins in (b"{", b"["):
            _parts(text, begins)
        else:
            decode(Any, text)
    except TooManyError:
        return True
    except NotJsonError:
        return False
    return True


def _parts(text: Text, opening: bytes) -> list[memoryview]:
    """What commas separate in the array or object that ``text`` is, without white space around."""
    view = memoryview(text)
    found: list[memoryview] = []
    depth = begin = 0
    for count, (mark, at) in enumerate(_marks(text)):
        if not depth and (len(_trimmed(view[:at])) or mark != opening[0]):
            break
        if count > _MOST_MARKS or len(found) > _MOST_PARTS:
            raise TooManyError("more values than any answer has")
        if mark in b"[{":
            depth += 1
            begin = begin or at + 1
        elif mark in b"]}":
            depth -= 1
        if depth > 1 or begin > at:
            continue
        if not depth or mark == _COMMA:
            part = _trimmed(view[begin:at])
            if depth or found or len(part):
                found.append(part)
            begin = at + 1
        if not depth:
            if len(_trimmed(view[begin:])):
                raise NotJsonError("something follows its end")
            return found
    raise NotJsonError("it is cut off, or no " + ("array" if opening == b"[" else "object"))


def _marks(text: Text) -> Iterator[tuple[int, int]]:
    """Brackets and commas outside of strings, with their places."""
    for found in _MARKS.finditer(text):
        at = found.start()
        mark = text[at]
        if mark != _QUOTE:
            yield mark, at


def _trimmed(view: memoryview) -> memoryview:
    """``view`` without white space around it."""
    space = _SPACE.match(view)
    begin, end = space.end() if space else 0, len(view)
    while end > begin:
        tail = bytes(view[max(begin, end - 64) : end])
        kept = len(tail.rstrip(b" \t\r\n"))
        end -= len(tail) - kept
        if kept:
            break
    return view[begin:end]


def _check_size(text: Text) -> None:
    if len(text) > _LONGEST:
        raise NotJsonError(f"{len(text):,} bytes are more than are read at once")
    if len(text) > _MOST_MARKS:
        whole = bytes(text)
        if sum(map(whole.count, (b",", b"[", b"{"))) > _MOST_MARKS:
            raise TooManyError("more values than any answer has")
