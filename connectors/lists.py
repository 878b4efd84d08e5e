"""A page of a window of time that takes several calls: several lists, and several calls of each.

Lists are asked for with two times, in milliseconds. A list in pages goes on until an answer brings
nothing new. Of a list without pages, half of the window is asked for where an answer is full.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import parse_qs

from connectors.base import Page
from connectors.dialect import Answered, Asked
from connectors.errors import ContractError
from connectors.http import Request, get

DAY_US: Final = 86_400_000_000


@dataclass(frozen=True)
class Listing:
    """One list. ``query``: parameters that tell it from another one of the same path.

    ``most``: rows of an answer, asked for as ``size``; empty: no number is asked for. ``days``: of
    the longest window. ``pages``: the parameter that goes on within a window, by rows or by pages.
    Without one, an answer may be cut off that is full or has ``Page.next_token``. ``sides``: rows
    of the dataset that a row of an answer makes. ``margin``: days by which windows overlap.
    """

    path: str
    parse: Callable[[bytes, Answered], Page]
    cost: float = 1
    bucket: str = ""
    most: int = 1000
    size: str = "limit"
    days: int = 90
    pages: str = ""
    by_rows: bool = True
    sides: int = 1
    margin: int = 0
    times: tuple[str, str] = ("startTime", "endTime")
    query: Mapping[str, str] = field(default_factory=dict)

    def asked(self, low: int, high: int, **more: str) -> Request:
        """Times in microseconds."""
        query = dict(zip(self.times, (str(low // 1000), str(-(-high // 1000))), strict=True))
        query |= {self.size: str(self.most)} if self.size else {}
        query |= {**self.query, **more}
        return get(self.path, query, private=True, cost=self.cost, bucket=self.bucket)

    def is_of(self, path: str, query: str) -> bool:
        """Whether a call is one of this list."""
        given = parse_qs(query)
        return path == self.path and all(given.get(n) == [v] for n, v in self.query.items())


@dataclass(frozen=True)
class Lists:
    """The lists of a page, in the order in which they are read. ``span_us``: of a window."""

    lists: tuple[Listing, ...]
    span_us: int

    def first(self, asked: Asked) -> Request:
        """The first call of a page."""
        return self.opening(self.lists[0], asked)

    def parsed(self, body: bytes, about: Answered) -> Page:
        """One answer."""
        return self.lists[self._place(about.path, about.query)].parse(body, about)

    def following(self, asked: Asked, request: Request, page: Page, new: int) -> Request | None:
        """The call after ``request``, whose answer is ``page``; ``new``: its rows not known before.

        Raises ``ContractError`` where the rows of a list cannot all be asked for.
        """
        at = self._place(request.path, request.query)
        of = self.lists[at]
        given = {name: values[0] for name, values in parse_qs(request.query).items()}
        low, high = (int(given[name]) * 1000 for name in of.times)
        if of.pages:
            if page.received >= of.most and not new:
                raise ContractError(
                    f"{request.label}: the rows that came before came again, so that the others "
                    "cannot be asked for"
                )
            if new:
                before = int(given.get(of.pages, "0" if of.by_rows else "1"))
                further = before + (page.received if of.by_rows else 1)
                return of.asked(low, high, **{of.pages: str(further)})
        elif page.next_token is not None or page.received >= of.most * of.sides:
            if high - low <= 1000:
                raise ContractError(
                    f"{request.label}: more rows in a millisecond than an answer holds"
                )
            return of.asked(low, low + (high - low) // 2000 * 1000)
        if high < self._span(of, asked)[1]:
            return self.opening(of, asked, high)
        return self.opening(self.lists[at + 1], asked) if at + 1 < len(self.lists) else None

    def opening(self, of: Listing, asked: Asked, start: int | None = None) -> Request:
        """The first call of a list, or of its next stretch, which begins at ``start``."""
        low, high = self._span(of, asked)
        low = low if start is None else start
        return of.asked(low, min(high, low + of.days * DAY_US - 1000))

    def _span(self, of: Listing, asked: Asked) -> tuple[int, int]:
        """The window of a page, with the margin of a list; without bounds, the newest.

        It ends no later than now: no call is known to take a time to come.
        """
        window = asked.window
        high = asked.now if window.upper is None else window.upper
        low = high - self.span_us if window.lower is None else window.lower
        margin = of.margin * DAY_US
        low = max(0, low - margin)
        high = min(high, low + margin + self.span_us) + margin
        return low, max(min(high, asked.now), low + 1000)

    def _place(self, path: str, query: str) -> int:
        return next(at for at, of in enumerate(self.lists) if of.is_of(path, query))
