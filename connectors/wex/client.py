"""The WEX connector: requests, nonces and limits around the parsers."""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Final, TypeVar
from urllib.parse import urlencode

from connectors.base import Page, Stream, Window
from connectors.client import Client
from connectors.errors import AuthError
from connectors.http import Call, Reply, key_variables
from connectors.wex import auth, parse, parse_account, parse_market, refusals, urls
from connectors.wex.models import Envelope

T = TypeVar("T")

_NONCE_TRIES: Final = 4
_MAY_EXPLAIN: Final = (200, 400, 401, 403, 404)


class Wex(Client):
    """WEX, for reading only."""

    name = "wex"
    offers = urls.OFFERS
    public_per_second = urls.PUBLIC_PER_SECOND

    def _trades(self, stream: Stream, window: Window) -> Page:
        query = {"limit": str(min(window.limit, urls.MAX_TRADES))}
        return self._of_pairs([stream], urls.TRADES, query)

    def _read_trades(self, streams: Sequence[Stream], reply: Reply) -> Page:
        return self._page(reply, lambda body: parse.trades(body, *_pair(streams[0])))

    def _tickers(self, symbols: Sequence[str]) -> Page:
        return self._of_pairs([Stream("tickers", symbol) for symbol in symbols], urls.TICKER)

    def _read_tickers(self, streams: Sequence[Stream], reply: Reply) -> Page:
        asked = dict(map(_pair, streams))
        return self._page(reply, lambda body: parse.tickers(body, asked, reply.at))

    def _order_books(self, symbols: Sequence[str]) -> Page:
        streams = [Stream("order_books", symbol) for symbol in symbols]
        return self._of_pairs(streams, urls.DEPTH, {"limit": str(urls.MAX_LEVELS)})

    def _read_order_books(self, streams: Sequence[Stream], reply: Reply) -> Page:
        asked = dict(map(_pair, streams))
        return self._parsed(
            reply, lambda b: parse_market.order_books(b, asked, reply.at, reply.server_time)
        )

    def _markets(self, symbols: Sequence[str]) -> Page:
        return self._public([Stream("markets")], urls.INFO)

    def _read_markets(self, streams: Sequence[Stream], reply: Reply) -> Page:
        return self._page(reply, lambda body: parse_market.market_rows(body, reply.at))

    def _account_trades(self, stream: Stream, window: Window) -> Page:
        return self._history(stream, "TradeHistory", window)

    def _read_account_trades(self, streams: Sequence[Stream], reply: Reply) -> Page:
        return self._page(reply, self._of_returned(reply, parse.account_trades))

    def _account_transactions(self, stream: Stream, window: Window) -> Page:
        return self._history(stream, "TransHistory", window)

    def _read_account_transactions(self, streams: Sequence[Stream], reply: Reply) -> Page:
        return self._page(reply, self._of_returned(reply, parse.account_transactions))

    def _open_account_orders(self, stream: Stream) -> Mapping[int, Decimal | None]:
        return self._unkept(stream.dataset, "ActiveOrders", {}, parse_account.open_orders)

    def _account_orders(self, stream: Stream, row_id: int) -> Page:
        return self._kept(stream, "OrderInfo", {"order_id": str(row_id)})

    def _read_account_orders(self, streams: Sequence[Stream], reply: Reply) -> Page:
        return self._page(reply, self._of_returned(reply, parse_account.order))

    def _balances(self, symbols: Sequence[str]) -> Page:
        return self._kept(self._mine("balances"), "getInfo", {})

    def _read_balances(self, streams: Sequence[Stream], reply: Reply) -> Page:
        def balances(returned: bytes) -> Page:
            return parse_account.balances(returned, reply.at, reply.server_time)

        return self._parsed(reply, self._of_returned(reply, balances))

    def address(self, currency: str) -> str:
        """The account's address for deposits. It is never recorded; the call makes no new one."""
        return self._unkept(
            "an address", "CoinDepositAddress", {"coinName": currency}, parse_account.address
        )

    def _history(self, stream: Stream, method: str, window: Window) -> Page:
        """Walk by id, newest first; never by time: ``since`` yields nothing older than a week."""
        parameters = {"count": str(min(window.limit, urls.MAX_HISTORY)), "order": "DESC"}
        if window.lower is not None:
            parameters["from_id"] = str(window.lower)
        if window.upper is not None:
            parameters["end_id"] = str(window.upper)
        return self._kept(stream, method, parameters)

    def _kept(self, stream: Stream, method: str, parameters: Mapping[str, str]) -> Page:
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
            reply = self._tapi(what, method, parameters)
            return self._parsed(reply, self._of_returned(reply, read))

        return self._retry(attempt)

    def _of_returned(self, reply: Reply, read: Callable[[bytes], T]) -> Callable[[bytes], T]:
        """``read`` of what an answer of ``/tapi`` returns."""
        return lambda body: read(self._returned(reply, body))

    def _returned(self, reply: Reply, body: bytes) -> bytes:
        """The rows of an answer, ``{}`` where there are none. Raises what an error means."""
        answer = parse.envelope(body)
        if parse.succeeded(answer):
            return bytes(answer.result)
        if refusals.is_nothing(_told(answer)):
            return b"{}"
        raise refusals.meaning(_told(answer), reply, self._http)

    def _of_pairs(
        self, streams: Sequence[Stream], path: str, query: Mapping[str, str] | None = None
    ) -> Page:
        pairs = "-".join(native for native, _ in map(_pair, streams))
        return self._public(streams, f"{path}/{pairs}", query)

    def _answered(self, streams: Sequence[Stream], reply: Reply) -> Page:
        self._explain(reply)
        return super()._answered(streams, reply)

    def _explain(self, reply: Reply) -> None:
        """Raise what the error text of a public answer means, if it has one."""
        if reply.status in _MAY_EXPLAIN and b'"error"' in reply.body:
            answer = self._parsed(reply, parse.envelope)
            if answer.error is not None and not refusals.is_nothing(_told(answer)):
                raise refusals.meaning(_told(answer), reply, self._http)

    def _tapi(self, dataset: str, method: str, parameters: Mapping[str, str]) -> Reply:
        """Send one signed call; again at once where the exchange names the nonce it wants."""
        tries = 0
        while True:
            tries += 1
            reply = self._signed(dataset, method, parameters)
            error = self._nonce_refused(reply)
            if error is None:
                break
            seen = refusals.key_nonce(error)
            if seen is not None and seen >= auth.MAX_NONCE:
                raise self._exhausted()
            if tries == _NONCE_TRIES:
                raise refusals.meaning(error, reply, self._http)
            if seen is not None:
                self.connection.nonces.advance(seen)
        if b'"error"' not in reply.body or reply.status not in _MAY_EXPLAIN:
            self._http.check(reply)
        return reply

    def _nonce_refused(self, reply: Reply) -> str | None:
        """The error text where it is about the nonce."""
        if reply.status not in _MAY_EXPLAIN or b"nonce" not in reply.body.lower():
            return None
        if b'"error"' not in reply.body:
            return None
        error = _told(self._parsed(reply, parse.envelope))
        return error if refusals.is_nonce(error) else None

    def _signed(self, dataset: str, method: str, parameters: Mapping[str, str]) -> Reply:
        credentials = self._credentials(dataset)
        with self._turn(urls.PRIVATE_PER_SECOND, int(self._now())) as nonce:
            if nonce > auth.MAX_NONCE:
                raise self._exhausted()
            body = auth.body(method, nonce, parameters)
            headers = auth.headers(credentials, body)
            secrets = (credentials.key, credentials.secret, headers["Sign"], str(nonce))
            return self._http.send(
                Call(
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


def _pair(stream: Stream) -> tuple[str, str]:
    """The stream's market: as WEX writes it, and as Tidemark does."""
    symbol = stream.symbol or ""
    return urls.native_of(symbol), symbol


def _told(answer: Envelope) -> str:
    return answer.error if isinstance(answer.error, str) else "no reason given"
