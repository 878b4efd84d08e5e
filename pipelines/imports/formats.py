"""The formats of bulk files in one table, and how a file's format is recognised.

A format says in which columns of the file the values of a dataset stand. It is recognised by what
the file holds: the header or the shape of the rows. The name of a file says the market and the
timeframe, and is compared with what is asked for.

Sources: the exchanges' and tools' descriptions of their files, summed up in docs/import.md.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from pipelines.output.formatting import with_fix
from schemas import TIMEFRAMES, ConfigError

TRADES: Final = "trades"
CANDLES: Final = "candles"
REFERENCE: Final = "reference_trades"

_N: Final = r"\d+(?:\.\d+)?"
_T: Final = r"(?:\d{13}|\d{16})"
_S: Final = r"\d{9,10}"
_B: Final = r"(?:[Tt]rue|[Ff]alse)"
_FIGURES: Final = ("open", "high", "low", "close", "volume")
_TRADE: Final = {"trade_id": "id", "timestamp": "time", "price": "price", "amount": "qty"}
_BINANCE: Final = r"(?P<market>[A-Z0-9]+)-{}-\d{{4}}-\d{{2}}(-\d{{2}})?(\.csv)?"
_FREQTRADE: Final = r"(?P<market>[A-Za-z0-9]+_[A-Za-z0-9]+)-{}\.(feather|json|parquet)"
_FREQTRADE_TIMEFRAME: Final = r"(?P<timeframe>\d+(m|h|d|w|M|Mo))"


@dataclass(frozen=True)
class Format:
    """One format. ``columns``: the file's column for each value of the dataset.

    ``layout``: the columns in order, where the file has no header. ``shape``: of a row without a
    header. ``needs``: columns by which a header (or schema) is known. ``container``: ``text``,
    ``table`` (Feather, Parquet) or ``json``. ``exchange``: the only one whose files these are.
    ``floats``: whether values were doubles, of which 15 digits are sure. ``ends``: what the last
    row may be. ``note``: what a person has to know about ids or sides.
    """

    name: str
    title: str
    dataset: str
    columns: Mapping[str, str]
    layout: tuple[str, ...] = ()
    shape: str = ""
    needs: frozenset[str] = frozenset()
    containers: frozenset[str] = frozenset({"text"})
    file_name: str = ""
    exchange: str = ""
    floats: bool = False
    last_is_open: bool = False
    """The last candle may be one that was open when the file was written."""
    empties: bool = False
    """Rows with price and amount 0 are ids that were emptied, and no trades."""
    note: str = ""
    delimiter: str = ","
    has_header: bool = False

    def named(self, name: str) -> tuple[str | None, str | None]:
        """The market and the timeframe that a file's name says, as the file spells them."""
        found = re.fullmatch(self.file_name, name) if self.file_name else None
        if found is None:
            return None, None
        said = found.groupdict()
        return said.get("market"), said.get("timeframe")


_KLINES: Final = (
    *("open_time", "open", "high", "low", "close", "volume", "close_time", "quote_volume"),
    *("count", "taker_buy_volume", "taker_buy_quote_volume", "ignore"),
)
_FREQTRADE_TRADES: Final = ("timestamp", "id", "type", "side", "price", "amount", "cost")
_SECONDS: Final = {"timestamp": "time", "price": "price", "amount": "amount"}
NO_IDS: Final = "the file has no ids: its rows are kept apart, to compare with"
_OTHER_IDS: Final = "the ids are not those of single trades: the rows are kept apart, to compare"

