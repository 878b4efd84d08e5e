"""What to import of the files that are named: of which format, for which stream."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import connectors
from pipelines.feeds.document import did_you_mean
from pipelines.imports import batches
from pipelines.imports.formats import (
    BY_NAME,
    CANDLES,
    CSV,
    NO_IDS,
    REFERENCE,
    TRADES,
    Format,
    Head,
    by_columns,
    recognise,
    same_market,
    timeframe_of,
)
from pipelines.imports.sources import (
    CHECKSUM,
    FileError,
    Source,
    UnknownFormatError,
    is_beside,
    sources,
)
from pipelines.output.formatting import with_fix
from schemas import TIMEFRAMES, ConfigError, StreamId
from warehouse.paths import hive_values

_SYMBOL: Final = re.compile(r"[A-Z0-9.]+-[A-Z0-9.]+")
_DATASETS: Final = (TRADES, CANDLES, REFERENCE)
_KLINE_STEPS: Final = {us: name for name, us in TIMEFRAMES.items()}


@dataclass(frozen=True)
class Wish:
    """What a user asks for. ``columns``: of ``--columns``; ``verify``: checksums beside files."""

    exchange: str
    market: str
    dataset: str | None = None
    format: str | None = None
    columns: Sequence[str] = ()
    timeframe: str | None = None
    verify: bool = True
    dry_run: bool = False
    of_market_only: bool = False
    """Files of other markets, or that do not say of which, are left out, as those of a folder."""


@dataclass(frozen=True)
class Job:
    """One file to import."""

    source: Source
    head: Head
    form: Format
    stream: StreamId


@dataclass
class Plan:
    """The jobs; ``problems``: why files are none; ``skipped``: of other or unknown markets."""

    jobs: list[Job] = field(default_factory=list)
    problems: list[tuple[Source, str]] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)


def plan(paths: Sequence[Path], wish: Wish, names: Mapping[str, str]) -> Plan:
    """Look at every file. ``names``: symbols by the exchange's own names.

    Raises ``ConfigError`` for a wrong wish, or where there is nothing to import.
    """
    check(wish)
    symbol = _symbol(wish, names)
    made = Plan()
    for path, is_named in _files(paths):
        found = sources(path)
        for source in found:
            alone = is_named and len(found) == 1 and not wish.of_market_only
            try:
                job = _job(source, wish, symbol, alone=alone)
            except FileError as error:
                if isinstance(error, UnknownFormatError) and not alone:
                    made.skipped.append(source.label)
                    continue
                made.problems.append((source, str(error)))
            else:
                if job is None:
                    made.skipped.append(source.label)
                else:
                    made.jobs.append(job)
    if wish.of_market_only:
        return made
    if not made.jobs and made.problems:
        raise ConfigError(made.problems[0][1])
    if not made.jobs:
        raise ConfigError(
            with_fix(
                f"no file of {symbol} is among those named; {len(made.skipped)} are of other "
                "markets, or do not say of which",
                "name the market of the files, as BASE-QUOTE, or single files",
            )
        )
    return made


def check(wish: Wish) -> None:
    """Raises ``ConfigError`` for what the options must not say."""
    known = connectors.names()
    if not connectors.is_known(wish.exchange):
        near = did_you_mean(wish.exchange, known)
        raise ConfigError(
            with_fix(
                f"unknown exchange {wish.exchange!r}{near}",
                f"use one of: {', '.join(known)}; or ccxt:ID, as ccxt:okx",
            )
        )
    for name, value, choices in (
        ("--format", wish.format, (*BY_NAME, CSV)),
        ("--dataset", wish.dataset, _DATASETS),
        ("--timeframe", wish.timeframe, tuple(TIMEFRAMES)),
    ):
        if value is not None and value not in choices:
            near = did_you_mean(value, choices)
            raise ConfigError(
                with_fix(f"{name} {value}: unknown{near}", f"use one of: {', '.join(choices)}")
            )
    if wish.columns and wish.format not in (None, CSV):
        raise ConfigError(with_fix("--columns goes with --format csv alone", "leave one out"))
    if wish.format == CSV and not wish.columns:
        raise ConfigError(
            with_fix("--format csv needs --columns", "--columns timestamp=…,price=…,amount=…")
        )


def _symbol(wish: Wish, names: Mapping[str, str]) -> str:
    """The market's symbol. ``names``: symbols by the exchange's own names."""
    symbol = names.get(wish.market, wish.market.upper())
    if not _SYMBOL.fullmatch(symbol):
        raise ConfigError(
            with_fix(f"--market {wish.market}: not a market", "write it as BASE-QUOTE: BTC-USDT")
        )
    return symbol


def _files(paths: Sequence[Path]) -> list[tuple[Path, bool]]:
    """The files, and whether each was named itself; those of a folder are not."""
    found: list[tuple[Path, bool]] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(
                p
                for p in path.rglob("*")
                if p.is_file() and not is_beside(str(p.relative_to(path)))
            )
            found += [(p, False) for p in inside]
        else:
            found.append((path, True))
    kept = [(p, named) for p, named in found if not p.name.endswith(CHECKSUM)]
    if not kept:
        raise ConfigError(
            with_fix(f"nothing to import in {', '.join(map(str, paths))}", "name files or folders")
        )
    return kept


def _job(source: Source, wish: Wish, symbol: str, *, alone: bool) -> Job | None:
    """The job of one file; ``None`` where it is of another market, or does not say of which.

    ``alone``: the user named this very file, so that it is of that market, or a mistake.
    """
    head = batches.head_of(source)
    if wish.columns:
        form = by_columns(wish.columns, head)
    elif wish.format is not None:
        form = BY_NAME[wish.format]
        _check_fits(form, head, source)
    else:
        form = _recognised(source, head, wish.exchange)
        market, exchange = _said(form, source)
        owner = {form.columns.get("symbol"), form.columns.get("native_symbol")}
        if not alone and market is None and not owner & {*head.columns}:
            return None
        if exchange not in (None, wish.exchange):
            if not alone:
                return None
            raise FileError(
                with_fix(f"{source.label} is of {exchange} by its folder", f"--exchange {exchange}")
            )
        if market is not None and not same_market(market, symbol):
            if not alone:
                return None
            raise FileError(
                with_fix(
                    f"{source.label} is of {market} by its name or folder, not of {symbol}",
                    f"name its market; if the name is wrong, add --format {form.name}",
                )
            )
    form = _of_dataset(form, wish.dataset, source)
    if form.dataset == TRADES and batches.lacks(source, form, head, "trade_id"):
        form = replace(form, dataset=REFERENCE, note=NO_IDS)
    timeframe = _timeframe(form, source, head, wish) if form.dataset == CANDLES else None
    stream = StreamId(wish.exchange, form.dataset, symbol=symbol, timeframe=timeframe)
    return Job(source, head, form, stream)


def _said(form: Format, source: Source) -> tuple[str | None, str | None]:
    """The market that the file's name or folders say, and the exchange."""
    market, _ = form.named(source.name)
    folders = hive_values(source.path.absolute().parent.parts)
    return market or folders.get("symbol"), folders.get("exchange")


