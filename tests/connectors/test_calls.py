"""Every reading call that the exchanges' documents name, run over HTTP."""

import re

import pytest

from connectors import (
    AuthError,
    ContractError,
    NotOfferedError,
    Page,
    RefusedError,
    RequestError,
    StreamId,
    UnknownRowError,
)
from tests.connectors.cases import EXCHANGES, case
from tests.connectors.conftest import Scripted, World


@pytest.mark.parametrize(
    ("exchange", "call"), [(name, call) for name in EXCHANGES for call in case(name).reads]
)
def test_every_reading_call(world: World, exchange: str, call: str) -> None:
    found = case(exchange).reads[call](world.open(exchange), world.order_id(exchange))
    entries = world.server.log.entries
    assert {entry.status for entry in entries} == {200}
    names = [e.path if e.call == e.path else f"{e.path} {e.call}" for e in entries]
    made = [f"{entry.method} {name}" for entry, name in zip(entries, names, strict=True)]
    assert call in made and {*made} <= {*case(exchange).reads}
    asked = {(name, *entry.params.items()) for entry, name in zip(entries, made, strict=True)}
    assert len(asked) == len(entries), "one of them twice"
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


@pytest.mark.parametrize("status", [400, 404])
@pytest.mark.parametrize("dataset", ["markets", "currencies"])
def test_a_name_that_is_gone_is_no_row(server: Scripted, dataset: str, status: int) -> None:
    server.answers((status, {}, b'{"detail":"symbol: unknown pair"}'))
    assert server.open("bitexbit").snapshot(dataset, ("OLD-USD",)).received == 0
    # Of the whole list it says no such thing, nor does a web page.
    server.answers((status, {}, b'{"detail":"?"}'))
    with pytest.raises(RequestError):
        server.open("bitexbit").snapshot(dataset, ())
    server.answers((status, {"Content-Type": "text/html"}, b"<html>"))
    with pytest.raises(RequestError):
        server.open("bitexbit").snapshot(dataset, ("OLD-USD",))


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
