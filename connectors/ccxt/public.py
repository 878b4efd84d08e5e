"""Profiles of public trades: what differs from an exchange of which nothing but ccxt is known.

One entry of a table for each exchange. The requests are made here; rows are read one by one, as
:mod:`connectors.ccxt.generic` reads them.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Final
from urllib.parse import parse_qsl, quote

import pyarrow.compute as pc

from connectors import columns as kinds
from connectors import exact
from connectors.base import Cursor, Key, Paging, Unit
from connectors.ccxt import generic
from connectors.ccxt.table import Entry
from connectors.dialect import Answered, Asked, Dialect, Endpoint
from connectors.http import Request, get
from connectors.jsontext import decode_row, row_type
from connectors.rows import (
    Built,
    Column,
    Layout,
    RowText,
    Source,
    column,
    list_of,
    member_of,
    read,
    rows_of,
)

_UNIT_US: Final[Mapping[Unit, int]] = {"ms": 1000, "s": 1_000_000}


@dataclass(frozen=True)
class ByTime:
    """Trades that can be asked for by windows of time. Overlapping moments are the proof.

    ``market``: the parameter that names it; empty: the path does. ``times``: those of the ends of a
    window, in ``unit``. ``most``: rows that are asked for.
    """

    market: str
    times: tuple[str, str]
    unit: Unit
    most: int
    fixed: Mapping[str, str] = field(default_factory=dict)
    parse: Callable[[Entry, bytes, Answered], Built] = generic.traded

    def request(self, entry: Entry, asked: Asked) -> Request:
        """The newest trades of a window, or of all."""
        native, window, per = asked.natives[0], asked.window, _UNIT_US[self.unit]
        at = entry.reads["trades"].at.replace("{symbol}", quote(native, safe=""))
        query = {self.market: native} if self.market else {}
        query |= {**self.fixed, "limit": str(min(window.limit, self.most))}
        lower = None if window.lower is None else window.lower - self._more
        ends = (lower, None if window.upper is None else window.upper + per - 1)
        for name, us in zip(self.times, ends, strict=True):
            if us is not None:
                query[name] = str(max(us, 0) // per)
        return get(at, query)

    @property
    def _more(self) -> int:
        """A lower bound may leave out the whole second that it names: the one before is named."""
        return _UNIT_US["s"] if self.unit == "s" else 0

    def _parsed(self, entry: Entry, body: bytes, about: Answered) -> Built:
        """Without the rows of the second that was named besides."""
        built, low = self.parse(entry, body, about), dict(parse_qsl(about.query)).get(self.times[0])
        if not self._more or not low:
            return built
        begin = int(low) * _UNIT_US[self.unit] + self._more
        inside = pc.greater_equal(built.positions, begin)
        rejected = [
            replace(row, index=None)
            for row in built.rejected
            if row.position is None or row.position >= begin
        ]
        columns = {name: values.filter(inside) for name, values in built.columns.items()}
        return Built(built.dataset, columns, built.positions.filter(inside), rejected)

    def endpoint(self, entry: Entry) -> Endpoint:
        """The endpoint of an exchange that is asked so."""
        paging = Paging(Cursor.TIME, key=Key.TEXT, max_rows=self.most, units=(self.unit,))
        return Endpoint(paging, partial(self.request, entry), partial(self._parsed, entry))


_SIDES: Final = kinds.Choice({"buy": "buy", "sell": "sell"})
_BITFINEX_TRADE: Final = row_type("BitfinexTrade", "id time amount price", array_like=True)


def _way(row: Any) -> str:
    """The taker bought where the amount is above 0."""
    return "sell" if exact.number(row.amount) < 0 else "buy"


_BITFINEX_COLUMNS: Final = (
    column("trade_id", "id", kinds.Text()),
    column("timestamp", "time", kinds.Time()),
    Column("side", _way, _SIDES),
    Column("amount", lambda row: format(abs(exact.number(row.amount)), "f"), kinds.Number()),
    column("price", "price", kinds.Number()),
)


def _bitfinex_trades(entry: Entry, body: bytes, about: Answered) -> Built:
    """``trades/<symbol>/hist``: rows are lists of id, time, signed amount and price."""
    layout = Layout("trades", _BITFINEX_COLUMNS, ("trade_id",), "timestamp")
    layout = replace(layout, constants={"symbol": about.symbol})
    return read(layout, rows_of(body, _BITFINEX_TRADE))


_HTX_TRADE: Final = row_type("HtxTrade", "trade_id ts direction price amount")
_HTX_COLUMNS: Final = (
    column("trade_id", "trade_id", kinds.Text()),
    column("timestamp", "ts", kinds.Time()),
    column("side", "direction", _SIDES),
    column("price", "price", kinds.Number()),
    column("amount", "amount", kinds.Number()),
)


def _htx_trades(body: bytes, about: Answered) -> Built:
    """``market/history/trade``: batches of one moment, each a list of trades.

    The id of a row is ``trade-id``; ``id`` is that of a batch's row, of more than 20 digits.
    """
    batches = list_of(member_of(body, "data", "an answer with batches"), "the batches")
    texts = [
        RowText(row.payload, bytes(row.value).replace(b'"trade-id"', b'"trade_id"'))
        for batch in batches
        for row in list_of(member_of(batch.value, "data", "a batch of trades"), "the trades")
    ]
    layout = Layout("trades", _HTX_COLUMNS, ("trade_id",), "timestamp")
    layout = replace(layout, constants={"symbol": about.symbol})

    def one(text: RowText) -> Any:
        return decode_row(_HTX_TRADE, text.value)

    return read(layout, Source.of_texts(body, texts, one))


def _htx(entry: Entry) -> Endpoint:
    usual = generic.endpoints(entry)["trades"]
    return replace(usual, parse=_htx_trades)


TRADES: Final[Mapping[str, Callable[[Entry], Endpoint]]] = {
    # documented: the last 30 days where no times are named; of more rows than limit, pages
    "gate": ByTime("currency_pair", ("from", "to"), "s", 1000).endpoint,
    "gateeu": ByTime("currency_pair", ("from", "to"), "s", 1000).endpoint,
    # all of the history; several rows of one millisecond; 10,000 rows are possible
    "bitfinex": ByTime("", ("start", "end"), "ms", 5000, {"sort": "-1"}, _bitfinex_trades).endpoint,
    "htx": _htx,
}
"""How the trades of an exchange are asked for, by its id."""


def dialect(entry: Entry) -> Dialect:
    """The dialect of an exchange with a profile of its public trades alone."""
    usual = generic.dialect(entry)
    trades = TRADES[entry.id](entry)
    return replace(usual, endpoints={**usual.endpoints, "trades": trades})
