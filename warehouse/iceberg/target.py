"""Where Iceberg tables are published."""

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import parse_qs, unquote, urlsplit

CATALOG: Final = "tidemark"
"""The name of the catalog; a SQL catalog keeps it in every row, so readers need it."""
FILE: Final = "file://"
_SECRET: Final = ("s3.secret-access-key", "s3.session-token")


@dataclass(frozen=True)
class IcebergTarget:
    """A catalog, a namespace in it, and the storage of its tables.

    ``catalog``: an SQLAlchemy URL; it may hold a password. ``warehouse``: ``file:///folder`` or
    ``s3://bucket/prefix``. ``storage``: properties of the object store, as pyiceberg names
    them; they may hold keys. ``keep_hours``: how long a superseded snapshot can still be read.
    """

    catalog: str = field(repr=False)
    warehouse: str
    namespace: str = CATALOG
    keep_hours: float = 24
    storage: Mapping[str, str] = field(default_factory=dict, repr=False)

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no message may show."""
        place = urlsplit(self.catalog)
        word = place.password or ""
        found = (word, unquote(word), *parse_qs(place.query).get("password", ()))
        named = filter(None, (*found, *map(self.storage.get, _SECRET)))
        return tuple(dict.fromkeys(named))

    @property
    def has_catalog(self) -> bool:
        """Whether the catalog's file exists; taken to be so of a server's."""
        scheme, _, path = self.catalog.partition(":///")
        return scheme != "sqlite" or Path(path).exists()

    @property
    def number(self) -> int:
        """Tells this target from another one; secrets are no part of it."""
        place = urlsplit(self.catalog)
        host = place.netloc.rpartition("@")[2]
        named = (place.scheme, host, place.path, self.warehouse, self.namespace)
        return zlib.crc32("\0".join(named).encode())
