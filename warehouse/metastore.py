"""The metastore: coverage and lake files of every stream, in SQLite or PostgreSQL.

One transaction records a commit (coverage and files) after its files are on disk, so that the
metastore never names a row that a crash could remove. Coverage is recorded nowhere else.

Every file of the lake is recorded with the hash of its content. ``warehouse.metastore_tables`` has
the tables and the checksums of their rows, ``warehouse.metastore_backend`` where they lie.
"""

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from contextlib import contextmanager, suppress
from dataclasses import astuple, dataclass, replace
from itertools import chain
from pathlib import Path
from typing import Final

from schemas import StreamId, dataset
from warehouse.clock import now_us
from warehouse.errors import StorageError
from warehouse.intervals import Interval, Unshown
from warehouse.metastore_backend import Backend, backend_of
from warehouse.metastore_tables import (
    KEY,
    NAMES,
    OF_STREAM,
    Database,
    Row,
    damaged_rows,
    increment,
    is_sound,
    key,
    put,
    replace_rows,
    sound_rows,
    stream_of,
    write_state,
)
from warehouse.state import StreamState

_TIMES: Final = (-62_135_596_800_000_000, 253_402_300_799_999_999)
"""The years 1 to 9999, in microseconds: what is outside is no time."""

Values = Sequence[object]


@dataclass(frozen=True, slots=True)
class FileRecord:
    """One lake file as the metastore knows it. Times in microseconds.

    ``min_key``/``max_key``: its ids, or the times that are its keys; ``None`` where an id is no
    canonical integer. ``digest``: SHA-256 of its bytes, in hexadecimal; empty: not recorded yet.
    """

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
    digest: str = ""

    @property
    def span(self) -> tuple[int, int | None, int | None, int | None, int | None]:
        """What it says of the rows: their number, least and greatest key, first and last time."""
        return self.rows, self.min_key, self.max_key, self.min_time, self.max_time


class _Local(threading.local):
    connection: Database | None = None


