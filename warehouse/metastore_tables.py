"""The tables of the metastore, and its rows with their checksums, in whatever database they lie.

Every row carries a checksum of its columns: whoever reads it notices a flipped bit, and keeps what
is whole of a damaged metastore. :class:`warehouse.metastore.Metastore` reads and writes them.

Statements are those that SQLite and PostgreSQL share, with ``?`` for a value.
"""

import re
import secrets
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from functools import cache
from operator import attrgetter
from typing import Any, Final, Protocol

from schemas import StreamId
from warehouse.errors import StorageError
from warehouse.intervals import Interval, Unshown
from warehouse.state import StreamState


class Rows(Protocol):
    """The rows that a statement found."""

    def fetchone(self) -> Any:
        """The next one; ``None`` where there is none."""

    def fetchall(self) -> list[Any]:
        """All that are left."""

    def __iter__(self) -> Iterator[Any]:
        """One after the other."""


class Database(Protocol):
    """An open connection: ``sqlite3.Connection``, or one to PostgreSQL.

    Outside of ``BEGIN`` and ``COMMIT`` each statement commits by itself.
    """

    def execute(self, statement: str, values: Sequence[Any] = ..., /) -> Rows:
        """Execute one statement, with ``?`` for each value."""

    def executemany(self, statement: str, rows: Iterable[Sequence[Any]], /) -> object:
        """Execute a statement that finds nothing for each of ``rows``."""

    def close(self) -> None:
        """Close the connection."""


VERSION: Final = 6
_INTERVAL: Final = attrgetter(*(field.name for field in fields(Interval)))
_UNSHOWN: Final = attrgetter(*(field.name for field in fields(Unshown)))
_STREAM: Final = """exchange TEXT NOT NULL, dataset TEXT NOT NULL, symbol TEXT NOT NULL,
    account TEXT NOT NULL, timeframe TEXT NOT NULL, source TEXT NOT NULL"""
