"""What OKX's lists share: empty values, the sign of fees, and how a list goes on."""

from collections.abc import Callable
from dataclasses import replace
from operator import attrgetter
from typing import Any, Final

from connectors import exact
from connectors.base import Page
from connectors.ccxt.walks import DAY_US
from connectors.names import Spelling

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


def paged(page: Page, rows: list[Any], name: str) -> Page:
    """With the token of the next page, where this one is full: a name of its last row."""
    if len(rows) < MAX_ROWS:
        return page
    return replace(page, next_token=str(getattr(rows[-1], name)))
