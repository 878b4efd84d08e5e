"""Where the rows are in an answer: what ccxt takes for them, as a part of the answer's own text.

ccxt is asked for a market made of its names alone, and stopped where it hands the rows to a parser
of its own. They must be a part of that very answer.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from connectors.ccxt import library
from connectors.ccxt.table import Entry
from connectors.dialect import Answered
from connectors.errors import ContractError, RequestError
from connectors.exact import InvalidValue
from connectors.jsontext import NotJsonError, decode_row, elements, members
from connectors.names import Names
from connectors.rows import RowText


@dataclass(frozen=True)
class Subject:
    """What is asked for: a market by the exchange's own name, and its two currencies."""

    native: str = ""
    symbol: str = ""
    timeframe: str = ""
    limit: int | None = None


def subject_of(entry: Entry, names: Names, symbol: str, timeframe: str = "") -> Subject:
    """What is asked for by ``symbol``. Raises ``RequestError`` for a name that is no path."""
    native = names.native_of(symbol) if symbol else ""
    odd = ".." in native or any(c in native for c in "/\\?#")
    if odd and entry.is_by_path:
        raise RequestError(f"{entry.name}: {native!r} cannot be part of a path; not sent")
    base, _, quoted = symbol.partition("-")
    return Subject(native, f"{base}/{quoted or 'X'}", timeframe, entry.most.get("trades"))


def with_market(subject: Subject, ask: Callable[[Any, Subject], Any]) -> library.Ask:
    """``ask`` of an object that knows the one market, made of its names alone."""

    def asks(made: Any) -> Any:
        if subject.native:
            base, _, quoted = subject.symbol.partition("/")
            market = made.safe_market_structure(
                {
                    **{"id": subject.native, "symbol": subject.symbol, "base": base},
                    **{"quote": quoted, "baseId": base, "quoteId": quoted, "type": "spot"},
                    **{"spot": True, "active": True, "contract": False, "info": {}},
                    **dict.fromkeys(("margin", "swap", "future", "option"), False),
                    "precision": {"amount": "0.00000001", "price": "0.00000001"},
                }
            )
            made.markets, made.symbols, made.ids = (
                {subject.symbol: market},
                [subject.symbol],
                [subject.native],
            )
            made.markets_by_id = {subject.native: [market]}
            made.currencies, made.currencies_by_id = {}, {}
        return ask(made, subject)

    return asks


Method = Callable[[Any, Subject], Any]
"""A unified method of an object of ccxt's, of one market."""


@dataclass(frozen=True)
class Found:
    """A part of an answer that ccxt takes for the rows; ``body``: its text as received.

    ``more``: what its parser is given besides.
    """

    made: Any
    market: Any
    value: Any
    body: bytes
    more: Sequence[Any] = ()


class _Seen(BaseException):
    def __init__(self, value: Any, more: Sequence[Any]) -> None:
        super().__init__()
        self.value, self.more = value, more


def rows_found(
    entry: Entry, method: Method, parser: str, body: bytes, about: Answered, what: str
) -> Found:
    """What ``method`` hands to ``parser`` of ccxt. Raises ``ContractError`` for what is no part.

    An answer whose rows are missing is read as an empty list by ccxt: that list is none of the
    answer's, and so it is noticed.
    """
    answer = library.decoded(body)
    subject = subject_of(entry, about.names, about.symbol, about.timeframe)
    known: list[tuple[Any, Any]] = []

    def ask(made: Any, subject: Subject) -> Any:
        known.append((made, made.market(subject.symbol)))

        def seen(value: Any, *more: Any, **named: Any) -> Any:
            raise _Seen(value, (more, named))

        setattr(made, parser, seen)
        return method(made, subject)

    try:
        library.replayed(entry, with_market(subject, ask), answer, about.at)
    except _Seen as found:
        path = _path(answer, found.value)
        if path is not None:
            made, market = known[0]
            delattr(made, parser)
            return Found(made, market, found.value, _part(body, path), found.more)
    raise ContractError(f"no {what} are where ccxt expects them")


def _path(answer: Any, wanted: Any) -> tuple[Any, ...] | None:
    """The keys that lead from ``answer`` to the very object ``wanted``; None where none do."""
    waiting: list[tuple[Any, tuple[Any, ...]]] = [(answer, ())]
    for value, path in waiting:
        if value is wanted:
            return path
        parts = value.items() if isinstance(value, dict) else enumerate(value)
        waiting += [(part, (*path, key)) for key, part in parts if isinstance(part, dict | list)]
    return None


def _part(body: bytes, path: Iterable[Any]) -> bytes:
    """The text at ``path`` of ``body``, as received."""
    part: bytes | memoryview = body
    try:
        for key in path:
            if isinstance(key, int):
                part = elements(part)[key]
            else:
                part = next(m.value for m in reversed(members(part)) if m.key == key)
    except (NotJsonError, StopIteration, IndexError) as error:
        raise ContractError(f"not an answer of one reading ({error})") from None
    return bytes(part)


def texts_of(found: Found, what: str) -> list[RowText]:
    """Each row's own text. Raises ``ContractError`` where they are no list."""
    if not isinstance(found.value, list):
        raise ContractError(f"the {what} are not a list")
    try:
        return [RowText(text, text) for text in elements(found.body)]
    except NotJsonError as error:
        raise ContractError(f"the {what} are not a list ({error})") from None


def parsed_row(parse: Callable[..., Any], text: RowText, *more: Any) -> Any:
    """One row as ccxt reads it, from its own text. Raises :class:`InvalidValue`."""
    row = decode_row(Any, text.value)
    try:
        found = parse(row, *more)
    except Exception as error:
        raise InvalidValue(f"cannot be read by ccxt: {type(error).__name__} {error}") from None
    return row, found
