"""The identity of a stream of rows, and a received row that cannot be stored.

A stream is the unit of requests, files, locks and coverage. Connectors make rejected rows, the
warehouse keeps them in quarantine. Both are plain values.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class StreamId:
    """One series of rows of one exchange: a market (with timeframe for candles) or an account.

    A field that does not apply is ``None``, never empty. No code reads a field out of ``label``:
    labels are for people and for ``coverage.stream``.
    """

    exchange: str
    dataset: str
    symbol: str | None = None
    account: str | None = None
    timeframe: str | None = None
    source: str | None = None
    """In a quarantine stream: the dataset that its rows were meant for."""

    def __post_init__(self) -> None:
        if "" in (self.exchange, self.dataset, *self.optional):
            raise ValueError("a field of a StreamId is None or text, never empty")

    @property
    def optional(self) -> tuple[str | None, ...]:
        """Symbol, account, timeframe, source: in the order of the fields."""
        return self.symbol, self.account, self.timeframe, self.source

    @property
    def label(self) -> str:
        """``BTC-USD``, ``BTC-USD:5m``, ``main``, ``main/BTC-USD``; ``all`` of a whole exchange.

        A quarantine: ``trades.BTC-USD``.
        """
        owner = "/".join(part for part in (self.account, self.symbol) if part) or "all"
        owner = f"{owner}:{self.timeframe}" if self.timeframe else owner
        return f"{self.source}.{owner}" if self.source else owner

    def __str__(self) -> str:
        return f"{self.exchange}/{self.dataset} {self.label}"


@dataclass(frozen=True, slots=True)
class RejectedRow:
    """A received row that cannot be stored: why, and its text exactly as received.

    ``position``: its id or time (as in ``Page.positions``) where that much of it is readable.
    ``index``: its index among all rows of the answer, counted from 0; ``None`` where the answer has
    no order or the row does not come from an answer. ``symbol``: its market, where that much is
    readable. ``is_stored``: the row is stored, without the values that ``reason`` names.
    """

    reason: str
    payload: str
    position: int | None = None
    index: int | None = None
    symbol: str | None = None
    is_stored: bool = False
