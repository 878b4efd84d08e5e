"""The BitexBit connector: requests, nonces and limits around the parsers."""

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final
from urllib.parse import quote, urlencode

from connectors.base import Page, Window
from connectors.bitexbit import auth, parse, parse_account, parse_market, urls
from connectors.client import Client
from connectors.errors import NotOfferedError, RequestError
from connectors.http import Request, Response
from connectors.jsontext import is_json
from connectors.rows import nothing
from schemas import StreamId, dataset

_US_PER_UNIT: Final = {"ms": 1000, "s": 1_000_000}
_NONCE_TRIES: Final = 2
_NONCE_STEP: Final = 5_000
_NAMED: Final = re.compile(rb"(?i)nonce[^0-9]{1,80}([0-9]{1,18})(?![0-9])")


class BitexBit(Client):
    """BitexBit, for reading only."""

    name = "bitexbit"
    offers = urls.OFFERS
    public_per_second = urls.PUBLIC_PER_SECOND

    def _trades(self, stream: StreamId, window: Window) -> Page:
        query = {"symbol": _native(stream), **_id_window(window)}
        return self._public([stream], urls.TRADES, query)

    def _read_trades(self, streams: Sequence[StreamId], response: Response) -> Page:
        return self._page(response, lambda body: parse.trades(body, *_pair(streams[0])))

    def _candles(self, stream: StreamId, window: Window) -> Page:
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

    def _read_candles(self, streams: Sequence[StreamId], response: Response) -> Page:
        symbol, timeframe = streams[0].symbol or "", streams[0].timeframe or ""
        clock = response.server_time
        return self._page(response, lambda body: parse.candles(body, symbol, timeframe, clock))

    def _tickers(self, symbols: Sequence[str]) -> Page:
        streams = [StreamId(self.name, "tickers", symbol) for symbol in symbols]
        query = {"symbols": ",".join(map(urls.native_of, symbols))}
        return self._public(streams, urls.TICKERS, query)

    def _read_tickers(self, streams: Sequence[StreamId], response: Response) -> Page:
        asked = dict(map(_pair, streams))
        return self._page(response, lambda body: parse.tickers(body, asked, response.at))

    def _order_books(self, symbols: Sequence[str]) -> Page:
        stream = StreamId(self.name, "order_books", symbols[0])
        query = {"symbol": _native(stream), "limit": str(urls.MAX_LEVELS)}
        return self._public([stream], urls.DEPTH, query)

    def _read_order_books(self, streams: Sequence[StreamId], response: Response) -> Page:
        pair = _pair(streams[0])
        return self._page(response, lambda body: parse_market.order_books(body, *pair, response.at))

    def _public_orders(self, stream: StreamId, window: Window) -> Page:
        query = {"symbol": _native(stream), **_id_window(window)}
        return self._public([stream], urls.ORDERS, query)

    def _read_public_orders(self, streams: Sequence[StreamId], response: Response) -> Page:
        pair = _pair(streams[0])
        return self._page(response, lambda body: parse_market.public_orders(body, *pair))

    def _markets(self, symbols: Sequence[str]) -> Page:
        if not symbols:
            return self._public([StreamId(self.name, "markets")], urls.PAIRS)
        stream = StreamId(self.name, "markets", symbols[0].upper())
        return self._public([stream], f"{urls.PAIRS}/{quote(_native(stream), safe='')}")

    def _read_markets(self, streams: Sequence[StreamId], response: Response) -> Page:
        asked = _pair(streams[0]) if streams[0].symbol else None
        return self._page(response, lambda body: parse_market.market_rows(body, response.at, asked))

    def _currencies(self, symbols: Sequence[str]) -> Page:
        if not symbols:
            return self._public([StreamId(self.name, "currencies")], urls.CURRENCIES)
        stream = StreamId(self.name, "currencies", symbols[0].upper())
        return self._public([stream], f"{urls.CURRENCY}/{quote(symbols[0], safe='')}")

    def _read_currencies(self, streams: Sequence[StreamId], response: Response) -> Page:
        asked = streams[0].symbol
        return self._page(
            response, lambda body: parse_market.currency_rows(body, response.at, asked)
        )

    def _account_trades(self, stream: StreamId, window: Window) -> Page:
        return self._private(stream, urls.ACCOUNT_TRADES, urlencode(_id_window(window)))

    def _read_account_trades(self, streams: Sequence[StreamId], response: Response) -> Page:
        return self._page(response, parse.account_trades)

    def _account_orders(self, stream: StreamId, window: Window) -> Page:
        return self._private(stream, urls.ACCOUNT_ORDERS, urlencode(_id_window(window)))

    def _read_account_orders(self, streams: Sequence[StreamId], response: Response) -> Page:
        return self._page(response, parse_market.account_orders)

    def _balances(self, symbols: Sequence[str]) -> Page:
        return self._private(self._mine("balances"), urls.BALANCE)

    def _read_balances(self, streams: Sequence[StreamId], response: Response) -> Page:
        return self._page(response, lambda body: parse_account.balances(body, response.at))

    def _trading_fees(self, symbols: Sequence[str]) -> Page:
        return self._private(self._mine("trading_fees"), urls.TRADING_FEES)

    def _read_trading_fees(self, streams: Sequence[StreamId], response: Response) -> Page:
        return self._page(response, lambda body: parse_account.trading_fees(body, response.at))

    def _account_transactions(self, stream: StreamId, token: str | None) -> Page:
        return self._private(stream, urls.TRANSFERS, token or "")

    def _read_account_transactions(self, streams: Sequence[StreamId], response: Response) -> Page:
        return replace(self._parsed(response, parse.transfers), server_time=response.server_time)

    def _answered(self, streams: Sequence[StreamId], response: Response) -> Page:
        name, asked = streams[0].dataset, streams[0].symbol
        if (
            response.status == 404
            and dataset(name).is_reference
            and asked
            and is_json(response.body)
        ):
            return nothing(name, response.server_time)  # the list has no row of that name
        return super()._answered(streams, response)

    def _private(self, stream: StreamId, path: str, query: str = "") -> Page:
        def attempt() -> Page:
            response = self._signed(stream.dataset, path, query)
            if response.status == 404 and path == urls.TRANSFERS and not query:
                raise NotOfferedError(
                    f"{self.name}: this server has no {path} (status 404), "
                    f"so {stream.dataset} cannot be collected from it"
                )
            return self._answered([stream], response)

        return self._retry(attempt)

    def _signed(self, dataset_: str, path: str, query: str) -> Response:
        """Send a signed GET; once more where the exchange says that the nonce was the trouble."""
        credentials = self._credentials(dataset_)
        at_least = self._now_us() // 1000
        for tries in range(1, _NONCE_TRIES + 1):
            with self._turn(urls.PRIVATE_PER_SECOND, at_least) as nonce:
                headers = auth.headers(credentials, path, nonce)
                secrets = (*headers.values(), credentials.secret)
                response = self._http.send(
                    Request(
                        "GET",
                        path,
                        f"GET {path}",
                        query,
                        headers=headers,
                        private=True,
                        secrets=secrets,
                    )
                )
            refused = response.status in (400, 401, 403) and b"nonce" in response.body.lower()
            if not refused or tries == _NONCE_TRIES:
                break
            at_least = _above(response, nonce)
        if refused:
            raise self._http.refused(response, f"status {response.status}: {response.said()}")
        return response


