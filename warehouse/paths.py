"""Paths of lake files: build hive folders and file names of a stream and period, and parse them.

A name is built from the fields of a stream, each quoted on its own, so that no two streams share a
file, a lock or a folder mark. Only this module builds or parses these names.
"""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from secrets import randbits
from typing import Final
from urllib.parse import quote, unquote

from schemas import DATASETS, TIMEFRAMES, Dataset, Period, StreamId, dataset
from schemas.times import to_datetime, to_microseconds

LAKE: Final = "lake"
LINK: Final = "warehouse.duckdb"
"""The link to the newest published version of the DuckDB file."""
LINKS: Final = "versions/files"
"""Links to the lake files that the published versions name, where tables are views."""
PARTIAL: Final = "partial"
"""Files being written lie beside the lake, so that a reader that lists it finds none of them."""
QUARANTINE: Final = "quarantine"
_FORMATS: Final = {Period.DAY: "%Y-%m-%d", Period.MONTH: "%Y-%m", Period.YEAR: "%Y"}
_TEMPORARY: Final = re.compile(r"\.(.+)\.\d+\.tmp")
_SEGMENT: Final = re.compile(r"(.+?)(?:\.(\d{3,}))?")
_QUARANTINED: Final = re.compile(r"([^.]+\.[^.]+)(?:\.(\d{3,}))?")
"""Its name ends with that of an account, which may be ``007``."""
_WHOLE: Final = "all"
"""The name of the one stream that is of a whole exchange."""
# Separators that a quoted field never holds: quoting writes "%3A" and "%2E" for these itself.
_TIMEFRAME: Final = "%3A"
_MARKET: Final = "@"


def stored_in(stream: StreamId) -> StreamId:
    """The stream whose files hold the rows of ``stream``: of a ticker those of all markets."""
    holds_others = dataset(stream.dataset).holds_markets
    return replace(stream, symbol=None) if holds_others else stream


def quarantine_of(stream: StreamId) -> StreamId:
    """The quarantine of one stream: its own file, so that streams never wait for each other."""
    return replace(stream, dataset=QUARANTINE, source=stream.dataset)


# -- names of streams -----------------------------------------------------------------------------


def stream_name(stream: StreamId) -> str:
    """The name of ``stream`` within its exchange and dataset; another stream has another name.

    ``BTC-USD``, ``BTC-USD%3A5m``, ``main``, ``main@BTC-USD``, ``all``; of a quarantine
    ``trades.BTC-USD``. Raises ``ValueError`` for a field that streams of this dataset do not have.
    """
    _check(stream)
    owner, market = (stream.account, stream.symbol) if stream.account else (stream.symbol, None)
    name = quoted(owner) if owner else _WHOLE
    if market:
        name += _MARKET + quoted(market)
    if stream.timeframe:
        name += _TIMEFRAME + quoted(stream.timeframe)
    return f"{stream.source}.{name}" if stream.source else name


def parse_stream_name(exchange: str, dataset_name: str, name: str) -> StreamId | None:
    """The stream that :func:`stream_name` calls ``name``; ``None`` where there is none."""
    source, rest = None, name
    if dataset_name == QUARANTINE:
        source, _, rest = name.partition(".")
    declared = DATASETS.get(source or dataset_name)
    if declared is None or not rest:
        return None
    timeframe: str | None = None
    if declared.stream_columns:
        rest, _, timeframe = rest.partition(_TIMEFRAME)
    owner, _, market = rest.partition(_MARKET)
    fields = {"account": unquote(owner), "symbol": unquote(market)}
    if not declared.is_account:
        fields = {"symbol": unquote(owner)}
    if len(declared.partition) == 1 and owner == _WHOLE:
        fields = {}
    try:
        stream = StreamId(
            exchange,
            dataset_name,
            fields.get("symbol") or None,
            fields.get("account") or None,
            unquote(timeframe) if timeframe else None,
            source,
        )
        return stream if stream_name(stream) == name else None
    except ValueError:
        return None


def quoted(text: str) -> str:
    """``text`` as a part of a name: percent-encoded, also ``.``.

    ``:`` is in lower case, which quoting itself never writes.
    """
    return quote(text, safe="").replace(".", "%2E").replace("%3A", "%3a")


