"""Which stream and period a path in the lake belongs to, read off its folders and its name."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from schemas import DATASETS, TIMEFRAMES, Dataset, Period
from warehouse import files
from warehouse.ledger import StreamId

_TEMPORARY: Final = re.compile(r"\.(.+)\.\d+\.tmp")
_SEGMENT: Final = re.compile(r"(.+?)(?:\.(\d{3,}))?")


@dataclass(frozen=True)
class LakePath:
    """A path in the lake, relative to the home. ``temporary``: left by a write that broke off."""

    path: str
    stream: StreamId
    period: str
    temporary: bool


def walk(home: Path) -> Iterator[tuple[str, LakePath | None]]:
    """Every file in the lake, in order, with what it is; ``None``: not one of ours."""
    found = [p for root in (files.LAKE, files.PARTIAL) for p in (home / root).rglob("*")]
    for path in sorted(found):
        if path.is_symlink() or not path.is_dir():
            relative = path.relative_to(home).as_posix()
            yield relative, parse(relative)


def of_stream(home: Path, stream: StreamId) -> list[LakePath]:
    """The files of one stream as they lie on disk now."""
    declared = DATASETS[stream.dataset]
    names = (files.stream_folder(declared, stream), files.partial_folder(declared, stream))
    folders = [home / name for name in names if (home / name).is_dir()]
    found = [p for folder in folders for p in folder.iterdir()]
    parsed = (parse(p.relative_to(home).as_posix()) for p in sorted(found))
    return [p for p in parsed if p is not None and p.stream == stream]


def parse(relative: str) -> LakePath | None:
    """What the file at ``relative`` is; ``None`` where no stream would have put it there."""
    _, _, rest = relative.partition("/")
    name, *folders, file = rest.split("/") if rest.count("/") else ("", "")
    declared = DATASETS.get(name)
    if declared is None or len(folders) != len(declared.partition):
        return None
    values: dict[str, str] = {}
    for column, folder in zip(declared.partition, folders, strict=True):
        key, _, value = folder.partition("=")
        if key != column:
            return None
        values[column] = unquote(value)
    broken_off = _TEMPORARY.fullmatch(file)
    stem = broken_off[1] if broken_off else file.removesuffix(".parquet")
    found = _parse_stem(declared, values, stem)
    if found is None:
        return None
    stream, period, segment = found
    written = files.stem(declared, stream, period, segment)
    expected = f"{files.stream_folder(declared, stream)}/{written}.parquet"
    here = f"{files.LAKE}/{rest.rpartition('/')[0]}/{stem}.parquet" if broken_off else relative
    return LakePath(relative, stream, period, bool(broken_off)) if here == expected else None


def _parse_stem(
    declared: Dataset, values: dict[str, str], stem: str
) -> tuple[StreamId, str, int] | None:
    matched = _SEGMENT.fullmatch(stem)
    if matched is None:
        return None
    text, segment = matched[1], int(matched[2] or 0)
    exchange, part = values["exchange"], values.get(declared.partition[-1], "")
    if declared.period is Period.ALL:
        return StreamId(exchange, declared.name, unquote(text)), "all", segment
    if declared.stream_columns:
        timeframe, _, text = text.partition("-")
        if timeframe not in TIMEFRAMES:
            return None
        part = f"{part}:{timeframe}"
    try:
        start, _ = files.period_bounds(declared, text)
    except ValueError:
        return None
    if files.period_of(declared, start) != text:
        return None
    return StreamId(exchange, declared.name, part), text, segment
