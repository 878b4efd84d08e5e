"""dlt at other exchanges, as its documentation teaches, with the choices that favour it.

As :mod:`bench.contestants.dlt_merge`: a REST client with a paginator, a resource with a key, merge,
an incremental cursor, and decimals declared so that SQL gets the same numbers from both.
"""

import hashlib
import hmac
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, cast

import dlt
from dlt.common.schema.typing import TColumnSchema
from dlt.sources.helpers.rest_client.client import RESTClient
from dlt.sources.helpers.rest_client.paginators import BasePaginator
from requests import PreparedRequest, Request, Response
from requests.auth import AuthBase

from bench.contestants.dlt_merge import Dlt
from bench.races import Race

Rows = Iterator[list[dict[str, Any]]]

_EXACT: Final[TColumnSchema] = {"data_type": "decimal", "precision": 38, "scale": 12}


class From(BasePaginator):
    """Puts ``bound`` of each page's rows into the request of the next one; ends where it is None.

    ``place``: where the parameter is, ``params`` of the URL or ``data`` of a form.
    """

    def __init__(self, name: str, bound: Callable[[list[Any]], Any], place: str = "params") -> None:
        super().__init__()
        self._name, self._bound, self._place = name, bound, place
        self._value: Any = None

    def update_state(self, response: Response, data: list[Any] | None = None) -> None:
        self._value = self._bound(data) if data else None
        self._has_next_page = self._value is not None

    def update_request(self, request: Request) -> None:
        given = cast(dict[str, Any], getattr(request, self._place))
        setattr(request, self._place, {**given, self._name: self._value})


class WexAuth(AuthBase):
    """Key, nonce and signature of a form."""

    def __init__(self, key: str, secret: str) -> None:
        self._key, self._secret, self._nonce = key, secret.encode(), int(time.time())

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        self._nonce += 1
        request.body = f"{cast(str, request.body)}&nonce={self._nonce}"
        sign = hmac.new(self._secret, request.body.encode(), hashlib.sha512).hexdigest()
        request.headers.update({"Key": self._key, "Sign": sign})
        return request


def _wex(url: str, method: str, columns: dict[str, TColumnSchema]) -> Any:
    @dlt.resource(name="trades", primary_key="id", write_disposition="merge", columns=columns)
    def rows(
        newest: Any = dlt.sources.incremental("id", initial_value=0, row_order="desc"),  # noqa: B008
    ) -> Rows:
        """All rows, newest first, down to the newest of the last run; keyed by id."""
        below = From("end_id", lambda data: min(map(int, data[0])) - 1, "data")
        client = RESTClient(url, paginator=below, auth=WexAuth("key", "secret"))
        form = {"method": method, "from_id": newest.last_value, "count": 1000, "order": "DESC"}
        for page in client.paginate("/tapi", method="POST", data=form, data_selector="return"):
            for by_id in page:
                yield [{"id": int(id_), **row} for id_, row in by_id.items()]

    return rows()


def _candles(url: str) -> Any:
    names = ("date", "open", "high", "low", "close", "volume")

    @dlt.resource(
        name="trades",
        primary_key="date",
        write_disposition="merge",
        columns=dict.fromkeys(names[1:], _EXACT),
    )
    def rows(
        newest: Any = dlt.sources.incremental("date", initial_value=0),  # noqa: B008
    ) -> Rows:
        """All candles of the market, from page to page older; ``date`` in seconds."""
        older = From("until", lambda data: data[0][0] * 1000 - 1)
        client = RESTClient(url, paginator=older, data_selector="$")
        params = {"symbol": "BTC_USD", "timeframe": "5", "limit": 1000}
        since = {"since": newest.last_value * 1000}
        for page in client.paginate("/api/v2/public/ohlcv", params=params | since):
            yield [dict(zip(names, row, strict=True)) for row in page]

    return rows()


def _binance(url: str) -> Any:
    @dlt.resource(
        name="trades",
        primary_key="id",
        write_disposition="merge",
        columns=dict.fromkeys(("price", "qty", "quote_qty"), _EXACT),
    )
    def rows(
        newest: Any = dlt.sources.incremental("id", initial_value=0, row_order="asc"),  # noqa: B008
    ) -> Rows:
        """All trades of the market from the newest of the last run on, oldest first."""
        newer = From("fromId", lambda data: data[-1]["id"] + 1)
        client = RESTClient(url, paginator=newer, data_selector="$")
        params = {"symbol": "BTCUSD", "fromId": newest.last_value, "limit": 1000}
        yield from client.paginate("/api/v3/historicalTrades", params=params)

    return rows()


def _kraken(url: str) -> Any:
    names = ("price", "volume", "time", "side", "kind", "misc", "trade_id")

    @dlt.resource(
        name="trades",
        primary_key="trade_id",
        write_disposition="merge",
        columns=dict.fromkeys(names[:2], _EXACT),
    )
    def rows(
        newest: Any = dlt.sources.incremental("time", initial_value=0.0, row_order="asc"),  # noqa: B008
    ) -> Rows:
        """All trades of the market from the newest of the last run on, oldest first.

        The last answer holds the last row alone, which came before: the bound is inclusive.
        """
        newer = From(
            "since", lambda data: data[0]["last"] if len(data[0]["XXBTZUSD"]) > 1 else None
        )
        client = RESTClient(url, paginator=newer, data_selector="result")
        params = {"pair": "XBTUSD", "since": newest.last_value}
        for page in client.paginate("/0/public/Trades", params=params):
            yield [dict(zip(names, row, strict=True)) for row in page[0]["XXBTZUSD"]]

    return rows()


SOURCES: Final[dict[str, tuple[Callable[[str], Any], str]]] = {
    "wex-account-trades": (
        lambda url: _wex(url, "TradeHistory", {"amount": _EXACT, "rate": _EXACT}),
        "id",
    ),
    "wex-transactions": (lambda url: _wex(url, "TransHistory", {"amount": _EXACT}), "id"),
    "bitexbit-candles": (_candles, "date * 1000"),
    "binance-trades": (_binance, "id"),
    "kraken-trades": (_kraken, "trade_id"),
}
"""The resource of each race, and the expression whose sum the server knows."""


class DltDialect(Dlt):
    def __init__(self, url: str, folder: Path, race: Race) -> None:
        super().__init__(url, folder)
        self._source, self.id = SOURCES[race.name]

    def source(self) -> Any:
        return self._source(self._url)


RACER = DltDialect
