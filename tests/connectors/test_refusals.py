"""What every connector refuses, or is refused: reported with the fix, and nothing secret in it."""

import dataclasses
import re

import pytest

import connectors
import sandbox
from connectors import (
    AuthError,
    ConfigError,
    Credentials,
    NotOfferedError,
    RequestError,
    StreamId,
    TransientError,
    Window,
)
from sandbox import Fault
from schemas import DATASETS
from tests.connectors.cases import case
from tests.connectors.conftest import HEALING, PageOf, World, fault_name


def test_an_unknown_market_is_refused_with_the_servers_words(world: World, exchange: str) -> None:
    connector = world.open(exchange)
    with pytest.raises(RequestError, match=f"^{exchange}: ") as caught:
        connector.fetch(StreamId(exchange, "trades", "NO-SUCH"), Window())
    assert re.search("no[_-]?such", str(caught.value).lower()) and world.waits == []


def test_what_is_not_offered_is_refused_with_what_is(world: World, exchange: str) -> None:
    connector = world.open(exchange)
    with pytest.raises(NotOfferedError, match=r"it offers: trades"):
        connector.fetch(StreamId(exchange, "balances", account="main"), Window())
    with pytest.raises(NotOfferedError):
        connector.snapshot("trades", ["BTC-USD"])
    with pytest.raises(ValueError, match="markets a call"):
        connector.snapshot("tickers", [])


def private_datasets(exchange: str) -> list[str]:
    return [d for d in connectors.offers(exchange) if DATASETS[d].is_account]


@pytest.mark.parametrize("wrong", ["key", "secret", "passphrase"])
def test_a_wrong_key_or_secret_is_reported_with_the_settings(
    world: World, exchange: str, page_of: PageOf, wrong: str
) -> None:
    known = sandbox.KEYS[exchange].parts
    if wrong not in known:
        pytest.skip(f"{exchange} has no {wrong}")
    parts = {**known, wrong: "Zwrong-4711"}
    connector = world.open(exchange, credentials=Credentials(**parts), account="desk")
    for dataset in private_datasets(exchange):
        with pytest.raises(AuthError) as caught:
            page_of(connector, dataset)
        message = str(caught.value)
        for variable in connectors.key_variables(exchange, "desk"):
            assert variable in message
        assert ("clock" in message or case(exchange).clock) and "right" in message
        for part in parts.values():
            assert part not in message and part not in repr(caught.value.__context__)
    assert world.waits == []


def test_account_data_without_a_key_is_reported_before_any_request(
    world: World, exchange: str, page_of: PageOf
) -> None:
    connector = world.open(exchange, credentials=None)
    variable, *_ = connectors.key_variables(exchange, "main")
    for dataset in private_datasets(exchange):
        with pytest.raises(AuthError, match=variable):
            page_of(connector, dataset)
    assert world.server.log.entries == []


@pytest.mark.parametrize("fault", [f for f in HEALING if f.kind != "empty"], ids=fault_name)
def test_nothing_secret_is_in_an_error(
    world: World, exchange: str, page_of: PageOf, fault: Fault, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    key = sandbox.KEYS[exchange]
    world.server.faults.add(dataclasses.replace(fault, times=None))
    connector = world.open(exchange, retries=1)
    for dataset in private_datasets(exchange):
        with pytest.raises(TransientError) as caught:
            page_of(connector, dataset)
        shown = f"{caught.value!r} {caught.value} {caught.value.__context__!r} {caplog.text}"
        shown += repr(connector.__dict__)
        for secret in key.parts.values():
            assert secret not in shown


def test_a_key_that_cannot_be_sent_is_refused_unseen(world: World, exchange: str) -> None:
    prefix = connectors.key_variables(exchange, "main")[0].removesuffix("KEY")
    for credentials in (Credentials("key\n", "s"), Credentials("", "s"), Credentials("k", "s ")):
        with pytest.raises(ConfigError, match=prefix) as caught:
            world.open(exchange, credentials=credentials)
        assert "key\n" not in str(caught.value)
