"""A local exchange of many markets for everyday pulls, in a process of its own.

It speaks as much of the BitexBit v2 dialect as pulls of trades and tickers need. Each market has a
tape of its own length; ``/bench/show`` chooses how many of the oldest trades exist so far, so that
"1,000 new trades" is one call. A ticker changes with every answer. ``/bench/usage`` counts the
requests; ``/bench/arrivals`` says when each came, in seconds.

``python -m bench.exchange 3000 300*200`` (lengths, 200 times the last) prints its address.
"""

import argparse
import json
import time
from functools import cache
from typing import Final
from urllib.parse import parse_qsl

import uvloop

from bench.server import MAX_LIMIT, PAIRS, BadRequest, serve
from bench.tape import SYMBOL, Tape, make_tape

BATCH: Final = 5
"""Markets that the exchange shows in one answer of tickers."""


def native(number: int) -> str:
    """The name of a market: ``BTC_USD``, then ``M001_USD`` and so on."""
    return SYMBOL if number == 0 else f"M{number:03d}_USD"


class ManyMarkets:
    """Answers requests from one tape a market."""

    def __init__(self, lengths: list[int]) -> None:
        made = cache(make_tape)
        self._tapes = {native(n): made(length) for n, length in enumerate(lengths)}
        self._shown = {name: tape.rows for name, tape in self._tapes.items()}
        self._arrivals: list[float] = []
        self._tick = 0
        (row,) = json.loads(PAIRS)
        self._pairs = json.dumps(
            [row | {"symbol": n, "base": n.split("_")[0], "label": n} for n in self._tapes]
        ).encode()

    def answer(self, method: str, target: str, accepts_gzip: bool) -> tuple[int, bytes, bool]:
        """Status, body, and whether the body is gzipped."""
        path, _, text = target.partition("?")
        query = dict(parse_qsl(text))
        if path == "/bench/usage":
            return 200, json.dumps({"requests": len(self._arrivals)}).encode(), False
        if path == "/bench/arrivals":
            return 200, json.dumps(self._arrivals).encode(), False
        if path == "/bench/show":
            self._shown[query["symbol"]] = int(query["rows"])
            return 200, b"{}", False
        self._arrivals.append(time.monotonic())
        try:
            if path == "/api/v2/public/pairs":
                return 200, self._pairs, False
            if path == "/api/v2/public/trades":
                return 200, self._trades(query), False
            if path == "/api/v2/public/tickers":
                return 200, self._tickers(query.get("symbols", "").split(",")), False
            raise BadRequest(404, f"{path} is not known here")
        except BadRequest as error:
            return error.status, json.dumps({"detail": str(error)}).encode(), False

    def _trades(self, query: dict[str, str]) -> bytes:
        name = query["symbol"]
        tape, shown = self._tape(name), self._shown[name]
        if not shown:
            return b"[]"
        until = min(tape.ids[shown - 1], int(query.get("until_id", 2**62)))
        since = int(query["since_id"]) if "since_id" in query else None
        limit = max(1, min(int(query.get("limit", MAX_LIMIT)), MAX_LIMIT))
        return tape.json(*tape.page(since, until, limit)).replace(SYMBOL.encode(), name.encode())

    def _tickers(self, names: list[str]) -> bytes:
        if len(names) > BATCH:
            raise BadRequest(400, f"at most {BATCH} pairs")
        self._tick += 1
        now, cents = int(time.time() * 1000), self._tick % 100
        return json.dumps(
            [
                {
                    "symbol": name,
                    "date": now,
                    "last": f"60837.{cents:02d}",
                    "buy": f"60837.{cents:02d}",
                    "sell": f"60839.{cents:02d}",
                    "high": "61500.00",
                    "low": "59000.10",
                    "vol1": f"1234.5678{cents:02d}",
                    "vol2": f"74812345.{cents:02d}",
                    "change": "-1.25",
                }
                for name in names
                if self._tape(name)
            ]
        ).encode()

    def _tape(self, name: str) -> Tape:
        if name not in self._tapes:
            raise BadRequest(400, f"{name} is not listed")
        return self._tapes[name]


def main() -> None:
    """Serve until terminated."""
    parser = argparse.ArgumentParser(prog="bench.exchange", description=__doc__)
    parser.add_argument("lengths", nargs="+", help="trades of each market: 3000, or 300*200")
    parser.add_argument("--latency", type=float, default=0, help="seconds until each answer")
    options = parser.parse_args()
    lengths: list[int] = []
    for text in options.lengths:
        length, _, times = text.partition("*")
        lengths += [int(length)] * int(times or 1)
    uvloop.run(serve(ManyMarkets(lengths), 0, options.latency))


if __name__ == "__main__":
    main()
