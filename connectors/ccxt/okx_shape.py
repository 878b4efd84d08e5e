"""What OKX's lists share: empty values, the sign of fees, and how a list goes on.

A list ends where an answer shows nothing older than what came before, however few rows an answer
has: a server may show fewer than it is asked for.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from operator import attrgetter
from typing import Any, Final
from urllib.parse import parse_qsl, urlencode

from connectors import exact
from connectors.base import Page
from connectors.ccxt.walks import DAY_US, NOWHERE
from connectors.dialect import Answered
from connectors.errors import ContractError
from connectors.exact import InvalidValue
from connectors.names import Spelling, listed_rows
from connectors.rows import Source

API: Final = "/api/v5"
SPELLING: Final = Spelling(separator="-")  # a market's own name is its symbol
MAX_ROWS: Final = 100
SPAN_US: Final = 30 * DAY_US


def blank(source: str) -> Callable[[Any], Any]:
    """A getter for which ``""`` is nothing."""
    get_ = attrgetter(source)
    return lambda row: None if get_(row) == "" else get_(row)


def turned(source: str) -> Callable[[Any], Any]:
    """A getter of a fee or rate: what is paid is negative at OKX, and positive here."""
    get_ = blank(source)

    def turned(row: Any) -> Any:
        value = get_(row)
        return None if value is None else format(-exact.number(value), "f")

    return turned


_REST: Final = str(MAX_ROWS - 1)
"""The limit that tells a call which leaves the last moment out from those that show it again."""


def by_id(page: Page, source: Source, name: str, about: Answered) -> Page:
    """With the parameters of the next page, of rows older than the oldest: its own id."""
    after, _, places = _places(source, name, about)
    if not places or (after is not None and places[0] >= after):
        return _ended(page, source, places)
    return replace(page, next_token=urlencode({"after": places[0]}))


def by_time(page: Page, source: Source, about: Answered) -> Page:
    """The same of a list that goes on by time alone: again from the oldest moment on.

    Where that shows nothing older, what is older than the moment is asked for: if there is
    something, the moment has more rows than an answer.
    """
    after, limit, places = _places(source, "ts", about)
    if not places or after is None:
        return _ended(page, source, places)
    if limit == _REST:
        if places[0] < after:
            raise ContractError(
                f"the rows at {after} ms fill an answer, so that others of that moment cannot be "
                "asked for"
            )
        return page
    if places[0] >= after - 1:
        return replace(page, next_token=urlencode({"after": after - 1, "limit": _REST}))
    return replace(page, next_token=urlencode({"after": places[0] + 1}))


def _places(source: Source, name: str, about: Answered) -> tuple[int | None, str, list[int]]:
    """What ``after`` and ``limit`` were, and the readable ids or times of the rows, sorted."""
    asked = dict(parse_qsl(about.query))
    after = int(asked["after"]) if "after" in asked else None
    places = []
    for row in listed_rows(source):
        with suppress(InvalidValue):
            places.append(exact.identity(getattr(row, name)))
    if after is not None and any(place > after for place in places):
        raise ContractError("rows came again that are newer than those asked for")
    return after, asked.get("limit", ""), sorted(places)


def _ended(page: Page, source: Source, places: list[int]) -> Page:
    """Rows of which none says where it is are no end by themselves."""
    return page if places or not source.texts() else replace(page, next_token=NOWHERE)
