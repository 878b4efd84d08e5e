"""Which calls may leave for an exchange through ccxt: ``exchanges.toml``, reviewed like code.

An exchange that is not in it is sent nothing at all. Each call is an exact triple (method, API,
path) as ccxt writes it, and the path of the URL that it leads to.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from connectors.names import IN_PATH

DATASETS: Final = ("markets", "trades", "candles", "tickers", "order_books")
"""Those that every exchange may have, with or without a profile."""
_PLACE: Final = re.compile(r"\\\{[a-zA-Z_]+\\\}")
_SEGMENT: Final = IN_PATH.replace("A-Za-z0-9_.~-", "A-Za-z0-9_.~:-")
"""What may stand in its place: a colon is part of some names of markets."""


@dataclass(frozen=True)
class Read:
    """One reading call. ``api``: as ccxt nests it, joined by ``.``; ``at``: the URL's path.

    ``{name}`` in ``path`` and ``at`` stands for one segment, never for a way to another path.
    """

    method: str
    api: str
    path: str
    at: str

    @classmethod
    def of(cls, text: str) -> "Read":
        """From ``GET public market/trades /api/v5/market/trades``."""
        method, api, path, at = text.split()
        return cls(method, api, path, at)

    @property
    def triple(self) -> tuple[str, str, str]:
        """As ccxt writes it."""
        return self.method, self.api, self.path

    @property
    def pattern(self) -> str:
        """Of :attr:`connectors.http.Request.call`."""
        return f"{self.method} {_PLACE.sub(lambda _: _SEGMENT, re.escape(self.at))}"

    @property
    def is_by_path(self) -> bool:
        """Whether a part of the path says what is asked for."""
        return "{" in self.at


@dataclass(frozen=True)
class Entry:
    """What is declared of one exchange.

    ``host``: the one that everything goes to. ``per_second``: calls. ``reads``: by dataset, those
    that need no key. ``account``: those that do, and others of a profile. ``most``: rows that are
    asked for, where a number may be said; the most there are. ``place``: of the calls that ccxt
    makes for the list of markets, which one has the list. ``apis``: of the ones of the whole
    exchange, how ccxt nests it.
    """

    id: str
    host: str
    per_second: float
    reads: Mapping[str, Read]
    account: tuple[Read, ...] = ()
    timeframes: tuple[str, ...] = ()
    most: Mapping[str, int] = field(default_factory=dict)
    place: int = 0

    @property
    def name(self) -> str:
        """As feeds and rows have it."""
        return f"ccxt:{self.id}"

    @property
    def every(self) -> tuple[Read, ...]:
        """Every call that may leave."""
        return (*self.reads.values(), *self.account)

    @property
    def patterns(self) -> tuple[str, ...]:
        """Of :attr:`connectors.dialect.Dialect.reads`."""
        return tuple(dict.fromkeys(read.pattern for read in self.every))

    def read_of(self, method: str, url: str) -> Read | None:
        """The call that a request to ``url`` is: by method, host and path; None: of none.

        ``url``: as ccxt would send it.
        """
        parts, own = urlsplit(url), urlsplit(self.host)
        if (parts.scheme, parts.netloc) != (own.scheme, own.netloc) or parts.fragment:
            return None
        call = f"{method} {parts.path}"
        return next((read for read in self.every if re.fullmatch(read.pattern, call)), None)


@cache
def entries() -> Mapping[str, Entry]:
    """Every exchange that is declared, by its id at ccxt."""
    text = Path(__file__).with_name("exchanges.toml").read_text(encoding="utf-8")
    return {id_: _entry(id_, found) for id_, found in tomllib.loads(text).items()}


def _entry(id_: str, found: Mapping[str, Any]) -> Entry:
    return Entry(
        id_,
        found["host"],
        float(found["per_second"]),
        {name: Read.of(found[name]) for name in DATASETS if name in found},
        tuple(map(Read.of, found.get("account", ()))),
        tuple(found.get("timeframes", "").split()),
        found.get("most", {}),
        found.get("place", 0),
    )
