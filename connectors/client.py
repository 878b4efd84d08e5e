"""What the clients of all exchanges share: dispatch, memory of the markets, retries, limits."""

import re
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import ClassVar, TypeVar

from connectors.base import Connection, Credentials, Cursor, Market, Offer, Page, Stream, Window
from connectors.errors import AuthError, ContractError, NotOfferedError, TransientError
from connectors.http import Http, Reply, key_variables
from connectors.jsontext import is_json
from connectors.retry import Retry

T = TypeVar("T")

Sleep = Callable[[float], None]
Now = Callable[[], float]


class Client(ABC):
    """The common part of a :class:`connectors.base.Connector`.

    A dialect names its ``offers`` and has one method per dataset, ``_trades(stream, window)`` for
    ``trades`` and so on: ``(stream, window)`` for ID, TIME and LATEST, ``(stream, token)`` for
    PAGES, ``(symbols)`` for SNAPSHOT. ``now``: seconds since 1970, this machine's clock.
    """

    name: ClassVar[str]
    offers: Mapping[str, Offer]

    def __init__(self, connection: Connection, sleep: Sleep = time.sleep, now: Now = time.time):
        self.connection = connection
        self._now = now
        self._http = Http(self.name, connection)
        self._retry = Retry(connection.retries, sleep)
        self._markets: Sequence[Market] | None = None
        self._markets_lock = threading.Lock()

    def markets(self) -> Sequence[Market]:
        """All listed markets; asked once and remembered."""
        with self._markets_lock:
            if self._markets is None:
                self._markets = self._list_markets()
            return self._markets

    def fetch(self, stream: Stream, window: Window) -> Page:
        """One page of an ``ID``, ``TIME`` or ``LATEST`` stream."""
        self._must_offer(stream.dataset, Cursor.ID, Cursor.TIME, Cursor.LATEST)
        found: Page = getattr(self, f"_{stream.dataset}")(stream, window)
        return found

    def page(self, stream: Stream, token: str | None) -> Page:
        """One page of a ``PAGES`` stream."""
        self._must_offer(stream.dataset, Cursor.PAGES)
        found: Page = getattr(self, f"_{stream.dataset}")(stream, token)
        return found

    def snapshot(self, dataset_: str, symbols: Sequence[str]) -> Page:
        """The state now of up to ``Offer.batch`` markets."""
        offer = self._must_offer(dataset_, Cursor.SNAPSHOT)
        if not 0 < len(symbols) <= offer.batch:
            raise ValueError(f"{self.name}: 1 to {offer.batch} markets a call, not {len(symbols)}")
        found: Page = getattr(self, f"_{dataset_}")(symbols)
        return found

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    @abstractmethod
    def _list_markets(self) -> Sequence[Market]: ...

    def _must_offer(self, dataset_: str, *cursors: Cursor) -> Offer:
        offer = self.offers.get(dataset_)
        if offer is None or offer.cursor not in cursors:
            offered = ", ".join(self.offers)
            raise NotOfferedError(
                f"{self.name} does not offer {dataset_} in this way; it offers: {offered}"
            )
        return offer

    def _credentials(self, dataset_: str) -> Credentials:
        if self.connection.credentials is None:
            key, secret = key_variables(self.name, self.connection.account)
            raise AuthError(
                f"{self.name}: {dataset_} needs the key of account '{self.connection.account}'; "
                f"set {key} and {secret}"
            )
        return self.connection.credentials

    def _now_us(self) -> int:
        return int(self._now() * 1_000_000)

    def _bucket(self, kind: str) -> str:
        """A rate limit's name: per host for public calls, per account besides for private ones."""
        url = self._http.base_url
        parts = [self.name, kind, url.host, str(url.port or "")]
        if kind == "private":
            parts.append(self.connection.account)
        return re.sub(r"[^A-Za-z0-9.-]", "_", "-".join(p for p in parts if p))

    def _limit(self, kind: str, per_second: float) -> None:
        self.connection.limits.wait(self._bucket(kind), per_second)

    def _parsed(self, reply: Reply, parse: Callable[[bytes], T]) -> T:
        """``parse(body)``; an answer cut off on the way is a fault, one of another shape is not."""
        try:
            return parse(reply.body)
        except ContractError as error:
            call = f"{self.name}: {reply.call.label}"
            if not is_json(reply.body):
                raise TransientError(
                    f"{call}: the answer is no whole JSON: {reply.said()}"
                ) from None
            raise ContractError(f"{call}: {error}; came: {reply.said()}") from None