def _native(stream: StreamId) -> str:
    """The stream's market as BitexBit writes it."""
    return urls.native_of(stream.symbol or "")


def _pair(stream: StreamId) -> tuple[str, str]:
    """The stream's market: as BitexBit writes it, and as Tidemark does."""
    return _native(stream), stream.symbol or ""


def _above(response: Response, sent: int) -> int:
    """A nonce that a server which refused ``sent`` may take.

    Above the number that the refusal names, if any; else above what another program with a right
    clock, or one a little fast, has used.
    """
    named = [int(n) for n in _NAMED.findall(response.body[:2000])]
    clock = (response.server_time or 0) // 1000 + 1000
    return max(sent + _NONCE_STEP, clock, *(n + 1 for n in named))


def _id_window(window: Window) -> dict[str, str]:
    query = {"limit": str(min(window.limit, urls.MAX_ROWS))}
    if window.lower is not None:
        query["since_id"] = str(max(window.lower, 0))
    if window.upper is not None:
        query["until_id"] = str(window.upper)
    return query


def _time_window(window: Window) -> dict[str, str]:
    """Bounds in the unit asked for, rounded outwards, so that no row at a bound is cut off."""
    per_unit = _US_PER_UNIT[window.unit or "ms"]
    query = {"limit": str(min(window.limit, urls.MAX_ROWS))}
    if window.lower is not None:
        query["since"] = str(max(window.lower, 0) // per_unit)
    if window.upper is not None:
        query["until"] = str(-(-window.upper // per_unit))
    return query
