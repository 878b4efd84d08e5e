"""The recorded responses: which there are, which are asked for, and their pages read again."""

import fnmatch
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import connectors
from connectors.base import Connector, Cursor, Page, RecordedResponse
from connectors.errors import ContractError, ExchangeError, TransientError
from pipelines.exchanges.names import remembered_names
from pipelines.exchanges.recorder import from_raw
from pipelines.feeds import Feed
from schemas import ConfigError, StreamId, dataset
from schemas.wording import count
from warehouse import raw
from warehouse.errors import StorageError
from warehouse.store import Store

_FIX = (
    "Fix: `keep_raw: true` on a dataset in defs.yaml records the responses of pulls from then on "
    "(those of account data are recorded unless it says false)"
)


def select(
    home: Path, patterns: Sequence[str], feeds: Callable[[], Sequence[Feed]]
) -> list[StreamId]:
    """The streams with responses that any of ``patterns`` names; all where there is none.

    A pattern is ``exchange``, ``exchange/dataset``, or the same with a feed's name, with shell
    wildcards, as for a pull. Exchanges come first: their feeds may be long gone. Raises
    ``ConfigError`` for one that matches nothing.
    """
    known = [s for s in raw.streams(home) if _is_readable(s)]
    if not known:
        raise ConfigError(
            f"no responses were recorded in {home / raw.RAW}: nothing to replay\n{_FIX}"
        )
    chosen: set[StreamId] = set()
    store = Store(home)
    for pattern in patterns or ["*"]:
        owner, slash, name = pattern.strip("/").partition("/")
        asked = [s for s in known if not slash or fnmatch.fnmatchcase(s.dataset, name)]
        found = {s for s in asked if fnmatch.fnmatchcase(s.exchange, owner)}
        if not found:
            mine = [feed for feed in feeds() if fnmatch.fnmatchcase(feed.name, owner)]
            found = {s for s in asked if any(_is_of(feed, s, store) for feed in mine)}
        if not found:
            names = ", ".join(dict.fromkeys(f"{s.exchange}/{s.dataset}" for s in known))
            raise ConfigError(
                f"no responses were recorded of {pattern!r}; there are: {names}\n{_FIX}"
            )
        chosen |= found
    return [stream for stream in known if stream in chosen]


def _is_readable(stream: StreamId) -> bool:
    if not connectors.is_known(stream.exchange):
        return False
    offer = connectors.offers(stream.exchange).get(stream.dataset)
    if offer is None or dataset(stream.dataset).is_reference:  # a list is soon asked for again
        return False
    return offer.of(stream.timeframe).cursor is not Cursor.DERIVED


def _is_of(feed: Feed, stream: StreamId, store: Store) -> bool:
    if stream.exchange != feed.exchange or stream.dataset not in feed.datasets:
        return False
    if dataset(stream.dataset).is_account:
        return stream.account == feed.account
    if feed.markets is None or stream.symbol in feed.markets:
        return True
    names = remembered_names(store, feed.exchange)
    return stream.symbol in {names.get(name) for name in feed.markets}


@dataclass
class Archive:
    """The recorded responses of one dataset of an exchange, and what was met in reading them.

    ``broken``: responses that had been cut off and were asked for again; ``torn``: bytes of writes
    that broke off at a file's end; ``unreadable``: what is there and cannot be read; ``problem``:
    the first of it, in a sentence.
    """

    home: Path
    connector: Connector
    responses: int = 0
    broken: int = 0
    torn: int = 0
    unreadable: int = 0
    problem: str | None = None

    def pages(
        self, streams: Sequence[StreamId], *, newest_first: bool = False
    ) -> Iterator[tuple[RecordedResponse, Page]]:
        """Every response of ``streams`` that holds a page, in the order in which they came."""
        spots: list[tuple[int, int, Path, raw.Spot]] = []
        for stream in streams:
            for path in raw.days(self.home, stream):
                spots += self._spots(path, len(spots))
        for _, _, path, spot in sorted(spots, key=lambda s: s[:2], reverse=newest_first):
            self.responses += 1
            found = self._page(path, spot)
            if found is not None:
                yield found

    def _page(self, path: Path, spot: raw.Spot) -> tuple[RecordedResponse, Page] | None:
        where = f"{path} at byte {spot.offset}"
        try:
            response = from_raw(raw.load(path, spot))
        except StorageError as error:
            self._unreadable(str(error))
            return None
        except (KeyError, TypeError, IndexError):
            self._unreadable(f"{where}: what is recorded there is no response")
            return None
        try:
            return response, self.connector.read(response)
        except TransientError:
            self.broken += 1
        except ContractError as error:
            self._unreadable(f"{error} ({where})")
        except ExchangeError:  # nothing but a refusal: it holds no page
            pass
        return None

    def _spots(self, path: Path, before: int) -> list[tuple[int, int, Path, raw.Spot]]:
        try:
            found = raw.scan(path)
        except OSError as error:
            self._unreadable(f"cannot read {path}: {error.strerror or error}")
            return []
        self.torn += found.torn
        if found.damaged:
            self._unreadable(
                f"{path}: {count(found.damaged, 'damaged byte')} between its responses. Fix: "
                "restore the file from a backup"
            )
        return [(s.at, before + i, path, s) for i, s in enumerate(found.spots)]

    def _unreadable(self, problem: str) -> None:
        self.unreadable += 1
        self.problem = self.problem or problem
