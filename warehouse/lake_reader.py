"""Read a dataset straight from the lake: only the files that can hold what is asked for.

The path of a file names its stream and its day, month or year, so that only matching files are
opened. No DuckDB file is needed. Committed rows are visible at once.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TypedDict, Unpack, overload

import pyarrow as pa
import pyarrow.compute as pc

from schemas import DATASETS, ConfigError, Dataset
from schemas.times import to_microseconds
from warehouse import files, paths
from warehouse.errors import StorageError
from warehouse.frames import As, check, hand_over
from warehouse.home import home_of

if TYPE_CHECKING:
    from warehouse.frames import PandasFrame, PolarsFrame

Value = str | Sequence[str] | None
"""What a column may hold: one value, one of several, anything."""
Moment = datetime | date | str | None
"""A time; a date is its midnight, text is ISO 8601, and without a zone it is UTC."""
_TRIES: Final = 5


class _Wanted(TypedDict, total=False):
    exchange: Value
    symbol: Value
    account: Value
    timeframe: Value
    start: Moment
    end: Moment
    columns: Sequence[str] | None
    home: Path | str | None


if TYPE_CHECKING:  # at run time typing would keep them, and with them DuckDB, past the end

    @overload
    def table(
        dataset: str, *, as_: Literal["arrow"] = "arrow", **wanted: Unpack[_Wanted]
    ) -> pa.Table: ...
    @overload
    def table(
        dataset: str, *, as_: Literal["pandas"], **wanted: Unpack[_Wanted]
    ) -> "PandasFrame": ...
    @overload
    def table(
        dataset: str, *, as_: Literal["polars"], **wanted: Unpack[_Wanted]
    ) -> "PolarsFrame": ...


def table(
    dataset: str,
    *,
    exchange: Value = None,
    symbol: Value = None,
    account: Value = None,
    timeframe: Value = None,
    start: Moment = None,
    end: Moment = None,
    columns: Sequence[str] | None = None,
    as_: As = "arrow",
    home: Path | str | None = None,
) -> "pa.Table | PandasFrame | PolarsFrame":
    """The rows of ``dataset`` that match, of the contracted columns and types.

    ``start`` is inclusive, ``end`` exclusive, by the dataset's time (``timestamp``, or
    ``observed_at`` of snapshots). ``home``: else ``TIDEMARK_HOME``, else ``./data``. Rows of one
    stream come in order of time. Raises ``ConfigError`` for a dataset or column that there is not,
    ``StorageError`` for a file that cannot be read. Nothing held: an empty table.
    """
    check(as_)
    declared = _declared(dataset)
    given = {"exchange": exchange, "symbol": symbol, "account": account, "timeframe": timeframe}
    wanted = {
        name: [value] if isinstance(value, str) else list(value)
        for name, value in given.items()
        if value is not None
    }
    _check_columns(declared, [*wanted, *(columns or [])])
    span = _microseconds(start), _microseconds(end)
    place = home_of(home)
    for _ in range(_TRIES):
        try:
            parts = [
                _read(declared, path, hive, wanted, span, columns)
                for path, hive in _files(declared, place, wanted, span)
            ]
            break
        except FileNotFoundError:  # a pull put other files in its place since they were listed
            continue
    else:
        raise StorageError(f"{place / paths.LAKE / dataset} changes all the time. Fix: try again")
    schema = _schema(declared, columns)
    return hand_over(pa.concat_tables(parts) if parts else schema.empty_table(), as_)


def _declared(name: str) -> Dataset:
    if name not in DATASETS:
        raise ConfigError(f"there is no dataset {name!r}; there are: {', '.join(DATASETS)}")
    return DATASETS[name]


def _check_columns(declared: Dataset, names: Sequence[str]) -> None:
    for name in names:
        if name not in declared.schema.names:
            raise ConfigError(
                f"{declared.name} has no column {name!r}; it has: "
                f"{', '.join(declared.schema.names)}"
            )


def utc(moment: datetime | date | str) -> datetime:
    """``moment`` as a time in UTC. Raises ``ConfigError`` for text that is not a time."""
    if isinstance(moment, str):
        try:
            moment = datetime.fromisoformat(moment)
        except ValueError as error:
            raise ConfigError(f"{moment!r} is no time. Fix: write 2026-01-10T12:00:00Z") from error
    if not isinstance(moment, datetime):
        moment = datetime(moment.year, moment.month, moment.day)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _microseconds(moment: Moment) -> int | None:
    if moment is None:
        return None
    return to_microseconds(utc(moment))


def _files(
    declared: Dataset,
    home: Path,
    wanted: dict[str, list[str]],
    span: tuple[int | None, int | None],
) -> list[tuple[Path, dict[str, str]]]:
    """The files that can hold matching rows, with their path columns."""
    found = []
    for path in paths.lake_files(home, declared.name):
        hive = paths.hive_values(path.relative_to(home / paths.LAKE / declared.name).parent.parts)
        if any(hive[name] not in wanted[name] for name in hive if name in wanted):
            continue
        if _can_hold(declared, path.name, wanted, span):
            found.append((path, hive))
    return found


def _can_hold(
    declared: Dataset,
    name: str,
    wanted: dict[str, list[str]],
    span: tuple[int | None, int | None],
) -> bool:
    """Whether the file's name allows rows of the span (and the timeframe or market)."""
    prefix, period, _ = paths.split_stem(declared, name.removesuffix(".parquet"))
    column = declared.stream_columns[0] if declared.stream_columns else "symbol"
    if prefix is not None and prefix not in wanted.get(column, [prefix]):
        return False
    try:
        low, high = paths.period_bounds(declared, period)
    except ValueError:  # no file of ours: read it, as every other reader does
        return True
    return (span[0] is None or high > span[0]) and (span[1] is None or low < span[1])


def _read(
    declared: Dataset,
    path: Path,
    hive: dict[str, str],
    wanted: dict[str, list[str]],
    span: tuple[int | None, int | None],
    columns: Sequence[str] | None,
) -> pa.Table:
    """The matching rows of one file, path columns added."""
    schema = _schema(declared, columns)
    filters = [name for name in wanted if name not in hive]
    if span != (None, None):
        filters.append(declared.time_column)
    in_file = [n for n in dict.fromkeys([*schema.names, *filters]) if n not in hive]
    rows = files.read(declared, path, in_file or [declared.file_schema.names[0]])
    for name in wanted.keys() - hive.keys():
        rows = rows.filter(pc.is_in(rows.column(name), value_set=pa.array(wanted[name])))
    for bound, keep in zip(span, (pc.greater_equal, pc.less), strict=True):
        if bound is not None:
            at = pa.scalar(bound, pa.timestamp("us", "UTC"))
            rows = rows.filter(keep(rows.column(declared.time_column), at))
    arrays = [
        pa.repeat(pa.scalar(hive[f.name], f.type), rows.num_rows)
        if f.name in hive
        else rows.column(f.name)
        for f in schema
    ]
    return pa.Table.from_arrays(arrays, schema=schema)


def _schema(declared: Dataset, columns: Sequence[str] | None) -> pa.Schema:
    if columns is None:
        return declared.schema
    return pa.schema([declared.schema.field(name) for name in dict.fromkeys(columns)])
