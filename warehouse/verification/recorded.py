"""Compare the metastore with what the files of one stream hold, and repair what is safe.

Safe repairs are: to adopt rows without a record (a crash between file and metastore), and to set
values that follow from the rows alone. Coverage is never added here.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from schemas import TIMEFRAMES, Dataset, Period, StreamId, dataset
from schemas.times import to_datetime
from schemas.wording import count
from warehouse import files, paths
from warehouse.errors import StorageError
from warehouse.ids import order_columns
from warehouse.intervals import Interval
from warehouse.invalidate import invalidate, shrank
from warehouse.metastore import FileRecord, Metastore
from warehouse.recovery import fresh_state, is_newer, unsettled_rows
from warehouse.state import StreamState
from warehouse.verification.report import Verification
from warehouse.verification.rows import Facts

FIX: Final = (
    "run `tidemark rebuild`, which invalidates coverage without rows, then `tidemark pull`, which "
    "proves it again"
)


def check_stream(
    home: Path, metastore: Metastore, facts: Facts, report: Verification, *, repair: bool
) -> None:
    """All that is recorded of one stream. ``repair``: records and coverage follow the rows."""
    known = {r.path: r for r in metastore.files(facts.stream)}
    state = _readable_state(metastore, facts, report, repair=repair)
    taken, gone = _compared(home, facts, known, report, repair=repair)
    if repair and gone:
        left = [r for r in facts.records.values() if r.path not in {g.path for g in gone}]
        state = invalidate(home, facts.stream, state, gone, left)
        report.healed("coverage", facts.stream, "coverage that its files lack was invalidated")
        metastore.record(facts.stream, state)
        unreadable = [r for p, r in known.items() if p in facts.bad and p not in facts.records]
        metastore.adopt(facts.stream, [*facts.records.values(), *unreadable], [])
    if recorded_state(metastore, facts.stream) is None:
        return  # nothing can be recorded until it is repaired
    checked = _check_state(home, metastore, facts, state, report, repair=repair)
    if taken or checked != recorded_state(metastore, facts.stream) or _is_new(metastore, facts):
        metastore.record(facts.stream, checked, taken)
    for record in metastore.files(facts.stream):
        facts.changes[record.period] = max(facts.changes.get(record.period, 0), record.change)
    report.count("records", files=len(facts.records) + len(gone))


def recorded_state(metastore: Metastore, stream: StreamId) -> StreamState | None:
    """The state as recorded; ``None`` where the record makes no sense."""
    try:
        return metastore.state(stream)
    except ValueError:
        return None


def _is_new(metastore: Metastore, facts: Facts) -> bool:
    return bool(facts.records) and not metastore.is_registered(facts.stream)


def _readable_state(
    metastore: Metastore, facts: Facts, report: Verification, *, repair: bool
) -> StreamState:
    state = recorded_state(metastore, facts.stream)
    if state is None:
        what = "the metastore holds an interval that ends before it begins"
        if repair:
            metastore.drop_coverage(facts.stream)
            report.healed(
                "coverage", facts.stream, f"{what}: the coverage of the stream is dropped"
            )
        else:
            report.error("coverage", facts.stream, what, FIX)
        return StreamState(unit="id" if facts.declared.id_column else "time")
    return state


def _compared(
    home: Path,
    facts: Facts,
    known: dict[str, FileRecord],
    report: Verification,
    *,
    repair: bool,
) -> tuple[list[FileRecord], list[FileRecord]]:
    """Records to write, and the recorded files that lack rows now."""
    taken: list[FileRecord] = []
    gone: list[FileRecord] = []
    for path, before in known.items():
        now = facts.records.get(path)
        if path in facts.bad:
            continue  # reported already
        if now is None or (shrank(before, now) and now.mtime_ns != before.mtime_ns):
            if not repair and now is None:
                what = "is gone, and no published copy holds its rows"
                report.error("records", path, what, f"restore it from a backup; or {FIX}")
            elif not repair and now is not None:
                what = f"held {count(before.rows, 'row')} and holds {now.rows}"
                report.error("records", path, f"{what}, and its rows are recorded", FIX)
            gone.append(before)
        elif now.span != before.span:
            if now.mtime_ns != before.mtime_ns and _is_ours(home, facts, before):
                rows = now.rows - before.rows
                report.healed(
                    "records", path, f"{count(rows, 'row')} adopted that a crash left unrecorded"
                )
                taken.append(now)
            elif repair:
                report.healed("records", path, "the record of the file was corrected")
                taken.append(now)
                if shrank(before, now):
                    gone.append(before)
            else:
                what = f"has {count(now.rows, 'row')}, the record says {before.rows}"
                if now.rows == before.rows:
                    what = "has other keys or times than the record says"
                report.error("records", path, what, "`tidemark rebuild`")
        elif now.bytes != before.bytes or (before.digest and now.digest != before.digest):
            if repair or _is_ours(home, facts, before):
                report.healed("records", path, "restated rows adopted that a crash left unrecorded")
                taken.append(now)
            else:
                report.error(
                    "records",
                    path,
                    "was rewritten by something other than Tidemark",
                    "restore it from a backup, or accept it with `tidemark rebuild`",
                )
    unrecorded = [r for p, r in facts.records.items() if p not in known and p not in facts.bad]
    if unrecorded:
        rows = sum(r.rows for r in unrecorded)
        report.healed(
            "records",
            facts.stream,
            f"{count(len(unrecorded), 'file')} that the metastore did not know adopted, "
            f"{count(rows, 'row')}",
        )
    for path in facts.bad & set(facts.records) - set(known):
        report.note("records", path, "is not adopted into the metastore")
    return [*taken, *unrecorded], gone


def _is_ours(home: Path, facts: Facts, before: FileRecord) -> bool:
    """Whether the file holds rows newer than its recorded state, as a commit would have left it."""
    path = home / before.path
    return is_newer(files.read(facts.declared, path, ["ingested_at"]), before, path)


def _check_state(
    home: Path,
    metastore: Metastore,
    facts: Facts,
    state: StreamState,
    report: Verification,
    *,
    repair: bool,
) -> StreamState:
    """Intervals, newest time and unsettled rows against the rows; the state as it should be."""
    if _is_new(metastore, facts):
        state = fresh_state(facts.declared, [*facts.records.values()], _reader(home, facts))
    if facts.bad:
        return state  # half of the rows may be missing: nothing to compare with
    kept: list[Interval] = []
    quarantined = _quarantined(home, facts.stream)
    rows = _Rows(home, facts, state.unit)
    for problem, run in _problems(facts, state, rows, quarantined):
        report.count("coverage", intervals=1)
        if problem is None:
            kept.append(run)
        elif repair:
            report.healed("coverage", facts.stream, f"{problem}: invalidated")
        else:
            kept.append(run)
            report.error("coverage", facts.stream, problem, FIX)
    report.count("coverage", lost=len(state.lost))
    state = replace(state, complete=tuple(kept))
    return _derived(home, metastore, facts, state, report)


def _problems(
    facts: Facts, state: StreamState, rows: "_Rows", quarantined: str
) -> list[tuple[str | None, Interval]]:
    step = TIMEFRAMES.get(facts.stream.timeframe or "", 1)
    found: list[tuple[str | None, Interval]] = []
    before: Interval | None = None
    cuts = {end for u in state.unshown for end in (u.lower, u.upper)}
    for run in state.complete:
        name = f"the complete interval {run.lower}..{run.upper - 1}"
        problem = None
        if before is not None and run.lower <= before.upper:
            problem = f"{name} meets the one before"
        elif state.unit == "none":
            problem = f"{name} has no unit"
        for key in (run.first, run.last):
            if key is None or problem:
                continue
            if key not in run:
                problem = f"{name} is said to hold the row {key}, which lies outside"
            elif not rows.holds(key) and not _mentions(quarantined, key):
                problem = f"{name} is said to hold the row {key}, which is not held"
        last = run.upper - step
        ends = run.last is None or run.upper in cuts or rows.holds(last)
        if problem is None and not ends and not _mentions(quarantined, last):
            problem = f"{name} does not end with a row that is held"
        if problem is None and run.first is not None and rows.holds(run.first):
            begins = run.lower <= 0 or run.lower in cuts or rows.holds(run.lower)
            if state.unit == "id" and not begins and not _mentions(quarantined, run.lower):
                problem = f"{name} does not begin with a row that is held"
            elif run.first_at not in (None, rows.time_of(run.first)) and not _mentions(
                quarantined, run.first
            ):
                problem = f"{name} gives its first row another time than the row has"
        # off the grid, the step after the last row may reach over the next candle
        still_open = [t for t in facts.open_candles if t in run and t <= (run.last or t)]
        if problem is None and still_open:
            problem = f"{name} holds {count(len(still_open), 'candle')} not final"
        found.append((problem, run))
        before = run
    return found


def _derived(
    home: Path, metastore: Metastore, facts: Facts, state: StreamState, report: Verification
) -> StreamState:
    """What follows from the rows alone is set to what they say."""
    declared, held = facts.declared, list(facts.records.values())
    newest = max((r.max_time for r in held if r.max_time is not None), default=None)
    if declared.snapshot or declared.period is Period.ALL or state.newest_at is None:
        return state
    highest = newest or 0
    if facts.stream.timeframe:  # candles built from trades are as new as the trades
        trades = recorded_state(
            metastore, StreamId(facts.stream.exchange, "trades", facts.stream.symbol)
        )
        known = trades.newest_at if trades is not None else None
        highest = max(highest + TIMEFRAMES[facts.stream.timeframe] - 1, known or 0)
    is_known = newest is not None or facts.stream.timeframe is not None  # no whole candle yet
    agrees = is_known and (newest or 0) <= state.newest_at <= highest
    if not agrees and not _quarantined(home, facts.stream):
        report.healed("coverage", facts.stream, "the time of its newest row was corrected")
        state = replace(state, newest_at=newest)
    if state.unit == "id" and "status" in declared.file_schema.names:
        waiting = unsettled_rows(declared, held, _reader(home, facts))
        report.count("coverage", unsettled=len(waiting))
        if waiting != state.unsettled:
            report.healed("coverage", facts.stream, "its list of unsettled rows was corrected")
            state = replace(state, unsettled=waiting)
    return state


def _reader(home: Path, facts: Facts) -> Callable[[FileRecord, list[str]], pa.Table]:
    return lambda record, columns: files.read(facts.declared, home / record.path, columns)


class _Rows:
    """Looks up rows of a stream by key (ids) or time, reading only the files concerned."""

    def __init__(self, home: Path, facts: Facts, unit: str) -> None:
        self._home = home
        self._declared: Dataset = facts.declared
        self._records = [r for r in facts.records.values() if r.rows]
        self._by_id = unit == "id"
        self._read: dict[str, tuple[np.ndarray, np.ndarray]] = {}

    def holds(self, key: int) -> bool:
        return self.time_of(key) is not None

    def time_of(self, key: int) -> int | None:
        for record in self._records:
            low, high = record.min_time, record.max_time
            if self._by_id:
                low, high = record.min_key, record.max_key
            if low is not None and high is not None and not low <= key <= high:
                continue
            keys, times = self._columns(record)
            at = np.flatnonzero(keys == key)
            if len(at):
                return int(times[at[0]])
        return None

    def _columns(self, record: FileRecord) -> tuple[np.ndarray, np.ndarray]:
        if record.path not in self._read:
            names = [self._declared.time_column]
            if self._by_id:
                names.append(self._declared.naming_column)
            table = files.read(self._declared, self._home / record.path, names)
            times = pc.cast(table.column(0), pa.int64()).to_numpy()
            keys = times
            if self._by_id:
                is_text, numbers, _ = order_columns(table.column(1))
                is_number = is_text.to_numpy() == 0
                keys, times = numbers.to_numpy()[is_number], times[is_number]
            self._read = {record.path: (keys, times)}
        return self._read[record.path]


def _quarantined(home: Path, stream: StreamId) -> str:
    """All payloads that were rejected in this stream, with their reasons, one after the other."""
    if stream.source:
        return ""
    target = paths.quarantine_of(stream)
    declared = dataset(target.dataset)
    path = home / paths.lake_path(target, "all", 0)
    try:
        table = files.read(declared, path, ["payload", "reason"])
    except (FileNotFoundError, StorageError):  # the check of its own stream says so
        return ""
    return "\n".join([*table.column("payload").to_pylist(), *table.column("reason").to_pylist()])


def _mentions(text: str, key: int) -> bool:
    forms = [str(key), str(key // 1000), str(key // 1_000_000)]
    with suppress(OverflowError):  # as well-formed rows are quarantined
        forms.append(to_datetime(key).isoformat())
    return any(form in text for form in forms)
