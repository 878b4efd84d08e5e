"""An exchange that misbehaves, a home that is pulled from it, and the passing of time."""

from bisect import bisect_right
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import pytest

import warehouse
from connectors.local import NoLimits
from pipelines.cli import main
from pipelines.feeds import load_feeds, select_jobs
from pipelines.ingest import PullReport, pull
from sandbox import Fault, Served
from sandbox.faults import Request
from schemas import StreamId
from tests.feeds import write_feed
from tests.pipelines.ingest.conftest import settings_for
from tests.pipelines.ingest.reference_model import false_claims, held_of, rows_of

HOUR = 3600
TRADES = StreamId("bitexbit", "trades", "BTC-USD")
THIN = StreamId("bitexbit", "trades", "LTC-BTC")
CANDLES = StreamId("bitexbit", "candles", "BTC-USD", timeframe="5m")
FILLS = StreamId("bitexbit", "account_trades", account="main")
ORDERS = StreamId("bitexbit", "account_orders", account="main")
PUBLIC_ORDERS = StreamId("bitexbit", "public_orders", "BTC-USD")
WEX_TRADES = StreamId("wex", "trades", "BTC-USD")
WEX_FILLS = StreamId("wex", "account_trades", account="main")
WEX_LEDGER = StreamId("wex", "account_transactions", account="main")
WEX_ORDERS = StreamId("wex", "account_orders", account="main")
CALLS = {
    "trades": "/public/trades",
    "candles": "/public/ohlcv",
    "public_orders": "/public/orders",
    "account_trades": "/private/trades",
    "account_orders": "/private/orders",
}
WEX_CALLS = {
    "trades": "/api/3/trades",
    "account_trades": "TradeHistory",
    "account_transactions": "TransHistory",
}
MOST = 250
"""Requests of one pull of one stream, whatever the exchange does, beside two for each page."""
End = Literal["newest", "oldest"]


def name_of(stream: StreamId) -> str:
    return f"{stream.exchange} {stream.dataset}"


def call_of(stream: StreamId) -> str:
    """What the sandbox calls the requests for a stream."""
    return (CALLS if stream.exchange == "bitexbit" else WEX_CALLS)[stream.dataset]


@dataclass
class Scene:
    """An exchange, a home that is pulled from it, and the clock of this machine."""

    server: Served
    home: Path
    feeds: Path
    capsys: pytest.CaptureFixture[str]
    hours: float = 0.0
    """By how much the clock of this machine is moved on."""
    selected: dict[str, dict[str, str]] = field(default_factory=dict)

    def collect(self, *streams: StreamId, markets: str | None = None) -> None:
        """Feeds for ``streams``, of their markets or of ``markets``."""
        for stream in streams:
            spec = f"{{timeframes: [{stream.timeframe}]}}" if stream.timeframe else "{}"
            self.selected.setdefault(stream.exchange, {})[stream.dataset] = spec
        listed = markets or f"[{', '.join(sorted({s.symbol for s in streams if s.symbol}))}]"
        for exchange, datasets in self.selected.items():
            chosen = ", ".join(f"{name}: {spec}" for name, spec in datasets.items())
            chosen_markets = "" if listed == "[]" else f"markets: {listed}\n"
            write_feed(
                self.feeds,
                f"exchange: {exchange}\n{chosen_markets}start: 2016-01-01\ndatasets: {{{chosen}}}",
                exchange,
            )

    def pull(self, again: tuple[int, int] | None = None, *, believe: bool = True) -> PullReport:
        """One pull. Whatever happened: nothing is claimed that is not held, requests are few.

        ``again``: a stretch of time to fetch again. ``believe`` is false where the exchange left
        rows out of the middle of its answers, which no evidence can show.
        """
        self.server.log.clear()
        jobs = select_jobs(load_feeds(self.feeds), [])
        settings = settings_for(self.server, self.home)
        report = pull(jobs, settings, limits=NoLimits(), again=again)
        if believe:
            assert false_claims(self.server, self.home) == []
        looked_up = (WEX_ORDERS.exchange, WEX_ORDERS.dataset)  # a request for each row
        asked = [s.requests for s in report.streams if (s.exchange, s.dataset) != looked_up]
        assert max(asked, default=0) <= MOST + 2 * self.pages
        return report

    @property
    def pages(self) -> int:
        """Of the longest history, with the page cap that is set; of all where a page is of all."""
        paging, world = self.server.paging, self.server.world
        now = world.now()
        lengths = [bisect_right(tape.times, now) for tape in world.tapes.values()]
        rows = sum(lengths) if paging.filters_after_limit else max(lengths)
        return rows // (paging.page_cap or 1000)

    def later(self, hours: float) -> None:
        """Let time pass here and at the exchange."""
        self.hours += hours
        self.server.advance(hours * HOUR)

    def coverage(self, stream: StreamId) -> list[tuple[str, int, int]]:
        """State, lower and upper of everything that ``coverage`` says of ``stream``."""
        rows = warehouse.coverage(self.home).to_pylist()
        name = (stream.exchange, stream.dataset, stream.label)
        return [
            (row["state"], row["lower"], row["upper"])
            for row in rows
            if (row["exchange"], row["dataset"], row["stream"]) == name
        ]

    def states(self, stream: StreamId) -> set[str]:
        return {state for state, _, _ in self.coverage(stream)}

    def all_held(self, stream: StreamId) -> bool:
        """Whether the home holds every row of the exchange (of candles: the finished ones)."""
        there, held = rows_of(self.server, stream), held_of(self.home, stream)
        if stream.timeframe:
            del there[max(there)]
        return all(held.get(position) == values for position, values in there.items())

    def checked_at(self, stream: StreamId) -> int | None:
        (status,) = [s for s in warehouse.status(self.home) if s.stream == stream]
        return status.state.checked_at

    def status(self, *options: str) -> str:
        """What ``tidemark status`` prints."""
        self.capsys.readouterr()
        assert main(["status", *options]) == 0
        return self.capsys.readouterr().out


@contextmanager
def answering(server: Served, script: Callable[[Request], Fault | None]) -> Iterator[None]:
    """``script`` decides what becomes of each request."""
    server.faults.script = script
    try:
        yield
    finally:
        server.faults.script = None


NOTHING = {"bitexbit": b"[]", "wex": b'{"success":0,"error":"no trades"}'}


def hidden(stream: StreamId, low: int, high: int) -> Callable[[Request], Fault | None]:
    """Answers without rows for every window that begins (as the answer goes) in a stretch."""
    low_name, high_name = {
        "candles": ("since", "until"),
        "trades": ("since_id", "until_id"),
    }.get(stream.dataset, ("from_id", "end_id"))
    scale = 1000 if stream.timeframe else 1

    def script(request: Request) -> Fault | None:
        if request.call not in (call_of(stream), f"/api/v2{call_of(stream)}"):
            return None
        anchor = request.query.get(high_name) or request.query.get(low_name)
        if anchor is None or not low <= int(anchor) * scale <= high:
            return None
        return Fault("body", body=NOTHING[stream.exchange])

    return script