KEY: Final = "exchange, dataset, symbol, account, timeframe, source"
SCHEMA: Final = f"""
-- a stream is named by six columns; a field that it does not have is empty text
CREATE TABLE IF NOT EXISTS streams (
    {_STREAM},
    unit TEXT NOT NULL,          -- id | time | none: what coverage is counted in
    checkpoint TEXT NOT NULL,    -- what pulls remember of the stream; opaque; empty for nothing
    wanted_from INTEGER,         -- microseconds: history is wanted back to here
    newest_at INTEGER,           -- microseconds: time of the newest row held
    checked_at INTEGER,          -- microseconds: when a pull last reached the head
    remark TEXT NOT NULL,        -- what is wrong with the stream as a whole
    delisted INTEGER NOT NULL,   -- 1: reported as listed no longer
    recorded_at INTEGER NOT NULL,    -- microseconds: when its coverage last changed
    checksum INTEGER NOT NULL,   -- CRC-32 of the other columns; so in every table
    PRIMARY KEY ({KEY})
);
CREATE TABLE IF NOT EXISTS intervals (   -- proved complete
    {_STREAM},
    lower INTEGER NOT NULL, upper INTEGER NOT NULL,    -- half-open
    first INTEGER, last INTEGER, first_at INTEGER, last_at INTEGER,
    checksum INTEGER NOT NULL,
    PRIMARY KEY ({KEY}, lower)
);
CREATE TABLE IF NOT EXISTS unshown (     -- asked for, and not shown by the exchange
    {_STREAM},
    lower INTEGER NOT NULL, upper INTEGER NOT NULL,    -- half-open
    since INTEGER NOT NULL, asked_at INTEGER NOT NULL, times INTEGER NOT NULL,
    lost INTEGER NOT NULL,       -- 1: long enough to call it lost
    checksum INTEGER NOT NULL,
    PRIMARY KEY ({KEY}, lower)
);
CREATE TABLE IF NOT EXISTS files (
    path TEXT PRIMARY KEY,       -- relative to the home
    {_STREAM}, period TEXT NOT NULL,
    rows INTEGER NOT NULL, bytes INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
    min_key INTEGER, max_key INTEGER,    -- ids or times; null where an id is no integer
    min_time INTEGER, max_time INTEGER,
    change INTEGER NOT NULL,     -- the commit that last wrote it
    digest TEXT NOT NULL,        -- SHA-256 of its bytes; empty: not recorded yet
    checksum INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS files_by_stream ON files ({KEY}, period);
CREATE INDEX IF NOT EXISTS files_by_change ON files (change);
CREATE TABLE IF NOT EXISTS unsettled (   -- rows whose state may still change
    {_STREAM}, id INTEGER NOT NULL, checksum INTEGER NOT NULL,
    PRIMARY KEY ({KEY}, id)
);
CREATE TABLE IF NOT EXISTS folders (     -- mtime differs: written without a commit
    path TEXT PRIMARY KEY, mtime_ns INTEGER NOT NULL, checksum INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS archived (    -- files of the raw archive, as last verified
    path TEXT PRIMARY KEY,       -- relative to the home
    bytes INTEGER NOT NULL,      -- so many from the beginning: they are only appended to
    digest TEXT NOT NULL,        -- SHA-256 of these
    checksum INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS emptied (     -- periods whose files are gone
    {_STREAM}, period TEXT NOT NULL, change INTEGER NOT NULL, checksum INTEGER NOT NULL,
    PRIMARY KEY ({KEY}, period)
);
CREATE TABLE IF NOT EXISTS counters (
    name TEXT PRIMARY KEY, value INTEGER NOT NULL, checksum INTEGER NOT NULL
);
"""
TABLES: Final = tuple(re.findall(r"CREATE TABLE IF NOT EXISTS (\w+)", SCHEMA))
OF_STREAM: Final = " AND ".join(f"{name} = ?" for name in KEY.split(", "))
NAMES: Final = 6
"""Columns that name a stream."""
Row = tuple[Any, ...]
"""A row of a table; without its checksum where nothing else is said."""


def key(stream: StreamId) -> tuple[str, ...]:
    """The six columns that name ``stream``."""
    return stream.exchange, stream.dataset, *(field or "" for field in stream.optional)


def stream_of(exchange: str, dataset: str, *optional: str) -> StreamId:
    """The stream that the six columns name."""
    symbol, account, timeframe, source = (field or None for field in optional)
    return StreamId(exchange, dataset, symbol, account, timeframe, source)


def create(db: Database, schema: str = SCHEMA) -> None:
    """Create all tables, inside the caller's transaction. ``schema``: in the database's dialect."""
    for statement in schema.split(";\n"):
        db.execute(statement)
    counted = {name for (name,) in db.execute("SELECT name FROM counters").fetchall()}
    # the identity distinguishes this metastore from one that was lost: counters are unrelated
    first = {"identity": secrets.randbits(62), "version": VERSION}
    put(db, "counters", [(name, first[name]) for name in first.keys() - counted])


def put(db: Database, table: str, rows: Iterable[Row]) -> None:
    """Insert ``rows``, each with its checksum, in place of rows with the same key."""
    whole = [(*row, checksum(row)) for row in rows]
    if whole:
        db.executemany(_upsert(table), whole)


@cache
def _upsert(table: str) -> str:
    (body,) = re.findall(rf"EXISTS {table} \((.*?)\n\);", SCHEMA, re.DOTALL)
    text = re.sub("--.*", "", body)
    (keys,) = re.findall(r"PRIMARY KEY \((.*?)\)", text) or re.findall(r"(\w+) TEXT PRIMARY", text)
    columns = re.findall(r"(\w+) (?:TEXT|INTEGER)", text)
    held = set(keys.split(", "))
    news = ", ".join(f"{name} = excluded.{name}" for name in columns if name not in held)
    marks = ", ".join("?" * len(columns))
    return f"INSERT INTO {table} VALUES ({marks}) ON CONFLICT ({keys}) DO UPDATE SET {news}"


