"""Move snapshots of markets from a folder a market to files that hold all markets of an exchange.

Up to metastore version 5, tickers and order books lay in ``…/exchange=x/symbol=BTC-USD/``. They are
written anew beside the lake and take the place of the older folder by a rename, so that no reader
finds a row twice; for a moment it may find none. Then the metastore records them, and the older
files are removed. A crash at any point leaves either lake, whole, and the next time goes on.
"""

import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Final
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.compute as pc

from schemas import DATASETS, Dataset, StreamId
from warehouse import files, paths
from warehouse.errors import StorageError, from_os_error
from warehouse.locks import exclusive, guarded
from warehouse.metastore import Metastore
from warehouse.metastore_backend import mark_as_sqlite
from warehouse.paths import PARTIAL, quarantine_of
from warehouse.quarantine import contradictions, quarantine_rows
from warehouse.state import StreamState
from warehouse.store import Store, StreamWriter, stream_lock

LAYOUT: Final = 1
_COUNTER: Final = "lake_layout"
_STAGING: Final = "regrouped"
_OLDER: Final = "older"
_SLICE_ROWS: Final = 1_000_000


def regroup(home: Path, metastore: Metastore) -> int:
    """Bring a lake of the older layout into the present one; how many files that was.

    Once done, this costs one query.
    Raises ``StorageError``, also for a damaged file: its rows may be in the published DuckDB file.
    """
    if metastore.counters(_COUNTER).get("") == LAYOUT:
        return 0
    found = 0
    with exclusive(home, "lake-layout"):
        try:
            for declared in DATASETS.values():
                if declared.holds_markets:
                    for exchange in sorted(_exchanges(home, metastore, declared)):
                        found += _regroup(home, metastore, StreamId(exchange, declared.name))
            shutil.rmtree(home / PARTIAL / _STAGING, ignore_errors=True)
        except OSError as error:
            raise from_os_error(error, "cannot rewrite", home / paths.LAKE) from error
        metastore.record_counters({_COUNTER: LAYOUT})
    return found


def _exchanges(home: Path, metastore: Metastore, declared: Dataset) -> set[str]:
    """The exchanges of which lake, metastore or an attempt have anything of the older layout."""
    lake = (home / paths.LAKE / declared.name).glob("exchange=*/symbol=*")
    begun = (home / PARTIAL / _STAGING / declared.name).glob("exchange=*")
    folders = [*(path.parent for path in lake), *begun]
    known = (s for s in metastore.all_streams() if declared.name in (s.dataset, s.source))
    return {_value(f) for f in folders} | {s.exchange for s in known if s.symbol}


def _value(folder: Path) -> str:
    """The value that a hive folder names."""
    return unquote(folder.name.partition("=")[2])


def _regroup(home: Path, metastore: Metastore, stream: StreamId) -> int:
    """``stream``: the one that holds all markets."""
    found = 0
    folder = home / paths.stream_folder(stream)
    staging = home / PARTIAL / _STAGING / stream.dataset / folder.name
    new, older = staging / paths.stream_folder(stream), staging / _OLDER
    symbols = {_value(path) for path in folder.glob("symbol=*")}
    known = [s for s in metastore.all_streams() if s.exchange == stream.exchange and s.symbol]
    known = [s for s in known if stream.dataset in (s.dataset, s.source)]
    markets = symbols | {s.symbol for s in known if s.symbol}
    with ExitStack() as stack:
        for market in (None, *sorted(markets)):
            stack.enter_context(stream_lock(home, replace(stream, symbol=market)))
        if symbols:
            shutil.rmtree(staging, ignore_errors=True)  # of an attempt that broke off
            found = _write(home, metastore, stream, staging)
            with guarded(home, *paths.lock_name(stream)):
                os.rename(folder, older)
        if older.exists() and new.exists():
            with guarded(home, *paths.lock_name(stream)):
                os.rename(new, folder)
            files.sync_folder(folder.parent)
        held = [s for s in known if s.dataset == stream.dataset]
        StreamWriter(home, metastore, stream)  # finds the files, and records them
        if held:
            states = [metastore.state(s) for s in (stream, *held)]
            newest = max((s.newest_at for s in states if s.newest_at is not None), default=None)
            checked = max((s.checked_at for s in states if s.checked_at is not None), default=None)
            state = StreamState(unit="none", newest_at=newest, checked_at=checked)
            metastore.record(stream, state)
        for each in known:
            if each.source:
                _move_quarantine(home, metastore, each, quarantine_of(stream))
            metastore.forget(each, is_moved=True)
    shutil.rmtree(staging, ignore_errors=True)
    for temporary in (home / paths.partial_folder(stream)).glob("symbol=*"):
        shutil.rmtree(temporary, ignore_errors=True)
    return found


