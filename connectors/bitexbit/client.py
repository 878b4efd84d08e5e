"""The BitexBit connector: requests, nonces and limits around the parsers."""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final
from urllib.parse import quote, urlencode

from connectors.base import Page, Stream, Window
from connectors.bitexbit import auth, parse, parse_account, parse_market, urls
from connectors.client import Client
from connectors.errors import NotOfferedError, RequestError
from connectors.http import Call, Reply
from connectors.jsontext import is_json
from connectors.rows import nothing
from schemas import dataset

_US_PER_UNIT: Final = {"ms": 1000, "s": 1_000_000}
_NONCE_TRIES: Final = 2
_NONCE_STEP: Final = 5_000
_NAMED: Final = re.compile(rb"(?i)nonce[^0-9]{1,80}([0-9]{1,18})(?![0-9])")


class BitexBit(Client):
    """BitexBit, for reading only."""

    name = "bitexbit"
    offers = urls.OFFERS
    public_per_second = urls.PUBLIC_PER_SECOND

    def _trades(self, stream: Stream, window: Window) -> Page:
        query = {"symbol": _native(stream), **_id_window(window)}
        return self._public([stream], urls.TRADES, query)

    def _read_trades(self, streams: Sequence[Stream], reply: Reply) -> Page:
        return self._page(reply, lambda body: parse.trades(body, *_pair(streams[0])))

    def _candles(self, stream: Stream, window: Window) -> Page:
        timeframe = stream.timeframe or ""
        if timeframe not in urls.TIMEFRAMES:
            raise RequestError(
                f"{self.name} has no candles of {timeframe!r}; it has {', '.join(urls.TIMEFRAMES)}"
            )
        query = {
            "symbol": _native(stream),
            "timeframe": urls.TIMEFRAMES[timeframe],
            **_time_window(window),
        }
        return self._public([stream], urls.CANDLES, query)

    def _read_candles(self, streams: Sequence[Stream], reply: Reply) -> Page:
        symbol, timeframe = streams[0].symbol or "", streams[0].timeframe or ""
        clock = reply.server_time
        return self._page(reply, lambda body: parse.candles(body, symbol, timeframe, clock))

    def _tickers(self, symbols: Sequence[str]) -> Page:
        streams = [Stream("tickers", symbol) for symbol in symbols]
        query = {"symbols": ",".join(map(urls.native_of, symbols))}
        return self._public(streams, urls.TICKERS, query)

    def _read_tickers(self, streams: Sequence[Stream], reply: Reply) -> Page:
        asked = dict(map(_pair, streams))
        return self._page(reply, lambda body: parse.tickers(body, asked, reply.at))

    def _order_books(self, symbols: Sequence[str]) -> Page:
        stream = Stream("order_books", symbols[0])
        query = {"symbol": _native(stream), "limit": str(urls.MAX_LEVELS)}
        return self._public([stream], urls.DEPTH, query)

    def _read_order_books(self, streams: Sequence[Stream], reply: Reply) -> Page:
        pair = _pair(streams[0])
        return self._page(reply, lambda body: parse_market.order_books(body, *pair, reply.at))

    def _public_orders(self, stream: Stream, window: Window) -> Page:
        query = {"symbol": _native(stream), **_id_window(window)}
        return self._public([stream], urls.ORDERS, query)

    def _read_public_orders(self, streams: Sequence[Stream], reply: Reply) -> Page:
        pair = _pair(streams[0])
        return self._page(reply, lambda body: parse_market.public_orders(body, *pair))

    def _markets(self, symbols: Sequence[str]) -> Page:
        if not symbols:
            return self._public([Stream("markets")], urls.PAIRS)
        stream = Stream("markets", symbols[0].upper())
        return self._public([stream], f"{urls.PAIRS}/{quote(_native(stream), safe='')}")

    def _read_markets(self, streams: Sequence[Stream], reply: Reply) -> Page:
        asked = _pair(streams[0]) if streams[0].symbol else None
        return self._page(reply, lambda body: parse_market.market_rows(body, reply.at, asked))

    def _currencies(self, symbols: Sequence[str]) -> Page:
        if not symbols:
            return self._public([Stream("currencies")], urls.CURRENCIES)
        stream = Stream("currencies", symbols[0].upper())
        return self._public([stream], f"{urls.CURRENCY}/{quote(symbols[0], safe='')}")

    def _read_currencies(self, streams: Sequence[Stream], reply: Reply) -> Page:
        asked = streams[0].symbol
        return self._page(reply, lambda body: parse_market.currency_rows(body, reply.at, asked))

    def _account_trades(self, stream: Stream, window: Window) -> Page:
        return self._private(stream, urls.ACCOUNT_TRADES, urlencode(_id_window(window)))

    def _read_account_trades(self, streams: Sequence[Stream], reply: Reply) -> Page:
        return self._page(reply, parse.account_trades)

    def _account_orders(self, stream: Stream, window: Window) -> Page:
        return self._private(stream, urls.ACCOUNT_ORDERS, urlencode(_id_window(window)))

    def _read_account_orders(self, streams: Sequence[Stream], reply: Reply) -> Page:
        return self._page(reply, parse_market.account_orders)

    def _balances(self, symbols: Sequence[str]) -> Page:
        return self._private(self._mine("balances"), urls.BALANCE)

    def _read_balances(self, streams: Sequence[Stream], reply: Reply) -> Page:
        return self._page(reply, lambda body: parse_account.balances(body, reply.at))

    def _trading_fees(self, symbols: Sequence[str]) -> Page:
        return self._private(self._mine("trading_fees"), urls.TRADING_FEES)

    def _read_trading_fees(self, streams: Sequence[Stream], reply: Reply) -> Page:
        return self._page(reply, lambda body: parse_account.trading_fees(body, reply.at))

    def _account_transactions(self, stream: Stream, token: str | None) -> Page:
        return self._private(stream, urls.TRANSFERS, token or "")

    def _read_account_transactions(self, streams: Sequence[Stream], reply: Reply) -> Page:
        return replace(self._parsed(reply, parse.transfers), server_time=reply.server_time)

    def _answered(self, streams: Sequence[Stream], reply: Reply) -> Page:
        name, asked = streams[0].dataset, streams[0].symbol
        if reply.status == 404 and dataset(name).is_reference and asked and is_json(reply.body):
            return nothing(name, reply.server_time)  # the list has no row of that name
        return super()._answered(streams, reply)

    def _private(self, stream: Stream, path: str, query: str = "") -> Page:
        def attempt() -> Page:
            reply = self._signed(stream.dataset, path, query)
            if reply.status == 404 and path == urls.TRANSFERS and not query:
                raise NotOfferedError(
                    f"{self.name}: this server has no {path} (status 404), "
                    f"so {stream.dataset} cannot be collected from it"
                )
            return self._answered([stream], reply)

        return self._retry(attempt)

    def _signed(self, dataset_: str, path: str, query: str) -> Reply:
        """Send a signed GET; once more where the exchange says that the nonce was the trouble."""
        credentials = self._credentials(dataset_)
        at_least = self._now_us() // 1000
        for tries in range(1, _NONCE_TRIES + 1):
            with self._turn(urls.PRIVATE_PER_SECOND, at_least) as nonce:
                headers = auth.headers(credentials, path, nonce)
                secrets = (*headers.values(), credentials.secret)
                reply = self._http.send(
                    Call(
                        "GET",
                        path,
                        f"GET {path}",
                        query,
                        headers=headers,
                        private=True,
                        secrets=secrets,
                    )
                )
            refused = reply.status in (400, 401, 403) and b"nonce" in reply.body.lower()
            if not refused or tries == _NONCE_TRIES:
                break
            at_least = _above(reply, nonce)
        if refused:
            raise self._http.refused(reply, f"status {reply.status}: {reply.said()}")
        return reply


