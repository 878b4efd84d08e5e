"""The WEX connector: requests, nonces and limits around the parsers."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Final, TypeVar
from urllib.parse import urlencode

from connectors.base import Page, Window
from connectors.client import Client
from connectors.errors import AuthError
from connectors.http import Request, Response, key_variables
from connectors.wex import auth, parse, parse_account, parse_market, refusals, urls
from connectors.wex.models import Envelope
from schemas import StreamId

T = TypeVar("T")

_NONCE_TRIES: Final = 4
_MAY_EXPLAIN: Final = (200, 400, 401, 403, 404)


class Wex(Client):
    """WEX, for reading only."""

    name = "wex"
    offers = urls.OFFERS
    public_per_second = urls.PUBLIC_PER_SECOND

    def _trades(self, stream: StreamId, window: Window) -> Page:
        query = {"limit": str(min(window.limit, urls.MAX_TRADES))}
        return self._of_pairs([stream], urls.TRADES, query)

    def _read_trades(self, streams: Sequence[StreamId], response: Response) -> Page:
        return self._page(response, lambda body: parse.trades(body, *_pair(streams[0])))

    def _tickers(self, symbols: Sequence[str]) -> Page:
        return self._of_pairs(
            [StreamId(self.name, "tickers", symbol) for symbol in symbols], urls.TICKER
        )

    def _read_tickers(self, streams: Sequence[StreamId], response: Response) -> Page:
        asked = dict(map(_pair, streams))
        return self._page(response, lambda body: parse.tickers(body, asked, response.at))

    def _order_books(self, symbols: Sequence[str]) -> Page:
        streams = [StreamId(self.name, "order_books", symbol) for symbol in symbols]
        return self._of_pairs(streams, urls.DEPTH, {"limit": str(urls.MAX_LEVELS)})

    def _read_order_books(self, streams: Sequence[StreamId], response: Response) -> Page:
        asked = dict(map(_pair, streams))
        return self._parsed(
            response,
            lambda b: parse_market.order_books(b, asked, response.at, response.server_time),
        )

    def _markets(self, symbols: Sequence[str]) -> Page:
        return self._public([StreamId(self.name, "markets")], urls.INFO)

    def _read_markets(self, streams: Sequence[StreamId], response: Response) -> Page:
        return self._page(response, lambda body: parse_market.market_rows(body, response.at))

    def _account_trades(self, stream: StreamId, window: Window) -> Page:
        return self._history(stream, "TradeHistory", window)

    def _read_account_trades(self, streams: Sequence[StreamId], response: Response) -> Page:
        return self._page(response, self._of_returned(response, parse.account_trades))

    def _account_transactions(self, stream: StreamId, window: Window) -> Page:
        return self._history(stream, "TransHistory", window)

    def _read_account_transactions(self, streams: Sequence[StreamId], response: Response) -> Page:
        return self._page(response, self._of_returned(response, parse.account_transactions))

    def _open_account_orders(self, stream: StreamId) -> Mapping[int, Decimal | None]:
        return self._unkept(stream.dataset, "ActiveOrders", {}, parse_account.open_orders)

    def _account_orders(self, stream: StreamId, row_id: int) -> Page:
        return self._kept(stream, "OrderInfo", {"order_id": str(row_id)})

    def _read_account_orders(self, streams: Sequence[StreamId], response: Response) -> Page:
        return self._page(response, self._of_returned(response, parse_account.order))

    def _balances(self, symbols: Sequence[str]) -> Page:
        return self._kept(self._mine("balances"), "getInfo", {})

    def _read_balances(self, streams: Sequence[StreamId], response: Response) -> Page:
        def balances(returned: bytes) -> Page:
            return parse_account.balances(returned, response.at, response.server_time)

        return self._parsed(response, self._of_returned(response, balances))

    def address(self, currency: str) -> str:
        """The account's address for deposits. It is never recorded; the call makes no new one."""
        return self._unkept(
            "an address", "CoinDepositAddress", {"coinName": currency}, parse_account.address
        )

    def _history(self, stream: StreamId, method: str, window: Window) -> Page:
        """Walk by id, newest first; never by time: ``since`` yields nothing older than a week."""
        parameters = {"count": str(min(window.limit, urls.MAX_HISTORY)), "order": "DESC"}
        if window.lower is not None:
            parameters["from_id"] = str(max(window.lower, 0))
        if window.upper is not None:
            parameters["end_id"] = str(window.upper)
        return self._kept(stream, method, parameters)

    def _kept(self, stream: StreamId, method: str, parameters: Mapping[str, str]) -> Page:
        """One call of ``/tapi`` whose answer is kept, where somebody does, and read."""
        form = urlencode({"method": method, **parameters})

        def attempt() -> Page:
            return self._take([stream], self._tapi(stream.dataset, method, parameters), form)

        return self._retry(attempt)

    def _unkept(
        self, what: str, method: str, parameters: Mapping[str, str], read: Callable[[bytes], T]
    ) -> T:
        """One call of ``/tapi`` whose answer nobody keeps."""

        def attempt() -> T:
            response = self._tapi(what, method, parameters)
            return self._parsed(response, self._of_returned(response, read))

        return self._retry(attempt)

    def _of_returned(self, response: Response, read: Callable[[bytes], T]) -> Callable[[bytes], T]:
        """``read`` of what an answer of ``/tapi`` returns."""
        return lambda body: read(self._returned(response, body))

    def _returned(self, response: Response, body: bytes) -> bytes:
        """The rows of an answer, ``{}`` where there are none. Raises what an error means."""
        answer = parse.envelope(body)
        if parse.succeeded(answer):
            return bytes(answer.result)
        if refusals.is_nothing(_told(answer)):
            return b"{}"
        raise refusals.meaning(_told(answer), response, self._http)

    def _of_pairs(
        self, streams: Sequence[StreamId], path: str, query: Mapping[str, str] | None = None
    ) -> Page:
        pairs = "-".join(native for native, _ in map(_pair, streams))
        return self._public(streams, f"{path}/{pairs}", query)

    def _answered(self, streams: Sequence[StreamId], response: Response) -> Page:
        self._explain(response)
        return super()._answered(streams, response)

    def _explain(self, response: Response) -> None:
        """Raise what the error text of a public answer means, if it has one."""
        if response.status in _MAY_EXPLAIN and b'"error"' in response.body:
            answer = self._parsed(response, parse.envelope)
            if answer.error is not None and not refusals.is_nothing(_told(answer)):
                raise refusals.meaning(_told(answer), response, self._http)

    def _tapi(self, dataset: str, method: str, parameters: Mapping[str, str]) -> Response:
        """Send one signed call; again at once where the exchange names the nonce it wants."""
        tries = 0
        while True:
            tries += 1
            response = self._signed(dataset, method, parameters)
            error = self._nonce_refused(response)
            if error is None:
                break
            seen = refusals.key_nonce(error)
            if seen is not None and seen >= auth.MAX_NONCE:
                raise self._exhausted()
            if tries == _NONCE_TRIES:
                raise refusals.meaning(error, response, self._http)
            if seen is not None:
                self.connection.nonces.advance(seen)
        if b'"error"' not in response.body or response.status not in _MAY_EXPLAIN:
            self._http.check(response)
        return response

    def _nonce_refused(self, response: Response) -> str | None:
        """The error text where it is about the nonce."""
        if response.status not in _MAY_EXPLAIN or b"nonce" not in response.body.lower():
            return None
        if b'"error"' not in response.body:
            return None
        error = _told(self._parsed(response, parse.envelope))
        return error if refusals.is_nonce(error) else None

    def _signed(self, dataset: str, method: str, parameters: Mapping[str, str]) -> Response:
        credentials = self._credentials(dataset)
        with self._turn(urls.PRIVATE_PER_SECOND, int(self._now())) as nonce:
            if nonce > auth.MAX_NONCE:
                raise self._exhausted()
            body = auth.body(method, nonce, parameters)
            headers = auth.headers(credentials, body)
            secrets = (credentials.key, credentials.secret, headers["Sign"], str(nonce))
            return self._http.send(
                Request(
                    "POST",
                    urls.TAPI,
                    f"POST {urls.TAPI} ({method})",
                    content=body.encode(),
                    headers=headers,
                    private=True,
                    secrets=secrets,
                )
            )

    def _exhausted(self) -> AuthError:
        key, secret = key_variables(self.name, self.connection.account)
        return AuthError(
            f"{self.name}: the key of account '{self.connection.account}' has used up its nonces "
            f"(they end at {auth.MAX_NONCE}). Create a new key and set {key} and {secret}."
        )


def _pair(stream: StreamId) -> tuple[str, str]:
    """The stream's market: as WEX writes it, and as Tidemark does."""
    symbol = stream.symbol or ""
    return urls.native_of(symbol), symbol


def _told(answer: Envelope) -> str:
    return answer.error if isinstance(answer.error, str) else "no reason given"