def _check(stream: StreamId) -> None:
    declared = DATASETS.get(stream.source or stream.dataset)
    if declared is None or (stream.source is not None) != (stream.dataset == QUARANTINE):
        raise ValueError(f"{stream}: there is no such dataset")
    # responses and rejected rows of one market have names of their own; its rows lie with others'
    may_name_market = declared.is_account or declared.holds_markets
    wanted = (
        "symbol" in declared.partition or (stream.symbol is not None and may_name_market),
        declared.is_account,
        bool(declared.stream_columns),
    )
    if tuple(field is not None for field in stream.optional[:3]) != wanted:
        raise ValueError(f"{stream}: not the fields that name a stream of {declared.name}")


def lock_name(stream: StreamId) -> tuple[str, ...]:
    """The lock of whoever writes ``stream``; what is written with it has the same lock.

    That is its quarantine, and the history of a list.
    """
    if stream.source:
        stream = replace(stream, dataset=stream.source, source=None)
    owners = {d.history: d.name for d in DATASETS.values() if d.history}
    if stream.dataset in owners:
        stream = replace(stream, dataset=owners[stream.dataset])
    return "streams", quoted(stream.exchange), f"{stream.dataset}.{stream_name(stream)}"


def folder_mark(stream: StreamId) -> str:
    """The name under which the metastore keeps the folder's mtime after this stream's commits.

    Streams may share a folder (timeframes, quarantine), and the commit of one must not hide what
    a crash of another left there: each remembers the folder as it left it itself.
    """
    return f"{stream_folder(stream)} {stream_name(stream)}"


# -- folders and files ----------------------------------------------------------------------------


def hive_folder(name: str, value: str) -> str:
    """``symbol=BTC-USD``, ``exchange=ccxt%3Aokx``: percent-encoded, for any file system."""
    return f"{name}={quote(value, safe='')}"


def stream_folder(stream: StreamId) -> str:
    """The folder of a stream's files, relative to the home: hive directories."""
    _check(stream)
    if stream != stored_in(stream):
        raise ValueError(f"{stream} has no files of its own: {stored_in(stream)} has")
    values = {"exchange": stream.exchange, "symbol": stream.symbol, "account": stream.account}
    declared = dataset(stream.dataset)
    parts = [hive_folder(name, values[name] or "") for name in declared.partition]
    return "/".join([LAKE, declared.name, *parts])


def partial_folder(stream: StreamId) -> str:
    """The folder of a stream's files while they are written, relative to the home."""
    return PARTIAL + stream_folder(stream).removeprefix(LAKE)


def temporary_path(path: str) -> str:
    """Where the lake file ``path`` is written before it gets its name, relative to the home.

    Nobody else writes there, in this process or another, on this machine or another.
    """
    folder, _, name = path.removeprefix(LAKE).rpartition("/")
    return (
        f"{PARTIAL}{folder}/.{name.removesuffix('.parquet')}.{os.getpid()}{randbits(48):015d}.tmp"
    )


def stem(stream: StreamId, period: str, segment: int) -> str:
    """File name without ``.parquet``: ``2024-08-08``, ``5m-2024-08``, ``2024-08-08.001``."""
    declared = dataset(stream.dataset)
    prefix = ""
    if declared.period is Period.ALL:
        period = stream_name(stream)
    elif declared.stream_columns:
        prefix = f"{quoted(stream.timeframe or '')}-"
    elif declared.is_account and stream.symbol:
        prefix = f"{quoted(stream.symbol)}{_MARKET}"
    return f"{prefix}{period}" + (f".{segment:03d}" if segment else "")


def lake_path(stream: StreamId, period: str, segment: int) -> str:
    """A file of the stream, relative to the home."""
    return f"{stream_folder(stream)}/{stem(stream, period, segment)}.parquet"


@dataclass(frozen=True)
class LakePath:
    """A path in the lake, relative to the home. ``temporary``: left by a write that broke off."""

    path: str
    stream: StreamId
    period: str
    temporary: bool


def walk(home: Path) -> Iterator[tuple[str, LakePath | None]]:
    """Every file in the lake, in order, with what it is; ``None``: not one of ours."""
    found = [p for root in (LAKE, PARTIAL) for p in (home / root).rglob("*")]
    for path in sorted(found):
        if path.is_symlink() or not path.is_dir():
            relative = path.relative_to(home).as_posix()
            yield relative, parse(relative)


