"""The ledger: what of every stream is proved, and which files hold it. SQLite in the home.

One transaction records a commit (coverage + files) after its files are safely on disk, so the
ledger never claims a row that a crash could take away. It is the only place that knows coverage.
"""

import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from warehouse.coverage import Interval, Intervals
from warehouse.ledger_file import LedgerFile

_OF_STREAM: Final = "exchange = ? AND dataset = ? AND stream = ?"
_FILE_COLUMNS: Final = (
    "path, period, rows, bytes, mtime_ns, min_key, max_key, min_time, max_time, change"
)


@dataclass(frozen=True, slots=True)
class StreamId:
    """Names one stream in ledger and lake: ``('bitexbit', 'candles', 'BTC-USD:5m')``."""

    exchange: str
    dataset: str
    stream: str

    @property
    def part(self) -> str:
        """The symbol or account: the last hive directory."""
        return self.stream.partition(":")[0]

    @property
    def timeframe(self) -> str | None:
        """Of candles: ``5m``."""
        return self.stream.partition(":")[2] or None

    def __str__(self) -> str:
        return f"{self.exchange}/{self.dataset} {self.stream}"


@dataclass(frozen=True, slots=True)
class FileRecord:
    """One lake file as the ledger knows it. Times in microseconds."""

    path: str
    period: str
    rows: int
    bytes: int
    mtime_ns: int
    min_key: int | None
    max_key: int | None
    min_time: int | None
    max_time: int | None
    change: int = 0


@dataclass(frozen=True, slots=True)
class StreamState:
    """All that is known of one stream besides its rows."""

    complete: Intervals = ()
    lost: Intervals = ()
    unit: str = "id"
    law: str = "{}"
    wanted_from: int | None = None
    newest_at: int | None = None
    checked_at: int | None = None
    unsettled: frozenset[int] = field(default=frozenset())