def _native(stream: Stream) -> str:
    """The stream's market as BitexBit writes it."""
    return urls.native_of(stream.symbol or "")


def _pair(stream: Stream) -> tuple[str, str]:
    """The stream's market: as BitexBit writes it, and as Tidemark does."""
    return _native(stream), stream.symbol or ""


def _above(reply: Reply, sent: int) -> int:
    """A nonce that a server which refused ``sent`` may take.

    Above the number that the refusal names, if any; else above what another program with a right
    clock, or one a little fast, has used.
    """
    named = [int(n) for n in _NAMED.findall(reply.body[:2000])]
    clock = (reply.server_time or 0) // 1000 + 1000
    return max(sent + _NONCE_STEP, clock, *(n + 1 for n in named))


def _id_window(window: Window) -> dict[str, str]:
    query = {"limit": str(min(window.limit, urls.MAX_ROWS))}
    if window.lower is not None:
        query["since_id"] = str(window.lower)
    if window.upper is not None:
        query["until_id"] = str(window.upper)
    return query


def _time_window(window: Window) -> dict[str, str]:
    """Bounds in the unit asked for; both rounded down, which loses no row of a lower bound."""
    per_unit = _US_PER_UNIT[window.unit or "ms"]
    query = {"limit": str(min(window.limit, urls.MAX_ROWS))}
    if window.lower is not None:
        query["since"] = str(window.lower // per_unit)
    if window.upper is not None:
        query["until"] = str(window.upper // per_unit)
    return query