def sound_rows(found: Mapping[str, Iterable[Row]]) -> dict[str, list[Row]]:
    """Of the rows of every table, checksums included, those that have it; then without it.

    Coverage only of streams whose own row is among them: it says what is counted.
    """
    sound = {table: [row[:-1] for row in found[table] if is_sound(row)] for table in TABLES}
    streams = {row[:NAMES] for row in sound["streams"]}
    for table in ("intervals", "unshown", "unsettled"):
        sound[table] = [row for row in sound[table] if row[:NAMES] in streams]
    return sound


def damaged_rows(db: Database, rows: Mapping[str, Sequence[Row]]) -> dict[str, int]:
    """How many rows of which tables are not among ``rows``, the sound ones."""
    held = {t: db.execute(f"SELECT count(*) FROM {t}").fetchone()[0] for t in TABLES}
    return {
        table: held[table] - len(rows[table]) for table in TABLES if held[table] > len(rows[table])
    }


def replace_rows(db: Database, rows: Mapping[str, Sequence[Row]]) -> None:
    """The tables hold just ``rows`` then, and readers notice that something changed."""
    for table in TABLES:
        db.execute(f"DELETE FROM {table}")
        put(db, table, rows[table])
    known: dict[str, int] = dict(rows["counters"])
    if not {"identity", "change", "state"} <= known.keys():
        # nothing tells which changes DuckDB has: under a new identity it loads all of them
        changes = [row[-2] for row in rows["files"]] + [row[-1] for row in rows["emptied"]]
        known["identity"] = secrets.randbits(62)
        known["change"] = max([known.get("change", 0), *changes])
    known |= {"version": VERSION, "state": known.get("state", 0) + 1}
    put(db, "counters", known.items())


def checksum(row: Row) -> int:
    """CRC-32 of the columns of a row."""
    return zlib.crc32(repr(tuple(row)).encode())


def is_sound(row: Row) -> bool:
    """Whether a row, of which the checksum is the last column, has that checksum."""
    return bool(checksum(row[:-1]) == row[-1])


def write_state(
    db: Database,
    stream: StreamId,
    state: StreamState,
    recorded_at: int,
    before: StreamState | None = None,
) -> None:
    """Replace the recorded state of ``stream``, inside the caller's transaction.

    ``before``: what is recorded, where that is known. Most pulls change only when it was checked.
    """
    of = key(stream)
    known = (state.unit, state.checkpoint, state.wanted_from, state.newest_at, state.checked_at)
    put(db, "streams", [(*of, *known, state.remark, int(state.delisted), recorded_at)])
    if before is not None and _rows_of(before) == _rows_of(state):
        return
    for table in ("intervals", "unshown", "unsettled"):
        db.execute(f"DELETE FROM {table} WHERE {OF_STREAM}", of)
    put(db, "intervals", [(*of, *_INTERVAL(run)) for run in state.complete])
    put(db, "unshown", [(*of, *_UNSHOWN(u)[:-1], int(u.lost)) for u in state.unshown])
    put(db, "unsettled", [(*of, row_id) for row_id in sorted(state.unsettled)])


def _rows_of(state: StreamState) -> tuple[object, ...]:
    """What other tables than ``streams`` hold of a state."""
    return state.complete, state.unshown, state.unsettled


def increment(db: Database, name: str) -> int:
    """Increment a counter inside the caller's transaction; its new value."""
    row = db.execute("SELECT * FROM counters WHERE name = ?", (name,)).fetchone()
    if row is not None and not is_sound(row):
        raise StorageError(f"the metastore's counter {name} is damaged. Fix: `tidemark verify`")
    number = 1 + (row[1] if row else 0)
    put(db, "counters", [(name, number)])
    return int(number)