class Ledger(LedgerFile):
    """The ledger of one home. Safe for several threads and processes."""

    def streams(self, exchange: str | None = None, dataset: str | None = None) -> list[StreamId]:
        """The streams with a state (be it one without claims), in order."""
        with self.reading() as db:
            rows = db.execute(
                "SELECT exchange, dataset, stream FROM streams"
                " WHERE exchange = coalesce(?, exchange) AND dataset = coalesce(?, dataset)"
                " ORDER BY exchange, dataset, stream",
                (exchange, dataset),
            ).fetchall()
        return [StreamId(*row) for row in rows]

    def is_registered(self, stream: StreamId) -> bool:
        """Whether ``stream`` has a state (be it one without claims)."""
        with self.reading() as db:
            row = db.execute(f"SELECT 1 FROM streams WHERE {_OF_STREAM}", _key(stream)).fetchone()
        return row is not None

    def state(self, stream: StreamId) -> StreamState:
        """What is known of ``stream``; an empty state for a new one.

        Raises ``ValueError`` for an interval that ends before it begins.
        """
        key = _key(stream)
        with self.reading() as db:
            row = db.execute(
                "SELECT unit, law, wanted_from, newest_at, checked_at"
                f" FROM streams WHERE {_OF_STREAM}",
                key,
            ).fetchone()
            spans: dict[str, list[Interval]] = {"complete": [], "lost": []}
            for state, *interval in db.execute(
                "SELECT state, lower, upper, first, last, first_at"
                f" FROM intervals WHERE {_OF_STREAM} ORDER BY lower",
                key,
            ):
                spans[state].append(Interval(*interval))
            unsettled = db.execute(f"SELECT cursor FROM unsettled WHERE {_OF_STREAM}", key)
            return replace(
                StreamState((), (), *row) if row else StreamState(),
                complete=tuple(spans["complete"]),
                lost=tuple(spans["lost"]),
                unsettled=frozenset(cursor for (cursor,) in unsettled),
            )

    def record(
        self,
        stream: StreamId,
        state: StreamState,
        files: Sequence[FileRecord] = (),
        folders: Iterable[tuple[str, int]] = (),
    ) -> None:
        """One commit: the new state of a stream and the files just written for it."""
        key = _key(stream)
        with self._transaction() as db:
            if files or _claims(self.state(stream)) != _claims(state):
                _count(db, "state")
            db.execute(
                "INSERT OR REPLACE INTO streams VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *key,
                    state.unit,
                    state.law,
                    state.wanted_from,
                    state.newest_at,
                    state.checked_at,
                ),
            )
            for table in ("intervals", "unsettled"):
                db.execute(f"DELETE FROM {table} WHERE {_OF_STREAM}", key)
            db.executemany(
                "INSERT INTO intervals VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (*key, name, i.lower, i.upper, i.first, i.last, i.first_at)
                    for name, spans in (("complete", state.complete), ("lost", state.lost))
                    for i in spans
                ],
            )
            db.executemany(
                "INSERT INTO unsettled VALUES (?, ?, ?, ?)",
                [(*key, cursor) for cursor in sorted(state.unsettled)],
            )
            self._write_files(db, stream, files)
            _note(db, folders)

    def drop_claims(self, stream: StreamId) -> None:
        """Claim nothing of ``stream`` any more, even where its state cannot be read."""
        with self._transaction() as db:
            _count(db, "state")
            db.execute(f"DELETE FROM intervals WHERE {_OF_STREAM}", _key(stream))

    def adopt(
        self, stream: StreamId, files: Sequence[FileRecord], folders: Iterable[tuple[str, int]]
    ) -> None:
        """Take over what lies on disk: the records of ``stream`` become exactly ``files``."""
        with self._transaction() as db:
            gone = {f.period for f in self.files(stream)} - {f.period for f in files}
            db.execute(f"DELETE FROM files WHERE {_OF_STREAM}", _key(stream))
            if gone:
                change = _count(db, "change")
                db.executemany(
                    "INSERT OR REPLACE INTO emptied VALUES (?, ?, ?, ?, ?)",
                    [(*_key(stream), period, change) for period in sorted(gone)],
                )
            self._write_files(db, stream, files)
            _note(db, folders)

    def note_folders(self, folders: Iterable[tuple[str, int]]) -> None:
        """Remember that these folders hold just what is recorded, as of this mtime."""
        with self._transaction() as db:
            _note(db, folders)

    def files(self, stream: StreamId, period: str | None = None) -> list[FileRecord]:
        """The files of one stream (of one period), oldest period first."""
        if period is None:
            return self._files(stream)
        return self._files(stream, " AND period = ?", period)

    def files_overlapping(self, stream: StreamId, low: int, high: int) -> list[FileRecord]:
        """Files of ``stream`` whose key range meets ``low..high`` (both inclusive)."""
        meeting = " AND (min_key IS NULL OR (max_key >= ? AND min_key <= ?))"
        return self._files(stream, meeting, low, high)

    def folder_mtime(self, path: str) -> int | None:
        """The folder's mtime_ns at the last commit that wrote into it."""
        with self.reading() as db:
            row = db.execute("SELECT mtime_ns FROM folders WHERE path = ?", (path,)).fetchone()
        return row[0] if row else None

    def _files(self, stream: StreamId, more: str = "", *values: int | str) -> list[FileRecord]:
        with self.reading() as db:
            rows = db.execute(
                f"SELECT {_FILE_COLUMNS} FROM files WHERE {_OF_STREAM}{more} ORDER BY period, path",
                (*_key(stream), *values),
            ).fetchall()
        return [FileRecord(*row) for row in rows]

    def newest_change(self) -> int:
        """The number of the newest change of any file."""
        with self.reading() as db:
            row = db.execute(
                "SELECT max(change) FROM (SELECT change FROM files"
                " UNION ALL SELECT change FROM emptied UNION ALL SELECT 0)"
            ).fetchone()
        return int(row[0])

    def state_mark(self) -> int:
        """Changes with every recorded commit of coverage."""
        return self._counter("state")

    def identity(self) -> int:
        """Tells this ledger from one that was lost: the counters of two mean different things."""
        return self._counter("identity")

    def _counter(self, name: str) -> int:
        with self.reading() as db:
            row = db.execute("SELECT value FROM counters WHERE name = ?", (name,)).fetchone()
        return row[0] if row else 0

    def _write_files(
        self, db: sqlite3.Connection, stream: StreamId, files: Sequence[FileRecord]
    ) -> None:
        if not files:
            return
        change = _count(db, "change")
        db.executemany(
            "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    f.path,
                    *_key(stream),
                    f.period,
                    f.rows,
                    f.bytes,
                    f.mtime_ns,
                    f.min_key,
                    f.max_key,
                    f.min_time,
                    f.max_time,
                    change,
                )
                for f in files
            ],
        )


def _key(stream: StreamId) -> tuple[str, str, str]:
    return stream.exchange, stream.dataset, stream.stream


def _claims(state: StreamState) -> tuple[object, ...]:
    """What readers see of a state: a change of anything else is no news to them."""
    return state.complete, state.lost, state.unit, state.wanted_from


def _count(db: sqlite3.Connection, name: str) -> int:
    """The next number of a counter, for good with the transaction."""
    row = db.execute(
        "INSERT INTO counters VALUES (?, 1)"
        " ON CONFLICT (name) DO UPDATE SET value = value + 1 RETURNING value",
        (name,),
    ).fetchone()
    return int(row[0])


def _note(db: sqlite3.Connection, folders: Iterable[tuple[str, int]]) -> None:
    db.executemany("INSERT OR REPLACE INTO folders VALUES (?, ?)", list(folders))
