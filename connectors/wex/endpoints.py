"""WEX's endpoints in one table: dataset, paging, request, parser.

Source: "Trade API v1" of WEX for ``/tapi``; public API v3 as its siblings of the BTC-e dialect
speak it. Neither documents a rate limit: answers are cached for two seconds, and a sibling allows a
hundred calls a minute, so the calls here are few.
"""

from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qs, quote, unquote, urlencode

from connectors.base import Cursor, Paging, ReadOnlyKey, Window
from connectors.dialect import Asked, Call, Dialect, Endpoint, NonceRule
from connectors.http import Request, get
from connectors.names import IN_PATH
from connectors.pace import Allowance
from connectors.wex import auth, parse, refusals

READS: Final = (
    "GET /api/3/info",
    f"GET /api/3/(trades|ticker|depth)/{IN_PATH}",
    "POST /tapi (getInfo|ActiveOrders|OrderInfo|TradeHistory|TransHistory|CoinDepositAddress)",
)
MAX_TRADES: Final = 5000
MAX_LEVELS: Final = 5000
"""Of either side of an order book."""
MAX_HISTORY: Final = 1000
CACHE_US: Final = 3_000_000
"""Public answers come from a cache of 2 s, which may be filled a little late."""


def markets_of(request: Request) -> list[str]:
    """The pairs that a public call names."""
    return unquote(request.path.rpartition("/")[2]).split("-")


def pair_of_form(request: Request) -> list[str]:
    """The pair that a signed call names, if it names one."""
    return parse_qs(request.form or request.query).get("pair", [])


def of_pairs(name: str, asked: Asked, limit: int | None = None) -> Request:
    """A public call of the pairs asked for."""
    pairs = "-".join(quote(native, safe="") for native in asked.natives)
    return get(f"/api/3/{name}/{pairs}", {"limit": str(limit)} if limit else None)


def tapi(method: str, parameters: Mapping[str, str] | None = None, path: str = "/tapi") -> Request:
    """A signed call."""
    form = urlencode({"method": method, **(parameters or {})})
    return Request("POST", path, form=form, private=True)


def history(window: Window) -> dict[str, str]:
    """Walk by id, newest first; never by time: ``since`` yields nothing older than a week."""
    parameters = {"count": str(min(window.limit, MAX_HISTORY)), "order": "DESC"}
    if window.lower is not None:
        parameters["from_id"] = str(max(window.lower, 0))
    if window.upper is not None:
        parameters["end_id"] = str(window.upper)
    return parameters


ENDPOINTS: Final[Mapping[str, Endpoint]] = {
    "trades": Endpoint(
        Paging(Cursor.NEWEST, max_rows=MAX_TRADES, cache_us=CACHE_US),
        lambda asked: of_pairs("trades", asked, min(asked.window.limit, MAX_TRADES)),
        lambda body, about: parse.trades(body, *about.market),
    ),
    "candles": Endpoint(Paging(Cursor.DERIVED)),
    "tickers": Endpoint(
        Paging(Cursor.SNAPSHOT, max_rows=30, batch=30, cache_us=CACHE_US),
        lambda asked: of_pairs("ticker", asked),
        lambda body, about: parse.tickers(body, about.markets, about.at),
    ),
    "order_books": Endpoint(
        Paging(Cursor.SNAPSHOT, max_rows=20 * MAX_LEVELS, batch=10, cache_us=CACHE_US),
        lambda asked: of_pairs("depth", asked, MAX_LEVELS),
        lambda body, about: parse.order_books(body, about.markets, about.at),
    ),
    "markets": Endpoint(
        Paging(Cursor.SNAPSHOT, batch=0, cache_us=CACHE_US),
        lambda asked: get("/api/3/info"),
        lambda body, about: parse.market_rows(body, about.at, about.names),
    ),
    "account_trades": Endpoint(
        Paging(Cursor.ID, max_rows=MAX_HISTORY),
        lambda asked: tapi("TradeHistory", history(asked.window)),
        lambda body, about: parse.account_trades(body, about.names),
    ),
    "account_transactions": Endpoint(
        Paging(Cursor.ID, max_rows=MAX_HISTORY),
        lambda asked: tapi("TransHistory", history(asked.window)),
        lambda body, about: parse.account_transactions(body, about.names.codes),
    ),
    "account_orders": Endpoint(
        Paging(Cursor.LOOKUP, max_rows=1),
        lambda asked: tapi("OrderInfo", {"order_id": str(asked.row_id)}),
        lambda body, about: parse.order(body, about.names),
        open_rows=Call(
            lambda asked: tapi("ActiveOrders"),
            lambda body, about: parse.open_orders(body),
        ),
    ),
    "balances": Endpoint(
        Paging(Cursor.SNAPSHOT, batch=0, cache_us=60_000_000),  # documented: cached for 60 s
        lambda asked: tapi("getInfo"),
        lambda body, about: parse.balances(body, about.at, about.names.codes),
    ),
}

DIALECT: Final = Dialect(
    name="wex",
    base_url="https://wex.link",
    endpoints=ENDPOINTS,
    reads=READS,
    limits={"public": Allowance(5), "private": Allowance(2, per_account=True)},
    sign=auth.sign,
    spelling=parse.SPELLING,
    markets_of=markets_of,
    freshness=NonceRule(
        first=lambda now_us: now_us // 1_000_000,
        after=refusals.nonce_after,
        tries=4,
        largest=auth.MAX_NONCE,
    ),
    refusal=refusals.refusal,
    content=refusals.content,
    # The call makes no new address.
    address=Call(
        lambda asked: tapi("CoinDepositAddress", {"coinName": asked.currency}),
        lambda body, about: parse.address(body),
    ),
    key=ReadOnlyKey("info", "in your profile at WEX, section API keys, tick info and nothing else"),
)
