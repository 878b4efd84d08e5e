"""A page of a window of time out of several lists, each of which names its next page itself.

Every list is read to its end in the window. Where an answer has more, its parser gives
``Page.next_token``, which the next call of the list names.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qsl

from connectors.base import Page
from connectors.dialect import Answered, Asked
from connectors.errors import ContractError
from connectors.http import Request, get

DAY_US: Final = 86_400_000_000
NOWHERE: Final = ""
"""The token of an answer whose rows do not say where to go on."""


@dataclass(frozen=True)
class Walk:
    """One list. ``times``: the parameters of a window's two ends; empty: it is of no window.

    ``open``: whether a row at an end of the window is left out. ``cursor``: the parameter that
    takes the token of the next page; empty: the token is a query, which replaces parameters.
    ``query``: what every call of it has.
    """

    path: str
    parse: Callable[[bytes, Answered], Page]
    times: tuple[str, str] | tuple[()] = ("begin", "end")
    open: bool = False
    cursor: str = "after"
    cost: float = 1
    query: Mapping[str, str] = field(default_factory=dict)

    def asked(self, low: int, high: int) -> Request:
        """The first page of a window, in microseconds, rounded outwards to milliseconds."""
        more = 1 if self.open else 0
        ends = (max(low // 1000 - more, 0), -(-high // 1000) + more)
        window = dict(zip(self.times, map(str, ends), strict=False))
        return get(self.path, {**self.query, **window}, private=True, cost=self.cost)

    def after(self, request: Request, token: str) -> Request:
        """The page after that of ``request``."""
        more = {self.cursor: token} if self.cursor else dict(parse_qsl(token))
        query = {**dict(parse_qsl(request.query)), **more}
        return get(self.path, query, private=True, cost=self.cost)


@dataclass(frozen=True)
class Walks:
    """The lists of a page, each of a path, in the order in which they are read.

    ``span_us``: of a window.
    """

    lists: tuple[Walk, ...]
    span_us: int

    def first(self, asked: Asked) -> Request:
        """The first call of a page."""
        return self.lists[0].asked(*self._span(asked))

    def parsed(self, body: bytes, about: Answered) -> Page:
        """One answer."""
        return self._list(about.path).parse(body, about)

    def following(self, asked: Asked, request: Request, page: Page, new: int) -> Request | None:
        """The call after ``request``, whose answer is ``page``; ``new``: its rows not known before.

        Raises ``ContractError`` where the rows of a list cannot all be asked for.
        """
        of = self._list(request.path)
        if page.next_token == NOWHERE and new:
            raise ContractError(
                f"{request.label}: no row says where it is, so that the others cannot be asked for"
            )
        repeats = bool(of.cursor and page.received and not new)
        has_room = page.received < int(of.query.get("limit", 0))
        if page.next_token and not (repeats and has_room):  # the last page, once more
            further = of.after(request, page.next_token)
            if further == request or repeats:
                raise ContractError(
                    f"{request.label}: the rows that came before came again, so that the others "
                    "cannot be asked for"
                )
            return further
        at = self.lists.index(of) + 1
        return self.lists[at].asked(*self._span(asked)) if at < len(self.lists) else None

    def _span(self, asked: Asked) -> tuple[int, int]:
        """The window of a page; without bounds, the newest. It ends no later than now."""
        window = asked.window
        high = asked.now if window.upper is None else window.upper
        low = high - self.span_us if window.lower is None else window.lower
        low = max(0, low)
        return low, max(min(high, low + self.span_us, asked.now), low + 1000)

    def _list(self, path: str) -> Walk:
        return next(of for of in self.lists if of.path == path)