FORMATS: Final[tuple[Format, ...]] = (
    Format(
        "binance-trades",
        "trades of Binance Vision (spot)",
        TRADES,
        {**_TRADE, "buyer_is_maker": "is_buyer_maker"},
        layout=("id", "price", "qty", "quote_qty", "time", "is_buyer_maker", "is_best_match"),
        shape=rf"\d+,{_N},{_N},{_N},{_T},{_B},{_B}",
        file_name=_BINANCE.format("trades"),
        exchange="binance",
    ),
    Format(
        "binance-aggtrades",
        "aggregate trades of Binance Vision (spot)",
        REFERENCE,
        {**_TRADE, "buyer_is_maker": "is_buyer_maker"},
        layout=(
            *("id", "price", "qty", "first_id", "last_id", "time"),
            *("is_buyer_maker", "is_best_match"),
        ),
        shape=rf"\d+,{_N},{_N},-?\d+,-?\d+,{_T},{_B},{_B}",
        file_name=_BINANCE.format("aggTrades"),
        exchange="binance",
        empties=True,
        note=_OTHER_IDS,
    ),
    Format(
        "binance-klines",
        "candles of Binance Vision (spot)",
        CANDLES,
        {"timestamp": "open_time", **{n: n for n in _FIGURES}, "close_time": "close_time"},
        layout=_KLINES,
        shape=rf"{_T}(?:,{_N}){{5}},{_T},{_N},\d+,{_N},{_N},{_N}",
        file_name=_BINANCE.format(r"(?P<timeframe>\d+(s|m|h|d|w|mo))"),
        exchange="binance",
    ),
    Format(
        "kraken-trades",
        "trades of Kraken's archive",
        REFERENCE,
        _SECONDS,
        layout=("time", "price", "amount"),
        shape=rf"{_S},{_N},{_N}",
        file_name=r"(?P<market>[A-Z0-9]+)\.csv",
        exchange="kraken",
        note=NO_IDS,
    ),
    Format(
        "bitcoincharts",
        "trades of bitcoincharts",
        REFERENCE,
        _SECONDS,
        layout=("time", "price", "amount"),
        shape=rf"{_S},{_N},{_N}",
        note=NO_IDS,
    ),
    Format(
        "kraken-ohlcvt",
        "candles of Kraken's archive",
        CANDLES,
        {"timestamp": "time", **{n: n for n in _FIGURES}},
        layout=("time", *_FIGURES, "trades"),
        shape=rf"{_S}(?:,{_N}){{5}},\d+",
        file_name=r"(?P<market>[A-Z0-9]+)_(?P<timeframe>\d+)\.csv",
        exchange="kraken",
    ),
    Format(
        "tardis-trades",
        "trades of tardis.dev",
        TRADES,
        {
            **{n: n for n in ("exchange", "timestamp", "side", "price", "amount")},
            "native_symbol": "symbol",
            "trade_id": "id",
        },
        needs=frozenset(
            ["exchange", "symbol", "timestamp", "local_timestamp", "id", "side", "price", "amount"]
        ),
    ),
    Format(
        "freqtrade-trades",
        "trades of freqtrade",
        REFERENCE,
        {**{n: n for n in ("timestamp", "side", "price", "amount")}, "trade_id": "id"},
        layout=_FREQTRADE_TRADES,
        shape="trade",
        needs=frozenset(_FREQTRADE_TRADES),
        containers=frozenset({"table", "json"}),
        file_name=_FREQTRADE.format("trades"),
        floats=True,
        note=_OTHER_IDS,
    ),
    Format(
        "freqtrade-candles",
        "candles of freqtrade",
        CANDLES,
        {"timestamp": "date", **{n: n for n in _FIGURES}},
        layout=("date", *_FIGURES),
        shape="candle",
        needs=frozenset({"date", *_FIGURES}),
        containers=frozenset({"table", "json"}),
        file_name=_FREQTRADE.format(_FREQTRADE_TIMEFRAME),
        floats=True,
        last_is_open=True,
        note="the last candle is taken as open; candles without trades may be absent",
    ),
    Format(
        "tidemark-trades",
        "trades of Tidemark",
        TRADES,
        {n: n for n in ("exchange", "symbol", "trade_id", "timestamp", "side", "price", "amount")},
        needs=frozenset({"trade_id", "timestamp", "side", "price", "amount", "ingested_at"}),
        containers=frozenset({"text", "table"}),
    ),
    Format(
        "tidemark-candles",
        "candles of Tidemark",
        CANDLES,
        {n: n for n in ("exchange", "symbol", "timeframe", "timestamp", *_FIGURES, "is_final")},
        needs=frozenset({"timeframe", "timestamp", *_FIGURES, "is_final", "ingested_at"}),
        containers=frozenset({"text", "table"}),
    ),
)
BY_NAME: Final = {one.name: one for one in FORMATS}
CSV: Final = "csv"
"""Any CSV whose columns are named."""

_MEANINGS: Final = {
    **{n: n for n in ("trade_id", "timestamp", "side", "buyer_is_maker", "price", "amount")},
    **{n: n for n in (*_FIGURES, "is_final")},
    **dict.fromkeys(("executed_at", "time", "date"), "timestamp"),
    **dict.fromkeys(("qty", "quantity", "size"), "amount"),
    "id": "trade_id",
}
"""What ``--columns`` may name, and the value that is meant."""


@dataclass(frozen=True)
class Head:
    """The beginning of a file. ``container``: text, table or json; ``columns``: of its header or
    schema (empty: none); ``rows``: the first lines without it, or the first row of JSON.
    """

    container: str
    columns: tuple[str, ...] = ()
    rows: tuple[str, ...] = ()
    delimiter: str = ","
    first: object = field(default=None)


def recognise(head: Head, name: str, exchange: str) -> Format | None:
    """The format of a file that begins with ``head``; ``None`` where it is none of the table.

    Where two formats look alike, that of ``exchange`` is taken, then one whose files are called so.
    """
    found = [one for one in FORMATS if head.container in one.containers and _fits(one, head)]
    return min(
        found,
        key=lambda one: (
            one.exchange != exchange,
            not re.fullmatch(one.file_name, name),
            one.exchange != "",
        ),
        default=None,
    )


