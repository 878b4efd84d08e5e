"""One way of reading: an answer that was kept gives the page that the call gave."""

import re
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field, replace
from urllib.parse import parse_qsl

import pyarrow as pa
import pytest

import connectors
import sandbox
from connectors import (
    ContractError,
    NotOfferedError,
    Page,
    RecordedResponse,
    StreamId,
    TransientError,
    Window,
)
from connectors.joining import added_up, without_known
from sandbox import Fault
from tests.connectors.cases import case
from tests.connectors.conftest import Asked, PageOf, Scripted, World, asked_datasets
from tests.connectors.test_http import ask_fills
from tests.matrix import thinned

SOME = pytest.mark.parametrize(
    "asked", thinned([(asked,) for asked in asked_datasets()], 2), ids="/".join
)


@dataclass
class Kept:
    answers: list[RecordedResponse] = field(default_factory=list)

    def keep(self, answer: RecordedResponse) -> None:
        self.answers.append(answer)


def same(one: Page, other: Page) -> bool:
    return (
        one.table.equals(other.table)
        and one.positions.equals(other.positions)
        and list(one.rejected) == list(other.rejected)
        and (one.server_time, one.next_token, one.total)
        == (other.server_time, other.next_token, other.total)
    )


def joined(pages: list[Page], asked: Asked) -> Page:
    """The pages of answers that make one page together."""
    exchange, dataset = asked
    if connectors.dialect_of(exchange).endpoints[dataset].adds_up:
        return added_up(pages)
    if len(pages) == 1:
        return pages[0]
    known: set[Hashable] = set()
    pages = [without_known(dataset, page, known) for page in pages]
    return replace(
        pages[0],
        table=pa.concat_tables([page.table for page in pages]),
        positions=pa.concat_arrays([page.positions for page in pages]),
        rejected=tuple(replace(row, index=None) for page in pages for row in page.rejected),
    )


def test_a_kept_answer_reads_as_it_did(world: World, asked: Asked, page_of: PageOf) -> None:
    exchange, dataset = asked
    kept = Kept()
    page = page_of(world.open(exchange, recorder=kept), dataset)
    assert {answer.dataset for answer in kept.answers} == {dataset}
    reader = world.open(exchange, credentials=None)
    assert same(joined([reader.read(answer) for answer in kept.answers], asked), page)
    asked_time = [e for e in world.server.log.entries if e.path == case(exchange).clock]
    assert len(world.server.log.entries) == len(kept.answers) + len(asked_time)


@SOME
def test_refused_rows_are_refused_again(world: World, asked: Asked, page_of: PageOf) -> None:
    exchange, dataset = asked
    kept = Kept()
    world.server.faults.add(Fault("malformed"))
    page = page_of(world.open(exchange, recorder=kept), dataset)
    reader = world.open(exchange)
    assert same(joined([reader.read(answer) for answer in kept.answers], asked), page)


def test_it_says_what_was_asked_and_nothing_secret(
    world: World, asked: Asked, page_of: PageOf
) -> None:
    exchange, dataset = asked
    kept = Kept()
    connector = world.open(exchange, recorder=kept)
    page_of(connector, dataset)
    entries = [e for e in world.server.log.entries if e.path != case(exchange).clock]
    key = sandbox.KEYS[exchange]
    for answer, logged in zip(kept.answers, entries, strict=True):
        assert (answer.method, answer.path, answer.status) == (logged.method, logged.path, 200)
        sent = {k: v for k, v in logged.params.items() if k != "nonce"}
        assert dict(parse_qsl(answer.query)) == sent
        text = repr(answer)
        assert key.key not in text and key.secret not in text
        assert not re.search("nonce|signature|timestamp", answer.query)


def test_an_answer_is_kept_before_it_is_read(server: Scripted) -> None:
    kept = Kept()
    connector = server.open("bitexbit", recorder=kept, retries=0)
    server.answers(b'{"not": "a list"}', b"[{")
    stream = StreamId("bitexbit", "trades", "BTC-USD")
    with pytest.raises(ContractError):
        connector.fetch(stream, Window())
    with pytest.raises(TransientError):
        connector.fetch(stream, Window())
    assert [a.body for a in kept.answers] == [b'{"not": "a list"}', b"[{"]
    with pytest.raises(ContractError):
        connector.read(kept.answers[0])
    with pytest.raises(TransientError):
        connector.read(kept.answers[1])


@SOME
def test_pages_of_errors_are_not_kept(world: World, asked: Asked, page_of: PageOf) -> None:
    exchange, dataset = asked
    kept = Kept()
    for fault in (Fault("status", status=503), Fault("html", status=200), Fault("reset")):
        world.server.faults.add(fault)
    page = page_of(world.open(exchange, recorder=kept), dataset)
    reader = world.open(exchange)
    assert same(joined([reader.read(answer) for answer in kept.answers], asked), page)


@pytest.mark.parametrize("form", [str, str.upper, str.lower])
def test_a_secret_that_a_server_repeats_is_masked(
    server: Scripted, exchange: str, form: Callable[[str], str]
) -> None:
    kept = Kept()
    connector = server.open(exchange, recorder=kept, retries=0)
    body = f'{{"success": 0, "error": "what is {form("my-key-4711")} / {form("my-secret-0815")}"}}'
    server.answers(body.encode())
    with pytest.raises(Exception, match=r"\*\*\*") as caught:
        ask_fills(connector)
    shown = f"{kept.answers[0]!r} {caught.value}".lower()
    assert "my-key-4711" not in shown and "my-secret-0815" not in shown
    assert b"***" in kept.answers[0].body


def test_what_is_not_offered_is_not_read(world: World) -> None:
    answer = RecordedResponse(
        (StreamId("wex", "candles", "BTC-USD"),), "GET", "/x", "", 200, 0, None, b"[]"
    )
    with pytest.raises(NotOfferedError):
        world.open("wex").read(answer)


def test_observations_keep_their_time(world: World, exchange: str, page_of: PageOf) -> None:
    kept = Kept()
    page = page_of(world.open(exchange, recorder=kept), "tickers")
    observed = page.table.column("observed_at").cast(pa.int64()).unique().to_pylist()
    assert observed == [kept.answers[0].at]
    most = connectors.offers(exchange)["tickers"].batch
    assert [s.symbol for s in kept.answers[0].streams] == ["BTC-USD", "ETH-USD"][:most]