class Metastore:
    """The metastore of one home. Safe for several threads and processes.

    A connection per thread. The database's errors are raised as ``StorageError``. Where it is
    PostgreSQL, a commit of a stream whose lock this process lost meanwhile is refused as well.
    """

    def __init__(self, home: Path, backend: Backend | None = None) -> None:
        self.home = home
        self._backend = backend or backend_of(home)
        self._local = _Local()
        with self.transaction() as db:
            self._backend.prepare(db)

    # -- streams and their states ---------------------------------------------------------------

    def streams(self, exchange: str | None = None, dataset: str | None = None) -> list[StreamId]:
        """The streams with a state, with or without coverage, in order."""
        rows = self._select(
            "streams",
            "WHERE exchange = coalesce(?, exchange) AND dataset = coalesce(?, dataset)"
            f" ORDER BY {KEY}",
            (exchange, dataset),
        )
        return [stream_of(*row[:NAMES]) for row in rows]

    def all_streams(self) -> set[StreamId]:
        """The streams with a state or a file."""
        named = [row[:NAMES] for row in self._select("streams")]
        named += [row[1 : 1 + NAMES] for row in self._select("files")]
        return {stream_of(*names) for names in named}

    def is_registered(self, stream: StreamId) -> bool:
        """Whether ``stream`` has a state, with or without coverage."""
        with self.reading() as db:
            row = db.execute(f"SELECT 1 FROM streams WHERE {OF_STREAM}", key(stream)).fetchone()
        return row is not None

    def state(self, stream: StreamId) -> StreamState:
        """The state of ``stream``; an empty one for a new stream.

        Raises ``ValueError`` for an interval that ends before it begins.
        """
        return self._state(stream)[0]

    def states(self) -> dict[StreamId, tuple[StreamState, int]]:
        """The states of all streams, in order, and when the coverage of each last changed.

        Raises ``ValueError`` as :meth:`state` does.
        """
        found = self._states("", ())
        return {stream_of(*names): found[names] for names in sorted(found)}

    def _state(self, stream: StreamId) -> tuple[StreamState, int]:
        of = key(stream)
        return self._states(f"WHERE {OF_STREAM}", of)[of]

    def _states(self, where: str, of: Row) -> dict[Row, tuple[StreamState, int]]:
        """By the columns that name a stream: of those with a row of their own, and of ``of``."""
        asked = [("streams", ""), ("intervals", " ORDER BY lower")]
        asked += [("unshown", " ORDER BY lower"), ("unsettled", "")]
        with self.reading() as db:  # all are asked for before the first answer is waited for
            sent = [
                (table, db.execute(f"SELECT * FROM {table} {where}{order}", of))
                for table, order in asked
            ]
            streams, *others = (self._sound(table, rows.fetchall()) for table, rows in sent)
        known = {row[:NAMES]: row[NAMES:] for row in streams}
        grouped: list[dict[Row, list[Row]]] = [{}, {}, {}]
        for rows, groups in zip(others, grouped, strict=True):
            for row in rows:
                groups.setdefault(row[:NAMES], []).append(row[NAMES:])
        new: Row = (StreamState().unit, "", None, None, None, "", 0, 0)
        return {
            names: _state_of(known.get(names, new), *(groups.get(names, []) for groups in grouped))
            for names in known.keys() | ({of} if of else set())
        }

    def record(
        self,
        stream: StreamId,
        state: StreamState,
        files: Sequence[FileRecord] = (),
        folders: Iterable[tuple[str, int]] = (),
    ) -> None:
        """One commit: the new state of a stream and the files just written for it."""
        with self.transaction(stream) as db:
            try:
                before, at = self._state(stream)
            except ValueError:  # an invalid interval is recorded: it is replaced
                before, at = None, 0
            changed = before is None or _coverage(before) != _coverage(state)
            if files or changed:
                increment(db, "state")
            write_state(db, stream, state, now_us() if changed else at or now_us(), before)
            self._write_files(db, stream, files)
            put(db, "folders", folders)

    def record_digests(self, stream: StreamId, digests: Mapping[str, str]) -> None:
        """Note the content of files that were recorded without it, and are as recorded."""
        with self.transaction(stream) as db:
            known = [f for f in self.files(stream) if f.path in digests and not f.digest]
            put(db, "files", [_row(stream, replace(f, digest=digests[f.path])) for f in known])

    def drop_coverage(self, stream: StreamId) -> None:
        """Delete all coverage of ``stream``, even where its state cannot be read."""
        with self.transaction(stream) as db:
            increment(db, "state")
            for table in ("intervals", "unshown"):
                db.execute(f"DELETE FROM {table} WHERE {OF_STREAM}", key(stream))
            rows = self._select("streams", f"WHERE {OF_STREAM}", key(stream))
            put(db, "streams", [(*row[:-1], now_us()) for row in rows])

    # -- files ----------------------------------------------------------------------------------

    def adopt(
        self, stream: StreamId, files: Sequence[FileRecord], folders: Iterable[tuple[str, int]]
    ) -> None:
        """Record what is on disk: the records of ``stream`` become exactly ``files``."""
        with self.transaction(stream) as db:
            self._empty(db, stream, {f.period for f in files})
            self._write_files(db, stream, files)
            put(db, "folders", folders)

    def forget(self, stream: StreamId, *, is_moved: bool = False) -> None:
        """Delete all records of ``stream``; a publish removes its rows.

        ``is_moved``: they are rows of another stream now, and stay.
        """
        with self.transaction(stream) as db:
            if not is_moved:
                self._empty(db, stream)
            increment(db, "state")
            files = ("files", "emptied") if is_moved else ()
            for table in (*files, "streams", "intervals", "unshown", "unsettled"):
                db.execute(f"DELETE FROM {table} WHERE {OF_STREAM}", key(stream))

    def record_files(
        self, stream: StreamId, files: Sequence[FileRecord], folders: Iterable[tuple[str, int]]
    ) -> None:
        """Record files that were written again; what is known of the stream stays."""
        with self.transaction(stream) as db:
            self._write_files(db, stream, files)
            put(db, "folders", folders)

    def files(self, stream: StreamId, period: str | None = None) -> list[FileRecord]:
        """The files of one stream (of one period), oldest period first."""
        if period is None:
            return self._files(stream)
        return self._files(stream, " AND period = ?", period)

    def file(self, path: str) -> FileRecord | None:
        """The record of the file at ``path``, relative to the home."""
        rows = self._select("files", "WHERE path = ?", (path,))
        return _file(rows[0]) if rows else None

    def files_overlapping(
        self, stream: StreamId, low: int | None, high: int | None
    ) -> list[FileRecord]:
        """Files whose key range overlaps ``low..high`` (both inclusive), and files without one."""
        meeting = " AND (min_key IS NULL OR (max_key >= ? AND min_key <= ?))"
        return self._files(stream, meeting, low, high)

    def folder_mtime(self, path: str) -> int | None:
        """The folder's mtime_ns at the last commit that wrote into it."""
        rows = self._select("folders", "WHERE path = ?", (path,))
        return int(rows[0][1]) if rows else None

    def change_of(self, stream: StreamId) -> int:
        """The number of the newest change of the stream's files; 0 if there is none."""
        return self._newest_change(f"WHERE {OF_STREAM}", key(stream))

    def newest_change(self) -> int:
        """The number of the newest change of any file."""
        return self._newest_change()

    def changed_files(self, mark: int) -> dict[tuple[StreamId, str], list[FileRecord]]:
        """The files of all groups that changed after ``mark``, in order.

        A group is a stream and a period; streams of an exchange that share parts of a table change
        together. No file: the group has none any more.
        """
        changed = "WHERE change > ?"
        news = [row[1 : 2 + NAMES] for row in self._select("files", changed, (mark,))]
        news += [row[: 1 + NAMES] for row in self._select("emptied", changed, (mark,))]
        groups: dict[tuple[StreamId, str], list[FileRecord]] = {
            (stream_of(*of), period): [] for *of, period in news
        }
        shared = {(s.exchange, s.dataset) for s, _ in groups if dataset(s.dataset).shares_parts}
        pairs = ", ".join(["(?, ?)"] * len(shared)) or "('', '')"
        held = self._select(
            "files",
            f"WHERE ({KEY}, period) IN (SELECT {KEY}, period FROM files {changed}"
            f" UNION SELECT {KEY}, period FROM emptied {changed})"
            f" OR (exchange, dataset) IN (VALUES {pairs})",
            (mark, mark, *chain.from_iterable(sorted(shared))),
        )
        for row in held:
            group = stream_of(*row[1 : 1 + NAMES]), str(row[1 + NAMES])
            groups.setdefault(group, []).append(_file(row))
        for files in groups.values():
            files.sort(key=lambda f: f.path)
        return dict(sorted(groups.items(), key=lambda g: (g[0][0].dataset, key(g[0][0]), g[0][1])))

    def row_counts(self) -> dict[str, int]:
        """The rows of each dataset of whose files the content is recorded."""
        query = (
            "SELECT dataset, CAST(sum(rows) AS BIGINT) FROM files"
            " GROUP BY dataset HAVING min(length(digest)) > 0"
        )
        with self.reading() as db:
            return {name: int(rows) for name, rows in db.execute(query).fetchall()}

    def groups(self, dataset: str) -> dict[tuple[StreamId, str], list[FileRecord]]:
        """All files of a dataset by stream and period, in order."""
        found: dict[tuple[StreamId, str], list[FileRecord]] = {}
        for row in self._select("files", f"WHERE dataset = ? ORDER BY {KEY}, period", (dataset,)):
            group = stream_of(*row[1 : 1 + NAMES]), str(row[1 + NAMES])
            found.setdefault(group, []).append(_file(row))
        return found

    def totals(self) -> list[tuple[StreamId, int, int, int | None, int | None]]:
        """Per stream with a state: rows, files, oldest and newest time; in order."""
        streams = self.streams()
        with self.reading() as db:
            found = {
                stream_of(*row[:NAMES]): row[NAMES:]
                for row in db.execute(
                    f"SELECT {KEY}, CAST(sum(rows) AS BIGINT), count(path),"
                    " min(CASE WHEN min_time BETWEEN ? AND ? THEN min_time END),"
                    " max(CASE WHEN max_time BETWEEN ? AND ? THEN max_time END)"
                    f" FROM files WHERE exchange <> '' AND dataset <> '' GROUP BY {KEY}",
                    (*_TIMES, *_TIMES),
                ).fetchall()
            }
        return [(stream, *found.get(stream, (0, 0, None, None))) for stream in streams]

    def newest_time(self, stream: StreamId) -> int | None:
        """The newest time of a row of ``stream`` (microseconds)."""
        with self.reading() as db:
            query = f"SELECT max(max_time) FROM files WHERE {OF_STREAM}"
            (newest,) = db.execute(query, key(stream)).fetchone()
        return None if newest is None else int(newest)

    def newest_times(self) -> dict[str, int]:
        """The newest time of a row per exchange (microseconds)."""
        with self.reading() as db:
            rows = db.execute("SELECT exchange, max(max_time) FROM files GROUP BY 1").fetchall()
        return {exchange: newest for exchange, newest in rows if newest is not None}

    # -- damage -----------------------------------------------------------------------------------

    def drop_damaged_rows(self) -> dict[str, int]:
        """Delete rows that do not have their checksum, and what cannot be used without them.

        Returns how many rows of which tables those were. Coverage becomes less, never more.
        """
        with self.reading() as db:
            if not damaged_rows(db, sound_rows(self._backend.rows(db))):
                return {}
        with self.transaction() as db:
            rows = sound_rows(self._backend.rows(db))
            dropped = damaged_rows(db, rows)
            replace_rows(db, rows)
        return dropped

    def replace_rows(self, rows: Mapping[str, Sequence[Row]]) -> None:
        """Let the tables hold just ``rows``, of another metastore of the same home."""
        with self.transaction() as db:
            replace_rows(db, rows)

    # -- the raw archive --------------------------------------------------------------------------

    def archived(self) -> dict[str, tuple[int, str]]:
        """Length and digest of the files of the raw archive by path, as last verified."""
        return {path: (size, digest) for path, size, digest in self._select("archived")}

    def record_archived(self, files: Mapping[str, tuple[int, str]]) -> None:
        """Record the files of the raw archive: these, and no others."""
        with self.transaction() as db:
            db.execute("DELETE FROM archived")
            put(db, "archived", [(path, *what) for path, what in files.items()])

    def state_mark(self) -> int:
        """Changes with every recorded commit of coverage."""
        return self._counter("state")

    def identity(self) -> int:
        """Distinguishes this metastore from one that was lost: their counters are unrelated."""
        return self._counter("identity")

    def lake_schemas(self) -> int:
        """What was recorded of the schemas that all files of the lake have; 0: nothing."""
        return self._counter("lake_schemas")

    def record_lake_schemas(self, number: int) -> None:
        """Record that all files of the lake have the schemas that ``number`` stands for."""
        self.record_counters({"lake_schemas": number})

    def counters(self, prefix: str) -> dict[str, int]:
        """Numbers that were recorded under names with this prefix, by the rest of the name."""
        rows = self._select("counters", "WHERE substr(name, 1, ?) = ?", (len(prefix), prefix))
        return {str(name).removeprefix(prefix): int(value) for name, value in rows}

    def record_counters(self, values: Mapping[str, int]) -> None:
        """Record numbers by their names."""
        with self.transaction() as db:
            put(db, "counters", values.items())

    def _counter(self, name: str) -> int:
        rows = self._select("counters", "WHERE name = ?", (name,))
        return int(rows[0][1]) if rows else 0

    def _files(
        self, stream: StreamId, more: str = "", *values: int | str | None
    ) -> list[FileRecord]:
        where = f"WHERE {OF_STREAM}{more} ORDER BY period, path"
        return [_file(row) for row in self._select("files", where, (*key(stream), *values))]

    def _newest_change(self, of: str = "", names: Sequence[str] = ()) -> int:
        with self.reading() as db:
            row = db.execute(
                f"SELECT CAST(max(change) AS BIGINT) FROM (SELECT change FROM files {of}"
                f" UNION ALL SELECT change FROM emptied {of} UNION ALL SELECT 0) AS changes",
                (*names, *names),
            ).fetchone()
        return int(row[0])

    def _empty(self, db: Database, stream: StreamId, kept: Set[str] = frozenset()) -> None:
        """Delete the records of all files; a publish empties the periods that are not ``kept``."""
        gone = {f.period for f in self.files(stream)} - kept
        db.execute(f"DELETE FROM files WHERE {OF_STREAM}", key(stream))
        if gone:
            change = increment(db, "change")
            put(db, "emptied", [(*key(stream), period, change) for period in sorted(gone)])

    def _write_files(self, db: Database, stream: StreamId, files: Sequence[FileRecord]) -> None:
        if files:
            change = increment(db, "change")
            put(db, "files", [_row(stream, replace(f, change=change)) for f in files])

    def _select(self, table: str, more: str = "", values: Values = ()) -> list[Row]:
        """Rows of a table. Raises ``StorageError`` for one that does not have its checksum."""
        with self.reading() as db:
            return self._sound(
                table, db.execute(f"SELECT * FROM {table} {more}", values).fetchall()
            )

    def _sound(self, table: str, rows: list[Row]) -> list[Row]:
        if not all(map(is_sound, rows)):
            raise StorageError(
                f"a row of {table} in {self._backend.name} is damaged. Fix: run `tidemark "
                "verify`, which drops it: rows stay, and pulls prove again what it said"
            )
        return [row[:-1] for row in rows]

    # -- the database ---------------------------------------------------------------------------

    @contextmanager
    def reading(self) -> Iterator[Database]:
        """A connection for reading; do not write."""
        try:
            if self._local.connection is None:
                self._local.connection = self._backend.connect()
            yield self._local.connection
        except self._backend.errors as error:
            raise self._backend.as_storage_error(error) from error

    @contextmanager
    def transaction(self, stream: StreamId | None = None) -> Iterator[Database]:
        """A connection for writing; all of it is recorded together when the block ends, or nothing.

        ``stream``: whose lock the caller may hold, which must not be another's by now. Raises
        ``StorageError``.
        """
        with self.reading() as db:
            self._backend.begin(db)
            try:
                check = self._backend.lease_check(db, stream)
                yield db
                check()
                db.execute("COMMIT")
            except BaseException:
                # SQLite itself rolls back when the disk is full
                with suppress(*self._backend.errors):
                    db.execute("ROLLBACK")
                raise

    def close(self) -> None:
        """Close this thread's connection; other threads' close with their thread."""
        if self._local.connection is not None:
            self._local.connection.close()
            self._local.connection = None


def _row(stream: StreamId, file: FileRecord) -> Row:
    path, *rest = astuple(file)
    return path, *key(stream), *rest


def _file(row: Row) -> FileRecord:
    return FileRecord(row[0], *row[1 + NAMES :])


def _state_of(
    row: Row, intervals: list[Row], unshown: list[Row], unsettled: list[Row]
) -> tuple[StreamState, int]:
    """A state and its ``recorded_at``, from the rows of the tables without the stream's names."""
    unit, checkpoint, wanted_from, newest_at, checked_at, remark, delisted, recorded_at = row
    state = StreamState(
        tuple(Interval(*run) for run in intervals),
        tuple(Unshown(*(*span[:-1], bool(span[-1]))) for span in unshown),
        unit,
        checkpoint,
        wanted_from,
        newest_at,
        checked_at,
        frozenset(row_id for (row_id,) in unsettled),
        remark,
        bool(delisted),
    )
    return state, int(recorded_at)


def _coverage(state: StreamState) -> tuple[object, ...]:
    """The parts of a state that the ``coverage`` table shows."""
    return state.complete, state.lost, state.unit, state.wanted_from
