"""Propose an entry of ``exchanges.toml``: ``python -m connectors.ccxt.propose ID``.

It prints the calls that ccxt's unified public methods make; nothing is sent. Each line is to be
compared with the exchange's documentation before it is added. What needs more than a market's own
name (a currency's own, a number), a POST, a key or another host is left out.
"""

import re
import sys
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from connectors.ccxt import library
from connectors.ccxt.table import Entry, Read
from schemas import TIMEFRAMES

_NATIVE, _BASE, _QUOTE = "Qq9ZZ", "Bb8ZZ", "Uu7ZZ"
_METHODS: Final = {
    "markets": "fetch_markets",
    "trades": "fetch_trades",
    "candles": "fetch_ohlcv",
    "tickers": "fetch_ticker",
    "order_books": "fetch_order_book",
}
_FASTEST: Final = 5.0
_NOW: Final = 1_700_000_000_000_000


def proposed(id_: str) -> str:
    """The entry as TOML."""
    sent = {name: list(_calls(id_, name)) for name in _METHODS}
    hosts = [f"{url.scheme}://{url.netloc}" for _, url in sent["trades"]]
    host = hosts[0] if hosts else ""
    made = _opened(id_, lambda leaving: {})
    lines = [f"[{id_}]", f'host = "{host}"']
    lines.append(f"per_second = {min(_FASTEST, round(500 / made.rateLimit, 2))}")
    for name, calls in sent.items():
        good = [
            (place, read)
            for place, (read, url) in enumerate(calls)
            if read is not None and f"{url.scheme}://{url.netloc}" == host
        ]
        if name == "markets" and len(calls) > 1:
            lines += [f"# {place}: {read and read.at}" for place, (read, _) in enumerate(calls)]
        if good:
            place, read = good[0]
            lines.append(f'{name} = "{" ".join((*read.triple, read.at))}"')
            lines += [f"place = {place}"] if place else []
        if good and name == "candles":
            frames = [frame for frame in TIMEFRAMES if frame in (made.timeframes or {})]
            lines.append(f'timeframes = "{" ".join(frames)}"')
    return "\n".join(lines) + "\n"


def _opened(id_: str, fetch: library.Fetch) -> Any:
    return library.opened(Entry(id_, "", 1, {}), fetch, _NOW)


def _calls(id_: str, dataset: str) -> Iterator[tuple[Read | None, Any]]:
    """What one unified method sends. Of a list of markets, all; else the first alone."""
    triples: list[tuple[str, str, str]] = []
    urls: list[Any] = []

    class Enough(BaseException):
        pass

    def fetch(leaving: library.Leaving) -> Any:
        urls.append(urlsplit(leaving.url))
        if dataset != "markets" or len(urls) > 9:
            raise Enough
        return {}

    made = _opened(id_, fetch)
    fetch2 = made.fetch2

    def noted(path: str, api: Any, method: str = "GET", *more: Any, **named: Any) -> Any:
        triples.append((method, ".".join(api) if isinstance(api, list) else api, path))
        return fetch2(path, api, method, *more, **named)

    made.fetch2 = noted
    timeframe = next((frame for frame in TIMEFRAMES if frame in (made.timeframes or {})), "1h")
    asked = () if dataset == "markets" else ("BTC/USDT", timeframe)
    if asked:
        market = made.safe_market_structure(_market())
        made.markets, made.markets_by_id = {"BTC/USDT": market}, {_NATIVE: [market]}
        made.symbols, made.ids, made.currencies, made.currencies_by_id = ["BTC/USDT"], [], {}, {}
    try:
        getattr(made, _METHODS[dataset])(*(asked if dataset == "candles" else asked[:1]))
    except (Exception, Enough) as error:
        if not urls:
            print(f"# {id_} {dataset}: {error}", file=sys.stderr)
    for triple, url in zip(triples, urls, strict=False):
        text = url.geturl()
        is_asked = dataset == "markets" or _NATIVE in text
        is_plain = triple[0] == "GET" and _BASE not in text and _QUOTE not in text
        yield (Read(*triple, _at(triple[2], url.path)) if is_asked and is_plain else None), url


def _market() -> Mapping[str, Any]:
    kinds = dict.fromkeys(("margin", "swap", "future", "option", "contract"), False)
    precision = {"amount": "0.00000001", "price": "0.00000001"}
    return {
        **{"id": _NATIVE, "symbol": "BTC/USDT", "base": "BTC", "quote": "USDT", "spot": True},
        **{"baseId": _BASE, "quoteId": _QUOTE, "type": "spot", "active": True, "info": {}},
        **{**kinds, "precision": precision},
    }


def _at(template: str, path: str) -> str:
    """``path`` with the places of ``template``."""
    pattern = re.sub(r"\\\{[a-zA-Z_]+\\\}", "[^/]+?", re.escape(template))
    found = list(re.finditer(pattern + r"(?=$|/|\.)", path))
    if not found:
        return path
    return path[: found[-1].start()] + template + path[found[-1].end() :]


if __name__ == "__main__":
    sys.stdout.write("\n".join(map(proposed, sys.argv[1:])))
