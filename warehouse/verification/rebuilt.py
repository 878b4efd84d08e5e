"""Build candles again from stored trades and compare, wherever the trades are proved complete.

That a candle is missing can be said only where candles are proved complete too: those of files are
not. A difference is a note, not an error: an exchange's candles may differ from its trades.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from schemas import Dataset, StreamId, dataset
from schemas.timeframes import SHORTEST, Grid, grid
from schemas.wording import count
from warehouse import candles, files
from warehouse.merge import in_order
from warehouse.metastore import Metastore
from warehouse.reader import StreamReader
from warehouse.state import StreamState
from warehouse.verification.report import Verification
from warehouse.verification.rows import Facts

_FIGURES: Final = ("open", "high", "low", "close", "volume")
_BASE: Final = grid(SHORTEST)
"""What is built from trades; longer candles are rolled up from it."""
Span = tuple[int, int]


def compare_candles(
    home: Path, metastore: Metastore, facts: Mapping[StreamId, Facts], report: Verification
) -> None:
    """Compare the final candles of every market of which trades are held too."""
    for stream, held in facts.items():
        if stream.dataset != "trades" or held.bad:
            continue
        mine = [
            (other, metastore.state(other))
            for other, theirs in facts.items()
            if other.dataset == "candles" and not theirs.bad
            if (other.exchange, other.symbol) == (stream.exchange, stream.symbol)
        ]
        reader = StreamReader(home, metastore, stream)
        wanted = {
            other: _Wanted(spans, _common(spans, state))
            for other, state in mine
            if (spans := _whole(reader, _grid_of(facts[other])))
        }
        if wanted:
            _compare_market(home, held, facts, wanted, report)


@dataclass(frozen=True)
class _Wanted:
    """Opening times at which trades are complete (``built``), and candles as well (``both``)."""

    built: list[Span]
    both: list[Span]


def _whole(trades: StreamReader, frame: Grid) -> list[Span]:
    return candles.whole(trades.state(), trades.time_of, frame, with_open=False)


def _common(whole: Sequence[Span], state: StreamState) -> list[Span]:
    """The parts of ``whole`` in which candles are complete too."""
    return [
        (max(low, run.lower), min(high, run.upper))
        for low, high in whole
        for run in state.complete
        if max(low, run.lower) < min(high, run.upper)
    ]


def _grid_of(candles: Facts) -> Grid:
    """Where the stored candles open. Those of 3 days count from the first one held."""
    name = candles.stream.timeframe or ""
    times = [r.min_time for r in candles.records.values() if r.min_time is not None]
    return replace(grid(name), origin=min(times)) if name == "3d" and times else grid(name)


def _compare_market(
    home: Path,
    held: Facts,
    facts: Mapping[StreamId, Facts],
    wanted: Mapping[StreamId, _Wanted],
    report: Verification,
) -> None:
    declared = dataset("trades")
    days: dict[str, list[Path]] = {}
    for record in held.records.values():
        days.setdefault(record.period, []).append(home / record.path)
    parts = [candles.build(_in_order(declared, paths), _BASE) for _, paths in sorted(days.items())]
    base = pa.concat_tables(parts)
    for stream, spans in wanted.items():
        built = _within(candles.roll_up(base, _grid_of(facts[stream])), spans.built)
        stored = _within(_stored(home, facts[stream]), spans.built)
        _compare_stream(stream, stored, built, spans.both, report)


def _in_order(declared: Dataset, paths: Iterable[Path]) -> pa.Table:
    names = ["trade_id", "timestamp", "price", "amount"]
    return in_order(declared, pa.concat_tables(files.read(declared, p, names) for p in paths))


def _stored(home: Path, facts: Facts) -> pa.Table:
    names = ["timestamp", *_FIGURES, "is_final"]
    parts = [files.read(facts.declared, home / p, names) for p in facts.records]
    table = pa.concat_tables(parts)
    table = table.filter(table.column("is_final")).drop_columns("is_final")
    opening = pc.cast(table.column("timestamp"), pa.int64())
    return table.set_column(0, "open_us", opening)


def _within(table: pa.Table, spans: Iterable[Span]) -> pa.Table:
    at = table.column("open_us")
    keep = pa.chunked_array([pa.array([False] * table.num_rows, pa.bool_())])
    for low, high in spans:
        inside = pc.and_(pc.greater_equal(at, low), pc.less(at, high))
        keep = pc.or_(keep, inside)
    return table.filter(keep)


def _compare_stream(
    stream: StreamId, stored: pa.Table, built: pa.Table, proved: list[Span], report: Verification
) -> None:
    """``proved``: where candles are complete, so that one which is not stored is missing."""
    at = pc.index_in(built.column("open_us"), value_set=stored.column("open_us"))
    both = built.filter(pc.is_valid(at))
    lacking = _within(built.filter(pc.is_null(at)), proved)
    report.count("candles", candles=both.num_rows + lacking.num_rows, differences=0)
    theirs = stored.take(at.drop_null())
    differs = pa.chunked_array([pa.array([False] * both.num_rows, pa.bool_())])
    for name in _FIGURES:
        differs = pc.or_(differs, pc.not_equal(theirs.column(name), both.column(name)))
    made = pc.is_in(stored.column("open_us"), value_set=built.column("open_us"))
    # an exchange may repeat the last price for an interval without trades
    traded = pc.not_equal(stored.column("volume"), pa.scalar(0))
    for what, found in (
        ("missing that its trades make", lacking),
        ("with other figures than its trades make", both.filter(differs)),
        ("with a volume and no trades", stored.filter(pc.and_(pc.invert(made), traded))),
    ):
        if found.num_rows:
            report.count("candles", differences=found.num_rows)
            first = found.column("open_us").cast(pa.timestamp("us", "UTC"))[0].as_py()
            report.note(
                "candles",
                stream,
                f"{count(found.num_rows, 'candle')} {what} (first: {first:%Y-%m-%d %H:%M} UTC)",
            )