def _recognised(source: Source, head: Head, exchange: str) -> Format:
    form = recognise(head, source.name, exchange)
    headed = {*head.columns}
    titled = next((f for f in BY_NAME.values() if f.layout and {*f.layout[:6]} <= headed), None)
    if form is None and titled is not None:
        raise FileError(
            with_fix(
                f"{source.label} has a header, as files of futures have; those of spot have none",
                f"if its rows are of spot, add --format {titled.name}",
            )
        )
    if form is None:
        shown = ",".join(head.columns) or (head.rows[0] if head.rows else str(head.first))
        raise UnknownFormatError(
            with_fix(
                f"{source.label} is of no format that is known; it begins with {shown[:120]!r}",
                "name its columns: --columns timestamp=…,price=…,amount=…,trade_id=…,side=… "
                f"(or --format: {', '.join(BY_NAME)})",
            )
        )
    if form.exchange not in ("", exchange):
        raise FileError(
            with_fix(
                f"{source.label} holds {form.title}, not of {exchange}",
                f"--exchange {form.exchange}",
            )
        )
    return form


def _check_fits(form: Format, head: Head, source: Source) -> None:
    missing = {*form.columns.values()} - {*(head.columns or form.layout)}
    if head.container not in form.containers or (head.columns and missing):
        has = ", ".join(head.columns) or head.container
        raise FileError(
            with_fix(
                f"{source.label} is not {form.title}: it has {has}",
                "leave --format out, so that the format is recognised",
            )
        )


def _of_dataset(form: Format, wanted: str | None, source: Source) -> Format:
    """``form`` for the dataset that the user names."""
    if wanted in (None, form.dataset):
        return form
    if wanted == REFERENCE and form.dataset == TRADES:
        return replace(form, dataset=REFERENCE)
    raise FileError(
        with_fix(
            f"{source.label} holds {form.title}: no rows of {wanted}",
            f"--dataset {form.dataset}, or leave it out",
        )
    )


def _timeframe(form: Format, source: Source, head: Head, wish: Wish) -> str:
    """The timeframe of a file of candles: as the user says, as its rows or its name say."""
    _, named = form.named(source.name)
    spelled = named
    found = None if named is None else timeframe_of(named)
    row = next((r for r in head.rows if form.shape and re.fullmatch(form.shape, r)), None)
    if "close_time" in form.columns and row is not None:
        opened, closed = (
            row.split(head.delimiter)[form.layout.index(form.columns[name])]
            for name in ("timestamp", "close_time")
        )
        if opened.isdecimal() and closed.isdecimal():
            unit = 1 if len(opened) >= 16 else 1000
            step = (int(closed) - int(opened) + 1) * unit
            spelled, found = spelled or f"{step / 1_000_000:g} s", _KLINE_STEPS.get(step)
    if "timeframe" in form.columns:
        found = batches.first_value(source, form, head, "timeframe")
        found = found if found in TIMEFRAMES else None
    if wish.timeframe is not None:
        if found not in (None, wish.timeframe) and "timeframe" not in form.columns:
            raise FileError(
                with_fix(
                    f"{source.label} holds candles of {found}, not of {wish.timeframe}",
                    f"--timeframe {found}, or leave it out",
                )
            )
        return wish.timeframe
    if found is None:
        length = f"candles of {spelled}, which are not stored" if spelled else "candles"
        raise FileError(
            with_fix(
                f"{source.label} holds {length}; its timeframe must be one of "
                f"{', '.join(TIMEFRAMES)}",
                "--timeframe 5m says it where the file's name does not",
            )
        )
    return found
