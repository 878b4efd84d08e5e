"""The BitexBit connector: requests, nonces and limits around the parsers."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final, TypeVar
from urllib.parse import urlencode

from connectors.base import Market, Page, Stream, Window
from connectors.bitexbit import auth, parse, urls
from connectors.client import Client
from connectors.errors import AuthError, NotOfferedError, RequestError
from connectors.http import Call, Reply

T = TypeVar("T")

_US_PER_UNIT: Final = {"ms": 1000, "s": 1_000_000}
_NONCE_TRIES: Final = 2


class BitexBit(Client):
    """BitexBit, for reading only."""

    name = "bitexbit"
    offers = urls.OFFERS

    def _list_markets(self) -> Sequence[Market]:
        return self._public(urls.PAIRS, {}, lambda r: self._parsed(r, parse.markets))

    def _trades(self, stream: Stream, window: Window) -> Page:
        symbol = stream.symbol or ""
        native = urls.native_of(symbol)
        query = {"symbol": native, **_id_window(window)}
        return self._public(
            urls.TRADES,
            query,
            lambda r: self._parsed(r, lambda body: parse.trades(body, native, symbol)).page(
                r.server_time
            ),
        )

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

        def read(reply: Reply) -> Page:
            clock = reply.server_time
            built = self._parsed(reply, lambda b: parse.candles(b, symbol, timeframe, clock))
            return built.page(clock)

        return self._public(urls.CANDLES, query, read)

    def _tickers(self, symbols: Sequence[str]) -> Page:
        asked = {urls.native_of(symbol): symbol for symbol in symbols}

        def read(reply: Reply) -> Page:
            now = self._now_us()
            built = self._parsed(reply, lambda body: parse.tickers(body, asked, now))
            return built.page(reply.server_time)

        return self._public(urls.TICKERS, {"symbols": ",".join(asked)}, read)

    def _account_trades(self, stream: Stream, window: Window) -> Page:
        return self._private(
            "account_trades",
            urls.ACCOUNT_TRADES,
            urlencode(_id_window(window)),
            lambda r: self._parsed(r, parse.account_trades).page(r.server_time),
        )

    def _account_transactions(self, stream: Stream, token: str | None) -> Page:
        def read(reply: Reply) -> Page:
            return replace(self._parsed(reply, parse.transfers), server_time=reply.server_time)

        return self._private("account_transactions", urls.TRANSFERS, token or "", read)

    def _public(self, path: str, query: Mapping[str, str], read: Callable[[Reply], T]) -> T:
        text = urlencode(query, safe=",")
        call = Call("GET", path, f"GET {path}{'?' if text else ''}{text}", text)

        def attempt() -> T:
            self._limit("public", urls.PUBLIC_PER_SECOND)
            reply = self._http.send(call)
            self._http.check(reply)
            return read(reply)

        return self._retry(attempt)

    def _private(self, dataset: str, path: str, query: str, read: Callable[[Reply], T]) -> T:
        self._credentials(dataset)

        def attempt() -> T:
            reply = self._signed(dataset, path, query)
            if reply.status == 404 and path == urls.TRANSFERS and not query:
                raise NotOfferedError(
                    f"{self.name}: this server has no {path} (status 404), "
                    f"so {dataset} cannot be collected from it"
                )
            self._http.check(reply)
            return read(reply)

        return self._retry(attempt)

    def _signed(self, dataset: str, path: str, query: str) -> Reply:
        """Send a signed GET; once more where the exchange says that the nonce was the trouble."""
        credentials = self._credentials(dataset)
        for tries in range(1, _NONCE_TRIES + 1):
            self._limit("private", urls.PRIVATE_PER_SECOND)
            with self.connection.nonces.next(self._now_us() // 1000) as nonce:
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
        if refused:
            problem: AuthError = self._http.refused(reply, f"status {reply.status}: {reply.said()}")
            raise problem
        return reply


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