def _fits(one: Format, head: Head) -> bool:
    if head.container == "json":
        return one.shape == _json_shape(head.first)
    if head.columns:
        return bool(one.needs) and one.needs <= {*head.columns}
    return bool(one.layout) and any(re.fullmatch(one.shape, row) for row in head.rows)


def _json_shape(row: object) -> str:
    if isinstance(row, dict):
        return "trade" if {"id", "timestamp", "side", "price", "amount"} <= row.keys() else ""
    if not isinstance(row, list):
        return ""
    return {len(_FREQTRADE_TRADES): "trade", 1 + len(_FIGURES): "candle"}.get(len(row), "")


def by_columns(given: Sequence[str], head: Head) -> Format:
    """The format of any CSV, of ``--columns`` like ``price=px`` or, without a header, ``price=2``.

    Columns are counted from 1. Raises ``ConfigError``.
    """
    pairs = [part.partition("=") for text in given for part in text.split(",") if part.strip()]
    columns: dict[str, str] = {}
    for left, equals, right in pairs:
        meaning, name = _MEANINGS.get(left.strip()), right.strip()
        if meaning is None or not equals or not name:
            raise ConfigError(
                with_fix(
                    f"--columns {left}{equals}{right}: no value of a trade or candle is called so",
                    f"name some of {', '.join(_MEANINGS)}, each as NAME=COLUMN",
                )
            )
        columns[meaning] = name
    layout = head.columns
    if not layout:
        width = len(head.rows[0].split(head.delimiter)) if head.rows else 0
        layout = tuple(str(number) for number in range(1, width + 1))
    for meaning, name in columns.items():
        if name not in layout:
            raise ConfigError(
                with_fix(
                    f"--columns {meaning}={name}: the file has no such column",
                    f"name one of: {', '.join(layout)}",
                )
            )
    return replace(
        _of_meanings(columns),
        layout=layout,
        has_header=bool(head.columns),
        delimiter=head.delimiter,
    )


def _of_meanings(columns: Mapping[str, str]) -> Format:
    if "open" in columns:
        dataset, wanted = CANDLES, {"timestamp", *_FIGURES}
    elif "trade_id" in columns:
        dataset, wanted = TRADES, {"trade_id", "timestamp", "price", "amount"}
    else:
        dataset, wanted = REFERENCE, {"timestamp", "price", "amount"}
    missing = sorted(wanted - columns.keys())
    if dataset == TRADES and not columns.keys() & {"side", "buyer_is_maker"}:
        missing.append("side (or buyer_is_maker)")
    if missing:
        raise ConfigError(
            with_fix(f"--columns names no {', '.join(missing)}", "name a column for each of them")
        )
    note = NO_IDS if dataset == REFERENCE else ""
    return Format(CSV, "CSV by named columns", dataset, dict(columns), note=note)


def timeframe_of(text: str) -> str | None:
    """A timeframe as files spell it (``5m``, ``1Mo``; of Kraken minutes alone); ``None``: of none
    that is stored.
    """
    if text.isdecimal():
        return next((n for n, us in TIMEFRAMES.items() if us == int(text) * 60_000_000), None)
    return text if text in TIMEFRAMES else None


_CODES: Final = {"XBT": "BTC", "XDG": "DOGE"}


_TARDIS_NAMES: Final = {
    "okex": "okx",
    "bybit-spot": "bybit",
    "gate-io": "gate",
    "huobi": "htx",
    "binance-us": "binanceus",
    "crypto-com": "cryptocom",
}
"""How tardis.dev calls exchanges that have another name here (docs.tardis.dev)."""


def same_exchange(named: str, exchange: str) -> bool:
    """Whether a row says that it is of ``exchange``, by its name here, in ccxt or at tardis.dev.

    >>> same_exchange("okex", "ccxt:okx"), same_exchange("kraken", "binance")
    (True, False)
    """
    plain = named.removeprefix("ccxt:")
    return _TARDIS_NAMES.get(plain, plain) == exchange.removeprefix("ccxt:")


def same_market(spelled: str, symbol: str) -> bool:
    """Whether a file's spelling of a market (``XBTUSD``, ``XRP_ETH``) can mean ``symbol``."""
    bare = re.sub("[^A-Z0-9]", "", spelled.upper())
    base, _, quote = symbol.partition("-")
    known = {*_CODES.items()}
    bases = {base, *(old for old, new in known if new == base)}
    quotes = {quote, *(old for old, new in known if new == quote)}
    return bare in {b + q for b in bases for q in quotes}
