"""Where the metastore of a home lies: in an SQLite file of the home, or in PostgreSQL.

``TIDEMARK_METASTORE=postgresql://user@host:port/database`` names a database. A home whose metastore
is there says so in its file ``metastore.json``: without the setting it is an error to open it, so
that nothing is recorded in a second, empty metastore.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

from schemas import StreamId
from warehouse.errors import StorageError, from_os_error
from warehouse.home import METASTORE, metastore_url
from warehouse.metastore_file import SqliteFile, existing
from warehouse.metastore_tables import Database, Row

MARKER: Final = "metastore.json"
"""The file of a home that says where its metastore is, if that is not the SQLite file."""
_ABOUT: Final = "The metastore of this home is in PostgreSQL; TIDEMARK_METASTORE says where."


class Backend(Protocol):
    """A database that holds one metastore."""

    @property
    def name(self) -> str:
        """What messages call it; without password."""

    @property
    def errors(self) -> tuple[type[Exception], ...]:
        """What its driver raises."""

    def connect(self) -> Database:
        """A new connection. Raises ``StorageError``."""

    def begin(self, db: Database) -> None:
        """Begin a transaction that writes; one at a time."""

    def prepare(self, db: Database) -> None:
        """Inside a transaction: create the tables or check their version."""

    def lease_check(self, db: Database, stream: StreamId | None) -> Callable[[], None]:
        """Asked for in a transaction, and called before it commits: it raises ``StorageError``
        where this process held the lock of ``stream``, and another holder has it by now."""

    def rows(self, db: Database) -> dict[str, list[Row]]:
        """The rows of every table that can be read, with their checksums."""

    def damage(self) -> str | None:
        """Why it cannot be used: ``missing``, ``empty`` or more; ``None`` if it can.

        Raises ``StorageError`` where that cannot be found out.
        """

    def as_storage_error(self, error: Exception) -> StorageError:
        """``StorageError`` for an error of its driver, with a fix."""


@dataclass(frozen=True)
class Marker:
    """What a home says of its metastore. ``schema``: of PostgreSQL; ``None``: the SQLite file.

    ``folder`` and ``inode`` (of the marker's file): by one of them the home knows itself, from a
    copy.
    """

    schema: str | None
    identity: int = 0
    folder: str = ""
    inode: int = 0


def is_postgres(home: Path) -> bool:
    """Whether the metastore of ``home`` is, or is to be, in PostgreSQL."""
    if not metastore_url():
        return False
    marker = read_marker(home)
    return marker is None or marker.schema is not None


def backend_of(home: Path) -> Backend:
    """The database of the metastore of ``home``. Raises ``StorageError``, ``ConfigError``."""
    if is_postgres(home):
        from warehouse.metastore_postgres import open_backend  # with it psycopg

        return open_backend(home)
    marker = read_marker(home)
    if marker is not None and marker.schema is not None:
        raise StorageError(
            f"the metastore of {home} is in PostgreSQL (schema {marker.schema}), and "
            f"{METASTORE} is not set. Fix: set {METASTORE}=postgresql://user@host:port/database"
        )
    return SqliteFile(home)


def has_metastore(home: Path) -> bool:
    """Whether ``home`` has a metastore, wherever it lies."""
    return existing(home) is not None or (home / MARKER).exists()


def read_marker(home: Path) -> Marker | None:
    """What ``home`` says of its metastore, if it says anything. Raises ``StorageError``."""
    path = home / MARKER
    if not path.exists():
        return None
    import json

    try:
        known: dict[str, Any] = json.loads(path.read_bytes())
        schema = known["schema"]
        place = str(known.get("folder", "")), int(known.get("inode", 0))
        return Marker(None if schema is None else str(schema), int(known["identity"]), *place)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise from_os_error(error, "cannot read", path) from error
    except (ValueError, KeyError, TypeError) as error:
        raise StorageError(
            f"cannot read {path}: {error}. Fix: write "
            '{"schema": "…", "identity": …} with the schema in PostgreSQL and the number that '
            "its table counters calls identity"
        ) from error


def mark_as_sqlite(home: Path) -> None:
    """Let the metastore of ``home`` be its SQLite file, whatever the setting says."""
    home.mkdir(parents=True, exist_ok=True)
    (home / MARKER).write_text(marker_text(Marker(None)))


def marker_text(marker: Marker) -> str:
    """The content of the file ``metastore.json``."""
    import json

    about: dict[str, Any] = {"schema": marker.schema, "identity": marker.identity}
    if marker.schema is not None:
        about = {"about": _ABOUT, **about, "folder": marker.folder, "inode": marker.inode}
    return json.dumps(about) + "\n"
