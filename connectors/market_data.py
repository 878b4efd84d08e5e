"""Rows of market data that several exchanges send alike."""

from collections.abc import Callable, Container
from dataclasses import replace
from itertools import chain
from operator import attrgetter
from typing import Any

import pyarrow.compute as pc

from connectors.codes import Code
from connectors.columns import Number, Time
from connectors.names import Listed, Names, listed_rows
from connectors.rows import MOST_ROWS, Built, Column, Layout, Source, column, observed, read
from schemas import timeframe_us


def candle_columns(time: str) -> tuple[Column, ...]:
    """Of rows that name their values as they are named here. ``time``: the opening."""
    values = ("open", "high", "low", "close", "volume")
    return (column("timestamp", time, Time()), *(column(name, name, Number()) for name in values))


def candles(
    source: Source,
    columns: tuple[Column, ...],
    symbol: str,
    timeframe: str,
    clock: int | None,
) -> Built:
    """Candles of one market. ``clock``: the exchange's time in microseconds, if it is reported.

    A candle is final when its interval has ended by that clock; without one, when a newer candle
    is in the answer, and its interval has ended by then.
    """
    same = {"symbol": symbol, "timeframe": timeframe}
    built = read(Layout("candles", columns, ("timestamp",), "timestamp", constants=same), source)
    opened = built.positions
    if clock is None:
        clock = pc.max(opened).as_py() or 0
    ended = pc.less_equal(pc.add(opened, timeframe_us(timeframe)), clock)
    return built.with_column("is_final", ended)


def markets(
    source: Source,
    fields: tuple[str, str, str],
    columns: tuple[Column, ...],
    names: Names,
    observed_at: int,
    keep: Callable[[Any], bool] = lambda row: True,
    most_rows: int = MOST_ROWS,
) -> Built:
    """A list of markets that names base and quote of each: no name of a market says them.

    ``fields``: those of its native name, base and quote. ``columns``: the others. ``keep``: which
    rows are wanted.
    """
    native, base, quote = map(attrgetter, fields)
    listed = {
        native(row): (str(base(row) or ""), str(quote(row) or ""))
        for row in listed_rows(source)
        if isinstance(native(row), str) and keep(row)
    }
    code = Code(names.codes.listed(chain.from_iterable(listed.values())))
    named = (
        column("symbol", fields[0], Listed(names, listed)),
        column("base", fields[1], code),
        column("quote", fields[2], code),
    )
    layout = observed("markets", (*named, *columns), key="symbol", at=observed_at)
    return read(replace(layout, most_rows=most_rows), source, keep)


def of_markets(asked: Container[str]) -> Callable[[Any], bool]:
    """Which rows are wanted of a list that may hold other markets than ``asked``, native names.

    A row whose market cannot be read may be of any of them.
    """
    return lambda row: not isinstance(row.symbol, str) or row.symbol in asked
