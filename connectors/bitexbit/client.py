"""The BitexBit connector: requests, nonces and limits around the parsers."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final, TypeVar
from urllib.parse import quote, urlencode

from connectors.base import Market, Page, Stream, Window
from connectors.bitexbit import auth, parse, parse_account, parse_market, urls
from connectors.client import Client
from connectors.errors import AuthError, NotOfferedError, RequestError
from connectors.http import Call, Reply
from connectors.jsontext import is_json
from connectors.rows import nothing

T = TypeVar("T")

_US_PER_UNIT: Final = {"ms": 1000, "s": 1_000_000}
_NONCE_TRIES: Final = 2
_NONCE_STEP: Final = 5_000
_NAMED: Final = re.compile(rb"(?i)nonce[^0-9]{1,80}([0-9]{1,18})(?![0-9])")


class BitexBit(Client):
    """BitexBit, for reading only."""

    name = "bitexbit"
    offers = urls.OFFERS

    def _list_markets(self) -> Sequence[Market]:
        return self._public(urls.PAIRS, {}, lambda r: self._parsed(r, parse.markets))

    def _trades(self, stream: Stream, window: Window) -> Page:
        query = {"symbol": urls.native_of(stream.symbol or ""), **_id_window(window)}
        return self._public(urls.TRADES, query, lambda r: self._take([stream], r))

    def _read_trades(self, streams: Sequence[Stream], reply: Reply) -> Page:
        symbol = streams[0].symbol or ""
        native = urls.native_of(symbol)
        built = self._parsed(reply, lambda body: parse.trades(body, native, symbol))
        return built.page(reply.server_time)

    def _candles(self, stream: Stream, window: Window) -> Page:
        symbol, timeframe = stream.symbol or "", stream.timeframe or ""
        if timeframe not in urls.TIMEFRAMES:
            raise RequestError(
                f"{self.name} has no candles of {timeframe!r}; it has {', '.join(urls.TIMEFRAMES)}"
            )
        query = {
            "symbol": urls.native_of(symbol),
            "timeframe": urls.TIMEFRAMES[timeframe],
            **_time_window(window),
        }
        return self._public(urls.CANDLES, query, lambda r: self._take([stream], r))

    def _read_candles(self, streams: Sequence[Stream], reply: Reply) -> Page:
        symbol, timeframe = streams[0].symbol or "", streams[0].timeframe or ""
        clock = reply.server_time
        built = self._parsed(reply, lambda body: parse.candles(body, symbol, timeframe, clock))
        return built.page(clock)

    def _tickers(self, symbols: Sequence[str]) -> Page:
        streams = [Stream("tickers", symbol) for symbol in symbols]
        query = {"symbols": ",".join(map(urls.native_of, symbols))}
        return self._public(urls.TICKERS, query, lambda r: self._take(streams, r))

    def _read_tickers(self, streams: Sequence[Stream], reply: Reply) -> Page:
        asked = {urls.native_of(s.symbol or ""): s.symbol or "" for s in streams}
        built = self._parsed(reply, lambda body: parse.tickers(body, asked, reply.at))
        return built.page(reply.server_time)

    def _order_books(self, symbols: Sequence[str]) -> Page:
        stream = Stream("order_books", symbols[0])
        query = {"symbol": urls.native_of(symbols[0]), "limit": str(urls.MAX_LEVELS)}
        return self._public(urls.DEPTH, query, lambda r: self._take([stream], r))

    def _read_order_books(self, streams: Sequence[Stream], reply: Reply) -> Page:
        symbol = streams[0].symbol or ""
        native = urls.native_of(symbol)
        built = self._parsed(reply, lambda b: parse_market.order_books(b, native, symbol, reply.at))
        return built.page(reply.server_time)

    def _public_orders(self, stream: Stream, window: Window) -> Page:
        query = {"symbol": urls.native_of(stream.symbol or ""), **_id_window(window)}
        return self._public(urls.ORDERS, query, lambda r: self._take([stream], r))

    def _read_public_orders(self, streams: Sequence[Stream], reply: Reply) -> Page:
        symbol = streams[0].symbol or ""
        native = urls.native_of(symbol)
        built = self._parsed(reply, lambda body: parse_market.public_orders(body, native, symbol))
        return built.page(reply.server_time)

    def _markets(self, symbols: Sequence[str]) -> Page:
        name = urls.native_of(symbols[0]) if symbols else None
        return self._reference("markets", urls.PAIRS, urls.PAIRS, name)

    def _read_markets(self, streams: Sequence[Stream], reply: Reply) -> Page:
        symbol = streams[0].symbol
        asked = (urls.native_of(symbol), symbol) if symbol else None
        built = self._parsed(reply, lambda b: parse_market.market_rows(b, reply.at, asked))
        return built.page(reply.server_time)

    def _currencies(self, symbols: Sequence[str]) -> Page:
        name = symbols[0] if symbols else None
        return self._reference("currencies", urls.CURRENCIES, urls.CURRENCY, name)

    def _read_currencies(self, streams: Sequence[Stream], reply: Reply) -> Page:
        asked = streams[0].symbol
        built = self._parsed(reply, lambda b: parse_market.currency_rows(b, reply.at, asked))
        return built.page(reply.server_time)

    def _reference(self, dataset: str, every: str, single: str, name: str | None) -> Page:
        """The list at ``every``, or the one row at ``single``/name: none where it is not known."""
        symbol = None if name is None else urls.symbol_of(name)
        path = every if name is None else f"{single}/{quote(name, safe='')}"
        call = Call("GET", path, f"GET {path}")

        def attempt() -> Page:
            self._limit("public", urls.PUBLIC_PER_SECOND)
            reply = self._http.send(call)
            if name is not None and reply.status == 404 and is_json(reply.body):
                return nothing(dataset, reply.server_time)
            self._http.check(reply)
            return self._take([Stream(dataset, symbol)], reply)

        return self._retry(attempt)

    def _account_trades(self, stream: Stream, window: Window) -> Page:
        query = urlencode(_id_window(window))
        return self._private(stream, urls.ACCOUNT_TRADES, query)

    def _read_account_trades(self, streams: Sequence[Stream], reply: Reply) -> Page:
        return self._parsed(reply, parse.account_trades).page(reply.server_time)

    def _account_orders(self, stream: Stream, window: Window) -> Page:
        return self._private(stream, urls.ACCOUNT_ORDERS, urlencode(_id_window(window)))

    def _read_account_orders(self, streams: Sequence[Stream], reply: Reply) -> Page:
        return self._parsed(reply, parse_market.account_orders).page(reply.server_time)

    def _balances(self, symbols: Sequence[str]) -> Page:
        return self._private(self._mine("balances"), urls.BALANCE, "")

    def _read_balances(self, streams: Sequence[Stream], reply: Reply) -> Page:
        built = self._parsed(reply, lambda body: parse_account.balances(body, reply.at))
        return built.page(reply.server_time)

    def _trading_fees(self, symbols: Sequence[str]) -> Page:
        return self._private(self._mine("trading_fees"), urls.TRADING_FEES, "")

    def _read_trading_fees(self, streams: Sequence[Stream], reply: Reply) -> Page:
        built = self._parsed(reply, lambda body: parse_account.trading_fees(body, reply.at))
        return built.page(reply.server_time)

    def _account_transactions(self, stream: Stream, token: str | None) -> Page:
        return self._private(stream, urls.TRANSFERS, token or "")

    def _read_account_transactions(self, streams: Sequence[Stream], reply: Reply) -> Page:
        return replace(self._parsed(reply, parse.transfers), server_time=reply.server_time)

    def _public(self, path: str, query: Mapping[str, str], read: Callable[[Reply], T]) -> T:
        text = urlencode(query, safe=",")
        call = Call("GET", path, f"GET {path}{'?' if text else ''}{text}", text)

        def attempt() -> T:
            self._limit("public", urls.PUBLIC_PER_SECOND)
            reply = self._http.send(call)
            self._http.check(reply)
            return read(reply)

        return self._retry(attempt)

    def _private(self, stream: Stream, path: str, query: str) -> Page:
        dataset = stream.dataset
        self._credentials(dataset)

        def attempt() -> Page:
            reply = self._signed(dataset, path, query)
            if reply.status == 404 and path == urls.TRANSFERS and not query:
                raise NotOfferedError(
                    f"{self.name}: this server has no {path} (status 404), "
                    f"so {dataset} cannot be collected from it"
                )
            self._http.check(reply)
            return self._take([stream], reply)

        return self._retry(attempt)

    def _signed(self, dataset: str, path: str, query: str) -> Reply:
        """Send a signed GET; once more where the exchange says that the nonce was the trouble."""
        credentials = self._credentials(dataset)
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
            problem: AuthError = self._http.refused(reply, f"status {reply.status}: {reply.said()}")
            raise problem
        return reply


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
