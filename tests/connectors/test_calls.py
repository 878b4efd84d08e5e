"""Every reading call that the two documents name, run over HTTP."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from connectors import (
    AuthError,
    Connector,
    ContractError,
    NotOfferedError,
    Page,
    RefusedError,
    StreamId,
    UnknownRowError,
    Window,
)
from tests.connectors.conftest import OWN_ORDER, Scripted, World

MINE = {"account": "main"}
BTC = {"symbol": "BTC-USD"}
Ask = Callable[[Connector], Any]


def fetch(dataset: str, **stream: str) -> Ask:
    return lambda c: c.fetch(
        StreamId(c.name, dataset, **stream), Window(unit="ms" if dataset == "candles" else None)
    )


BITEXBIT: dict[str, Ask] = {
    "GET /api/v2/public/currencies": lambda c: c.snapshot("currencies", ()),
    "GET /api/v2/public/currency/BTC": lambda c: c.snapshot("currencies", ("BTC",)),
    "GET /api/v2/public/pairs": lambda c: c.snapshot("markets", ()),
    "GET /api/v2/public/pairs/BTC_USD": lambda c: c.snapshot("markets", ("BTC-USD",)),
    "GET /api/v2/public/ohlcv": fetch("candles", timeframe="1h", **BTC),
    "GET /api/v2/public/tickers": lambda c: c.snapshot("tickers", ["BTC-USD", "ETH-USD"]),
    "GET /api/v2/public/depth": lambda c: c.snapshot("order_books", ["BTC-USD"]),
    "GET /api/v2/public/orders": fetch("public_orders", **BTC),
    "GET /api/v2/public/trades": fetch("trades", **BTC),
    "GET /api/v2/private/orders": fetch("account_orders", **MINE),
    "GET /api/v2/private/trades": fetch("account_trades", **MINE),
    "GET /api/v2/private/balance": lambda c: c.snapshot("balances", ()),
    "GET /api/v2/private/trading-fees": lambda c: c.snapshot("trading_fees", ()),
    "GET /api/v2/private/transfers": lambda c: c.page(
        StreamId("bitexbit", "account_transactions", **MINE), None
    ),
}
WEX: dict[str, Ask] = {
    "GET /api/3/info": lambda c: c.snapshot("markets", ()),
    "GET /api/3/ticker/btc_usd-eth_usd": lambda c: c.snapshot("tickers", ["BTC-USD", "ETH-USD"]),
    "GET /api/3/depth/btc_usd-eth_usd": lambda c: c.snapshot("order_books", ["BTC-USD", "ETH-USD"]),
    "GET /api/3/trades/btc_usd": fetch("trades", **BTC),
    "POST /tapi getInfo": lambda c: c.snapshot("balances", ()),
    "POST /tapi ActiveOrders": lambda c: c.open_rows(StreamId("wex", "account_orders", **MINE)),
    "POST /tapi OrderInfo": lambda c: c.lookup(
        StreamId("wex", "account_orders", **MINE), OWN_ORDER["id"]
    ),
    "POST /tapi TradeHistory": fetch("account_trades", **MINE),
    "POST /tapi TransHistory": fetch("account_transactions", **MINE),
    "POST /tapi CoinDepositAddress": lambda c: c.address("BTC"),
}


@pytest.mark.parametrize(
    ("exchange", "call"),
    [("bitexbit", call) for call in BITEXBIT] + [("wex", call) for call in WEX],
)
def test_every_reading_call(world: World, exchange: str, call: str) -> None:
    ask = {"bitexbit": BITEXBIT, "wex": WEX}[exchange][call]
    found = ask(world.open(exchange))
    (entry,) = world.server.log.entries
    assert entry.status == 200
    method = f" {entry.params['method']}" if entry.path == "/tapi" else ""
    assert f"{entry.method} {entry.path}{method}" == call
    if isinstance(found, Page):
        assert found.table.num_rows > 0 and found.rejected == ()
    else:
        assert found


def test_an_unknown_name_is_no_row(world: World) -> None:
    connector = world.open("bitexbit")
    assert connector.snapshot("markets", ("NO-SUCH",)).received == 0
    assert connector.snapshot("currencies", ("NOSUCH",)).received == 0
    with pytest.raises(ValueError, match="by name"):
        connector.snapshot("balances", ("BTC",))
    with pytest.raises(ValueError, match="by name"):
        world.open("wex").snapshot("markets", ("BTC-USD",))


def test_an_unknown_order_and_another_ones(world: World, server: Scripted) -> None:
    stream = StreamId("wex", "account_orders", account="main")
    with pytest.raises(UnknownRowError, match="invalid order"):
        world.open("wex").lookup(stream, 1)
    for text in ("The exchange is under maintenance, try again", "invalid order id", "no orders!?"):
        server.answers(*[f'{{"success":0,"error":"{text}"}}'.encode()] * 3)
        with pytest.raises(RefusedError, match=re.escape(text)):
            server.open("wex").lookup(stream, 7)
        assert len(server.requests) == 2  # once more, and then a later pull
    row = '{"pair":"btc_usd","type":"buy","start_amount":1,"amount":1,"rate":1,"status":0,'
    answer = f'{{"success":1,"return":{{"8":{row}"timestamp_created":1342448420}}}}}}'
    server.answers(answer.encode())
    with pytest.raises(ContractError, match="asked for row 7"):
        server.open("wex").lookup(stream, 7)


def test_addresses(world: World, server: Scripted) -> None:
    assert world.open("wex").address("BTC").startswith("1SANDBOX")
    with pytest.raises(RefusedError, match="invalid coin name"):
        world.open("wex").address("XXX")
    with pytest.raises(NotOfferedError, match="no call"):
        world.open("bitexbit").address("BTC")
    with pytest.raises(AuthError, match="WEX_API_KEY"):
        world.open("wex", credentials=None).address("BTC")
    server.answers(b'{"success":1,"return":{"address":""}}')
    with pytest.raises(ContractError, match="no address"):
        server.open("wex").address("BTC")
