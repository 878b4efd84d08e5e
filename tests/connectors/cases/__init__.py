"""What the common behaviour suite needs to know of each exchange: one module per exchange here."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Protocol

import connectors
from connectors import Connector, StreamId, Window
from connectors.http import Request
from sandbox.jsontext import NumberStyle
from sandbox.marketdata import MarketTape

EXCHANGES = (*connectors.names(), "ccxt:okx")
"""Those that the sandbox speaks for: every connector, and one exchange through ccxt."""


class Ask(Protocol):
    """Makes one call. ``order_id``: an order of the account whose key opens the connector."""

    def __call__(self, connector: Connector, order_id: int) -> Any: ...


@dataclass(frozen=True)
class Case:
    """``lacks``: datasets that are not offered. ``reads``: every documented reading call, as it is
    logged, and how to make it; ``moves``: every documented call that trades, cancels or moves
    money. ``posts``: the calls allowed that are no GET. ``no_trades``, ``no_fills``: an answer
    without rows, public and private. ``numbers``: the sandbox's switches for a style of numbers
    (and the less usual style of dates). ``empties``: those for every way to answer nothing.
    ``amounts``: the fields that hold amounts, by dataset, where not ``amount``. ``clock``: the path
    of the call that tells the exchange's time, which is made before the first signed one.
    """

    base_url: str
    reads: Mapping[str, Ask]
    moves: Sequence[Request]
    no_trades: bytes
    no_fills: bytes
    numbers: Callable[[NumberStyle], Mapping[str, Any]]
    odd_markets: bytes
    """A list of BTC-USD, whose least amount is no number, and ETH-USD, whose least amount is 1."""
    odd_figure: str = "min_amount"
    """The column of that amount."""
    empties: Sequence[Mapping[str, Any]] = ({},)
    lacks: frozenset[str] = frozenset()
    posts: tuple[str, ...] = ()
    amounts: Mapping[str, str] = field(default_factory=dict)
    clock: str = ""
    trade_id: Callable[[MarketTape, int], int] = lambda tape, at: tape.ids[at]
    """The id that the dialect gives the trade at a place of the tape."""


def numbered(tape: MarketTape, at: int) -> int:
    """A ``trade_id``: trades have numbers of their own in each market, counted from 1."""
    return at + 1


def case(exchange: str) -> Case:
    """The case of ``exchange``."""
    found: Case = import_module(f"tests.connectors.cases.{exchange.replace(':', '_')}").CASE
    return found


def fetch(dataset: str, symbol: str | None = None, timeframe: str | None = None) -> Ask:
    """Ask for the newest page of a market, or of account ``main``."""

    def ask(connector: Connector, order_id: int) -> Any:
        account = None if symbol else "main"
        stream = StreamId(connector.name, dataset, symbol, account, timeframe)
        return connector.fetch(stream, Window(unit="ms" if timeframe else None))

    return ask


def snapshot(dataset: str, *symbols: str) -> Ask:
    """Ask for the state now."""
    return lambda connector, order_id: connector.snapshot(dataset, symbols)


def post(path: str, form: str = "") -> Request:
    """A signed POST."""
    return Request("POST", path, content=form.encode(), private=True)