def of_stream(home: Path, stream: StreamId, *, temporary: bool = False) -> list[LakePath]:
    """The files of one stream as they lie on disk now; ``temporary``: only those that are."""
    names = (stream_folder(stream), partial_folder(stream))
    found = [
        f"{name}/{file}"
        for name in names
        if (home / name).is_dir()
        for file in os.listdir(home / name)
        if not temporary or _TEMPORARY.fullmatch(file)  # there may be thousands of others
    ]
    parsed = map(parse, sorted(found))
    return [p for p in parsed if p is not None and p.stream == stream]


def lake_files(home: Path, dataset_name: str) -> Iterator[Path]:
    """Every file of a dataset, as any reader finds them."""
    yield from sorted((home / LAKE / dataset_name).rglob("*.parquet"))


def hive_values(folders: tuple[str, ...]) -> dict[str, str]:
    """The path columns that hive directories say: ``symbol=BTC-USD``."""
    pairs = (folder.partition("=") for folder in folders)
    return {key: unquote(value) for key, _, value in pairs}


def parse(relative: str) -> LakePath | None:
    """What the file at ``relative`` is; ``None`` where no stream would have put it there."""
    _, _, rest = relative.partition("/")
    name, *folders, file = rest.split("/") if rest.count("/") else ("", "")
    declared = DATASETS.get(name)
    if declared is None or tuple(f.partition("=")[0] for f in folders) != declared.partition:
        return None
    values = hive_values(tuple(folders))
    broken_off = _TEMPORARY.fullmatch(file)
    written = broken_off[1] if broken_off else file.removesuffix(".parquet")
    found = _parse_stem(declared, values, written)
    if found is None:
        return None
    stream, period, segment = found
    here = f"{LAKE}/{rest.rpartition('/')[0]}/{written}.parquet" if broken_off else relative
    if here != lake_path(stream, period, segment):
        return None
    return LakePath(relative, stream, period, bool(broken_off))


def split_stem(declared: Dataset, text: str) -> tuple[str | None, str, int]:
    """Timeframe or market (``None``: the name has none), period and segment of a file's name."""
    matched = (_QUARANTINED if declared.name == QUARANTINE else _SEGMENT).fullmatch(text)
    period, segment = (matched[1], int(matched[2] or 0)) if matched else (text, 0)
    if declared.period is Period.ALL:
        return None, period, segment
    if declared.stream_columns:
        prefix, _, period = period.partition("-")
        return unquote(prefix), period, segment
    if declared.is_account and _MARKET in period:
        prefix, _, period = period.partition(_MARKET)
        return unquote(prefix), period, segment
    return None, period, segment


def _parse_stem(
    declared: Dataset, values: dict[str, str], text: str
) -> tuple[StreamId, str, int] | None:
    prefix, period, segment = split_stem(declared, text)
    if "" in values.values() or prefix == "":
        return None
    if declared.period is Period.ALL:
        whole = parse_stream_name(values["exchange"], declared.name, period)
        return None if whole is None else (whole, _WHOLE, segment)
    stream = StreamId(
        values["exchange"], declared.name, values.get("symbol"), values.get("account")
    )
    if declared.stream_columns:
        if prefix not in TIMEFRAMES:
            return None
        stream = replace(stream, timeframe=prefix)
    elif prefix:
        stream = replace(stream, symbol=prefix)
    try:
        start, _ = period_bounds(declared, period)
    except ValueError:
        return None
    return None if period_of(declared, start) != period else (stream, period, segment)


# -- periods --------------------------------------------------------------------------------------


def period_of(declared: Dataset, time_us: int) -> str:
    """The period that a row of this time (microseconds) belongs to."""
    if declared.period is Period.ALL:
        return _WHOLE
    return to_datetime(time_us).strftime(_FORMATS[declared.period])


def period_bounds(declared: Dataset, period: str) -> tuple[int, int]:
    """``[start, end)`` of a period in microseconds. Raises ``ValueError`` for what is none."""
    if declared.period is Period.ALL:
        return -(2**62), 2**62
    start = datetime.strptime(period, _FORMATS[declared.period]).replace(tzinfo=UTC)
    if declared.period is Period.DAY:
        end = start + timedelta(days=1)
    elif declared.period is Period.MONTH:
        end = (start.replace(day=1) + timedelta(days=32)).replace(day=1)
    else:
        end = start.replace(year=start.year + 1)
    return to_microseconds(start), to_microseconds(end)
