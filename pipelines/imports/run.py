"""The import itself: read, convert, compare, store, record what is proved.

Rows are stored as those of a pull are: through the same writer, with the same rules. Nothing stored
is overwritten (but for candles that were open). What stops an import loses nothing: importing the
file again continues, as rows that are held change nothing.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

import connectors
import warehouse
from connectors.base import Paging
from pipelines.exchanges.names import remembered_names
from pipelines.imports import batches
from pipelines.imports.batches import Batch
from pipelines.imports.conflicts import described, of_open_candles
from pipelines.imports.convert import Converted, Target, convert
from pipelines.imports.coverage import Proof, holes
from pipelines.imports.formats import CANDLES, REFERENCE, TRADES
from pipelines.imports.plan import Job, Wish, plan
from pipelines.imports.report import FileImport, ImportProgress, ImportReport, Listener
from pipelines.imports.sources import FileError, inspect
from pipelines.ingest import checkpoint
from pipelines.ingest.checkpoint import CONFIRMED, DOUBTED, FileIds, FilesIds, Imported
from pipelines.ingest.windows import imported
from pipelines.ingest.windows.evidence import Numbers
from pipelines.output.formatting import with_fix
from pipelines.settings import Settings
from schemas import TIMEFRAMES, RejectedRow, TidemarkError, dataset
from schemas.wording import count
from warehouse import files
from warehouse.clock import now_us
from warehouse.intervals import Interval, Intervals, subtract, union
from warehouse.quarantine import contradictions
from warehouse.state import StreamState
from warehouse.store import SEGMENT_ROWS, Committed, Store, StreamWriter

PREVIEW: Final = 3
"""Rows that are shown as they are stored."""
LISTED: Final = 1000
"""Rejected and contradicting rows that are listed one by one; all of them are in quarantine."""
_NOT_CLAIMED: Final = (
    ", and nothing of it is claimed: it is of another market or numbering. A pull that asks for "
    "its ids removes its rows. Fix: check --exchange and --market"
)
_QUARANTINE: Final = "tidemark sql 'FROM quarantine'"
_LOOK: Final = f"\nFix: compare them ({_QUARANTINE}); a pull brings the exchange's own rows"
_MOST_WRONG: Final = 1000
"""So many rows that do not fit, and more than do: the file is of another form or market."""


def import_files(
    paths: Sequence[Path], wish: Wish, settings: Settings, on_progress: Listener | None = None
) -> ImportReport:
    """Import what ``paths`` (files and folders) hold of one market.

    Raises ``ConfigError`` before anything is stored, and ``StorageError`` where the home cannot be
    used; all else that goes wrong is in the report.
    """
    store: Store | None = None  # a dry run makes no home
    if not wish.dry_run or warehouse.has_data(settings.home):
        store = Store(settings.prepare_home())
    found = plan(paths, wish, remembered_names(store, wish.exchange) if store else {})
    report = ImportReport()
    if found.skipped:
        names = ", ".join(found.skipped[:3]) + (", …" if len(found.skipped) > 3 else "")
        report.notices.append(f"left out, as they say another market or none: {names}")
    for job in found.jobs:
        one = FileImport(
            str(job.source.path),
            job.source.label,
            job.form.name,
            job.form.title,
            job.form.note,
            job.stream.exchange,
            job.stream.dataset,
            job.stream.label,
        )
        report.files.append(one)
        try:
            _FileImport(job, wish, store, one, report, on_progress).run()
        except TidemarkError as error:
            one.problems.append(str(error))
    for source, problem in found.problems:
        report.files.append(FileImport(str(source.path), source.label, problems=[problem]))
    return report


@dataclass(frozen=True)
class _Chunk:
    """Rows to be stored together, and those that are not stored."""

    table: pa.Table
    lines: np.ndarray[tuple[int], np.dtype[np.int64]]
    rejected: list[RejectedRow]


class _FileImport:
    """The import of one file."""

    def __init__(
        self,
        job: Job,
        wish: Wish,
        store: Store | None,
        report: FileImport,
        whole: ImportReport,
        listener: Listener | None,
    ) -> None:
        self.job = job
        self.wish = wish
        self.store = store
        self.report = report
        self.whole = whole
        self.listener = listener
        self.declared = dataset(job.stream.dataset)
        is_trades = job.stream.dataset == TRADES
        self.paging = connectors.offers(job.stream.exchange).get(TRADES) if is_trades else None
        self.proof = Proof(self.paging) if self.paging and self.paging.dense else None
        self.number = 0
        """By which its ids are remembered: out of the digest of what it holds."""
        self.runs: Intervals = ()
        """The ids of the file so far."""
        self.seams: set[int] = set()
        """Rows that are held, and that the exchange has to show before they are claimed."""
        self.barred: FilesIds = ()
        """Ids that were doubted before: the exchange decides, not this file."""
        self.is_disputed = False
        """Whether a row of the file contradicts one that the exchange has shown."""
        self.agrees = False
        """Whether a row of the file equals one that the exchange has shown."""
        self.total = 0

    def run(self) -> None:
        """Import it. Raises ``TidemarkError`` where it cannot be imported, or not to its end."""
        source, report = self.job.source, self.report
        content = inspect(source, self._checking, verify=self.wish.verify)
        self.total = content.size
        report.digest, report.verified = content.digest, content.verified
        self.number = 1 + int(content.content[:12], 16)
        target = Target(
            self.declared,
            self.job.stream.exchange,
            self.job.stream.symbol or "",
            self.job.stream.timeframe,
            TIMEFRAMES.get(self.job.stream.timeframe or "", 0),
            self.proof is not None,
            content.content[:16],
            now_us(),
        )
        pending: Future[None] | None = None
        with ThreadPoolExecutor(1, "import") as worker:
            for chunk in self._chunks(target):
                if pending is not None:
                    pending.result()
                pending = worker.submit(self._store, chunk)
            if pending is not None:
                pending.result()
        self._settle(torn=content.torn)
        self._tell("importing", self.total, is_done=True)

    # -- rows ------------------------------------------------------------------------------------

    def _chunks(self, target: Target) -> Iterator[_Chunk]:
        """The rows of the file, as many at a time as a lake file holds."""
        gathered: list[Converted] = []
        rows = 0
        job = self.job
        for batch, last in _with_last(batches.batches(job.source, job.form, job.head)):
            found = convert(batch, self.job.form, target, self.job.source.label, last=last)
            gathered.append(found)
            rows += found.table.num_rows
            self.report.others += found.others
            self._note_rejected(found.rejected, batch)
            self._tell("importing", batch.read_bytes)
            if rows >= SEGMENT_ROWS or last:
                yield _together(gathered)
                gathered, rows = [], 0

    def _note_rejected(self, rejected: Sequence[RejectedRow], batch: Batch) -> None:
        report = self.report
        report.rejected += len(rejected)
        report.lines += [r.reason for r in rejected[: max(0, LISTED - len(report.lines))]]
        if report.rejected > max(_MOST_WRONG, report.seen + batch.size - len(rejected)):
            raise FileError(
                with_fix(
                    f"more rows do not fit than do; {report.lines[0]}",
                    "look at the file; --format or --columns say what it holds",
                )
            )

    def _store(self, chunk: _Chunk) -> None:
        """Store one chunk, then record what it proves."""
        report, table = self.report, chunk.table
        if report.first is None and table.num_rows:
            report.first = files.file_rows(self.declared, [table.slice(0, PREVIEW)], now_us())
        self._note_span(table)
        if self.wish.dry_run or self.store is None:
            report.seen += table.num_rows
            if self.proof is not None and table.num_rows:
                self.proof.add(*_positions(table))
            return
        with self.store.open_stream(self.job.stream) as writer:
            state = self._state(writer, table)
            refused: list[RejectedRow] = []
            rows = table
            if table.num_rows and self.proof is None and self.paging is not None:
                rows, state, refused = self._beside_shown(writer, table, state, self.paging)
            done = self._put(writer, rows, state, [*chunk.rejected, *refused])
            done = replace(done, conflicts=[*done.conflicts, *refused])
            report.seen += table.num_rows
            report.added += done.added
            report.replaced += done.replaced
            report.conflicts += len(done.conflicts)
            wrong = self._note_conflicts(writer, chunk, done)
            if self.proof is not None and table.num_rows:
                self._record(writer, table, wrong, self.proof)
        pa.default_memory_pool().release_unused()
        if report.conflicts > max(_MOST_WRONG, report.seen - report.conflicts):
            raise FileError(
                with_fix(
                    "more rows contradict what is stored than agree: it is of another market or "
                    "of another numbering",
                    "check --exchange and --market; the rows that did not contradict are stored",
                )
            )

    def _beside_shown(
        self, writer: StreamWriter, table: pa.Table, state: StreamState, paging: Paging
    ) -> tuple[pa.Table, StreamState, list[RejectedRow]]:
        """Where ids prove nothing: the rows to store, the state that says where they lie, and rows
        that are none of the exchange's: it has shown all of a stretch, without them.
        """
        places = imported.positions_of(table, paging)
        known = checkpoint.imported_of(state.checkpoint)
        shown = subtract(state.complete, imported.intervals(known))
        inside = table.filter(pa.array(imported.within(places, shown)))
        surplus = imported.not_held(writer, files.file_rows(self.declared, [inside], 0))
        kept = pc.invert(pc.is_in(table.column("trade_id"), surplus.column("trade_id")))
        whole = FileIds(int(places.min()), int(places.max()) + 1)
        noted = imported.without_ids([*known, whole], shown)
        if noted != known:  # before the rows: a crash in between must not forget them
            state = replace(state, checkpoint=checkpoint.with_imported(state.checkpoint, noted))
            writer.put(self.declared.file_schema.empty_table(), state)
        return table.filter(kept), state, contradictions(surplus, imported.NOT_SHOWN)

    def _put(
        self,
        writer: StreamWriter,
        table: pa.Table,
        state: StreamState,
        rejected: Sequence[RejectedRow],
    ) -> Committed:
        rows = files.file_rows(self.declared, [table], now_us())
        if self.job.stream.dataset != CANDLES or not rows.num_rows:
            return writer.put(rows, state, rejected, replaces=False)
        opened, rows = of_open_candles(writer, rows)
        first = writer.put(opened, state, rejected, replaces=True)
        rest = writer.put(rows, state, replaces=False)
        return Committed(
            first.added + rest.added,
            first.replaced,
            first.quarantined + rest.quarantined,
            rest.conflicts,
        )

    # -- state and coverage ----------------------------------------------------------------------

    def _state(self, writer: StreamWriter, table: pa.Table) -> StreamState:
        """The state with the newest time; of a new stream nothing older than its rows is wanted."""
        state = writer.fresh_state() if writer.is_new() else writer.state()
        if not table.num_rows:
            return state
        ends = pc.min_max(pc.cast(table.column("timestamp"), pa.int64())).as_py()
        unit = {TRADES: state.unit, CANDLES: "time", REFERENCE: "none"}[self.job.stream.dataset]
        wanted = state.wanted_from
        if wanted is None and self.proof is not None:
            wanted = ends["min"] + 1
        newest = max(ends["max"], state.newest_at or 0)
        return replace(
            state,
            unit=unit,
            newest_at=newest,
            wanted_from=wanted,
            checkpoint=state.checkpoint or checkpoint.dump(Imported()),
        )

    def _record(self, writer: StreamWriter, table: pa.Table, wrong: set[int], proof: Proof) -> None:
        """Add to coverage what the rows just stored prove; ``wrong``: ids that contradict."""
        every, times = _positions(table)
        state = writer.state()
        known = checkpoint.imported_of(state.checkpoint)
        mine = [Interval(s.lower, s.upper) for s in known if s.file == self.number]
        others = [s for s in known if s.file != self.number]
        # a pull may have come between two files, or two parts of one
        proof.held = state.complete
        proof.shown = subtract(state.complete, imported.intervals(known))
        if not self.runs:
            self.barred = tuple(s for s in known if s.file == DOUBTED)
        keep = ~np.isin(every, np.array(sorted(wrong), np.int64))
        self.is_disputed |= any(id_ in s for id_ in wrong for s in proof.shown)
        self.agrees = self.agrees or bool(imported.within(every[keep], proof.shown).any())
        keep &= ~imported.within(every, self.barred)
        complete = union([*state.complete, *proof.add(every[keep], times[keep])])
        # only the exchange can say which of two files is right
        doubted = [id_ for id_ in sorted(wrong) if not any(id_ in s for s in proof.shown)]
        seams = self._seams(known, proof)
        self.seams.update(seams)
        doubted += seams
        self._note_rows(every, proof)
        file = self.number
        if self.is_disputed:  # what it says beside that is no better
            elsewhere = [*proof.shown, *imported.intervals(others)]
            taken = subtract(union([*self.runs, *mine]), elsewhere)
            complete = imported.without(complete, taken, writer)
            proof.own = imported.without(proof.own, taken, writer)
            file = DOUBTED if self.agrees else self.number
        elif self.agrees:
            file = CONFIRMED
        own = [FileIds(i.lower, i.upper, file) for i in union([*self.runs, *mine])]
        spans = [Interval(id_, id_ + 1) for id_ in doubted]
        complete = imported.without(complete, spans, writer)
        brought = imported.without_ids(own, [*proof.shown, *imported.intervals(others)])
        ids = imported.in_order([*others, *brought, *(FileIds(s.lower, s.upper) for s in spans)])
        noted = checkpoint.with_imported(state.checkpoint, ids)
        if (complete, noted) != (state.complete, state.checkpoint):
            state = replace(state, complete=complete, checkpoint=noted)
            writer.put(self.declared.file_schema.empty_table(), state)

    def _note_rows(self, ids: Numbers, proof: Proof) -> None:
        """Remember what the file holds; where it has holes everywhere, from end to end."""
        self.runs = union([*self.runs, *imported.runs_of(ids)])
        if proof.scattered:
            self.runs = (Interval(self.runs[0].lower, self.runs[-1].upper),)

    def _seams(self, known: FilesIds, proof: Proof) -> list[int]:
        """The rows at which this file only touches another one: either may be wrong."""
        beside = {*(proof.left_ids - 1).tolist(), *(proof.left_ids + 1).tolist()}
        others = [s for s in known if s.file > 0 and s.file != self.number]
        found = {i for s in others for i in (s.lower, s.upper - 1) if i in beside}
        own = {i for i in proof.left_ids.tolist() if {i - 1, i + 1} & found}
        return sorted(found | own)

    def _settle(self, *, torn: bool) -> None:
        """What is left to say of the file once it was read."""
        report = self.report
        if torn:
            report.problems.append(
                with_fix(
                    f"{report.label} breaks off: the rows before are stored",
                    "download it again and import it; what is there changes nothing",
                )
            )
        if report.rejected:
            report.problems.append(
                with_fix(
                    f"{report.label}: {count(report.rejected, 'row')} not fitting, kept in "
                    "`quarantine`; the rest is stored",
                    f"the reasons: {_QUARANTINE}; import the file again once it is mended",
                )
            )
        if report.conflicts:
            report.problems.append(
                f"{report.label}: {count(report.conflicts, 'row')} contradicting what is stored, "
                "kept in `quarantine`; nothing was overwritten" + self._after_conflicts()
            )
        if self.proof is not None and self.proof.scattered:
            self.whole.notices.append(
                f"{report.label}: its ids have holes everywhere, so that from there on nothing of "
                "it counts as complete: pulls fetch those rows again. Fix: import the whole file, "
                "not a choice of its rows"
            )
        if report.others and not report.seen:
            report.problems.append(self._of_others())
        if report.ids is not None and self.proof is not None and not self.proof.scattered:
            state = self.store.state(self.job.stream) if self.store else StreamState()
            touching = np.array([*self.seams, *self.proof.left_ids.tolist()], np.int64)
            held = [*state.complete, *self.proof.own, *imported.runs_of(touching)]
            report.gaps = holes(union(held), *report.ids)

    def _after_conflicts(self) -> str:
        if self.is_disputed and not self.agrees:
            return _NOT_CLAIMED
        if self.is_disputed:
            return ", and nothing else of it is claimed: pulls ask for its ids" + _LOOK
        return _LOOK

    def _of_others(self) -> str:
        job, first = self.job, []
        for name in ("exchange", "symbol", "native_symbol", "timeframe"):
            if name in job.form.columns:
                first.append(batches.first_value(job.source, job.form, job.head, name) or "")
        return with_fix(
            f"{self.report.label} holds no row of {job.stream}: its rows are of {' '.join(first)}",
            "--exchange, --market and --timeframe say which rows are meant",
        )

    # -- what is reported --------------------------------------------------------------------------

    def _note_span(self, table: pa.Table) -> None:
        if not table.num_rows:
            return
        report = self.report
        ends = pc.min_max(pc.cast(table.column("timestamp"), pa.int64())).as_py()
        low, high = report.span or (ends["min"], ends["max"])
        report.span = min(low, ends["min"]), max(high, ends["max"])
        if self.proof is not None:
            ids = pc.min_max(pc.cast(table.column("trade_id"), pa.int64())).as_py()
            low, high = report.ids or (ids["min"], ids["max"])
            report.ids = min(low, ids["min"]), max(high, ids["max"])

    def _note_conflicts(self, writer: StreamWriter, chunk: _Chunk, done: Committed) -> set[int]:
        """List the rows that contradict what is stored; their ids."""
        if not done.conflicts:
            return set()
        found = described(writer, chunk.table, chunk.lines, done.conflicts)
        left = max(0, LISTED - len(self.report.lines))
        self.report.lines += [f"{self.report.label}, {text}" for text in [*found.values()][:left]]
        return {int(key) for key in found} if self.proof is not None else set()

    def _checking(self, done: int) -> None:
        self._tell("checking", done)

    def _tell(self, stage: str, done: int, *, is_done: bool = False) -> None:
        if self.listener is not None:
            self.listener(
                ImportProgress(
                    self.report.label, stage, self.report.seen, done, self.total, is_done
                )
            )


def _together(gathered: Sequence[Converted]) -> _Chunk:
    return _Chunk(
        pa.concat_tables([one.table for one in gathered]),
        np.concatenate([one.lines for one in gathered]),
        [row for one in gathered for row in one.rejected],
    )


def _with_last(found: Iterator[Batch]) -> Iterator[tuple[Batch, bool]]:
    """Each batch, and whether it is the last one."""
    before = next(found, None)
    for batch in found:
        if before is not None:
            yield before, False
        before = batch
    if before is not None:
        yield before, True


def _positions(table: pa.Table) -> tuple[Numbers, Numbers]:
    """Ids and times (microseconds) of trades."""
    ids, times = (pc.cast(table.column(n), pa.int64()) for n in ("trade_id", "timestamp"))
    return ids.to_numpy(), times.to_numpy()