def _write(home: Path, metastore: Metastore, stream: StreamId, staging: Path) -> int:
    """Write the rows of all markets into the lake of another home; how many files they had."""
    recorded = {f.path: f.digest for s in metastore.all_streams() for f in metastore.files(s)}
    found: dict[str, list[Path]] = {}
    rows = 0
    for path in sorted((home / paths.stream_folder(stream)).glob("symbol=*/*.parquet")):
        files.check(path, recorded.get(path.relative_to(home).as_posix(), ""))
        found.setdefault(path.name.partition(".")[0], []).append(path)
    mark_as_sqlite(staging)  # a home for a moment
    store = Store(staging)
    with store.open_stream(stream) as writer:
        for parts in found.values():
            for held in _slices(writer.declared, parts):
                whole, odd = fitting(writer.declared, held)
                quarantine(home, metastore, stream, odd)
                table = files.of_schema(writer.declared, whole, parts[0])
                rows += table.num_rows
                rows -= writer.put(table, StreamState(unit="none")).added
        if rows:
            raise StorageError(
                f"{rows} row(s) below {home / paths.stream_folder(stream)} cannot be moved: they "
                "are there twice, or break a rule. Fix: report it; nothing was changed"
            )
    store.close()
    return sum(map(len, found.values()))


def _slices(declared: Dataset, parts: Sequence[Path]) -> Iterator[pa.Table]:
    """The rows of some files, one a market, in stretches of whole days that fit into memory."""
    tables = [files.read_untrusted(declared, path) for path in parts]
    total = sum(table.num_rows for table in tables)
    if total <= _SLICE_ROWS:
        yield _of_all(declared, tables, parts)
        return
    days = sorted({day for t in tables for day in _days(declared, t).unique().to_pylist()})
    del tables
    size = max(1, len(days) * _SLICE_ROWS // total)
    for start in range(0, len(days), size):
        wanted = pa.array(days[start : start + size])
        some = (files.read_untrusted(declared, path) for path in parts)
        tables = [t.filter(pc.is_in(_days(declared, t), value_set=wanted)) for t in some]
        yield _of_all(declared, tables, parts)


def _days(declared: Dataset, table: pa.Table) -> pa.ChunkedArray:
    return pc.cast(pc.floor_temporal(table.column(declared.time_column), unit="day"), pa.int64())


def _of_all(declared: Dataset, tables: Sequence[pa.Table], parts: Sequence[Path]) -> pa.Table:
    return pa.concat_tables(
        [
            table.append_column("symbol", pa.repeat(pa.scalar(_value(path.parent)), table.num_rows))
            for table, path in zip(tables, parts, strict=True)
        ],
        promote_options="default",  # what an older version wrote may lack columns
    )


def fitting(declared: Dataset, held: pa.Table) -> tuple[pa.Table, pa.Table]:
    """The rows whose decimals fit the declared types, and the others."""
    fits = pa.chunked_array([pa.repeat(True, held.num_rows)])
    for field in declared.file_schema:
        if pa.types.is_decimal(field.type) and field.name in held.column_names:
            column = held.column(field.name)
            limit = pa.scalar(10.0 ** (field.type.precision - field.type.scale))
            small = pc.less(pc.abs(column.cast(pa.float64())), limit)
            fits = pc.and_(fits, pc.fill_null(small, True))
    return held.filter(fits), held.filter(pc.invert(fits))


def quarantine(home: Path, metastore: Metastore, stream: StreamId, odd: pa.Table) -> None:
    """Put the rows of ``stream`` that do not fit to its rejected ones."""
    if odd.num_rows:
        reason = "an amount does not fit decimal(38, 18)"
        rows = quarantine_rows(stream, contradictions(odd, reason))
        writer = StreamWriter(home, metastore, quarantine_of(stream))
        writer.commit([rows], StreamState(unit="none"))


def _move_quarantine(home: Path, metastore: Metastore, market: StreamId, every: StreamId) -> None:
    """Put the rejected rows of one market to those of the others."""
    older = StreamWriter(home, metastore, market)
    records = older.records()
    rows = [older.read(record) for record in records]
    if rows:
        StreamWriter(home, metastore, every).put(pa.concat_tables(rows), StreamState(unit="none"))
    for record in records:
        (home / record.path).unlink(missing_ok=True)
