"""One behaviour, every connector: over real HTTP, against the sandbox exchange.

A new exchange is taken up by being a folder of connectors/ that the sandbox speaks for.
"""

import dataclasses
import re
import socket
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest

import connectors
from connectors import (
    Bounds,
    ContractError,
    Cursor,
    Key,
    RateLimitedError,
    RecordedResponse,
    RequestError,
    TransientError,
    UnreachableError,
    Window,
)
from connectors.pace import Allowance
from sandbox import Fault
from sandbox.faults import Kind
from sandbox.jsontext import NumberStyle
from schemas import DATASETS
from tests.connectors.cases import EXCHANGES, case
from tests.connectors.conftest import HEALING, Asked, PageOf, World, asked_datasets, fault_name
from tests.matrix import TORTURE, crossed

if TYPE_CHECKING:
    from _pytest.mark import ParameterSet


class Recorded:
    def __init__(self, responses: list[RecordedResponse]) -> None:
        self.keep = responses.append


def rows(table: pa.Table) -> list[tuple[Any, ...]]:
    return sorted((tuple(row.values()) for row in table.to_pylist()), key=repr)


def test_pages_have_the_declared_schema(world: World, asked: Asked, page_of: PageOf) -> None:
    exchange, dataset = asked
    page = page_of(world.open(exchange), dataset)
    assert page.table.schema.equals(DATASETS[dataset].connector_schema, check_metadata=True)
    assert page.table.num_rows > 0
    assert page.rejected == ()
    assert page.positions.type == pa.int64()
    assert len(page.positions) == page.table.num_rows and page.positions.null_count == 0
    assert page.server_time == world.truth.now() // 1000 * 1_000_000
    for column, field in zip(page.table.columns, page.table.schema, strict=True):
        assert field.nullable or column.null_count == 0, field.name
    page.table.validate(full=True)


def test_trades_are_the_tape_exactly(world: World, exchange: str, page_of: PageOf) -> None:
    page = page_of(world.open(exchange), "trades")
    tape = world.truth.tapes["BTC-USD"]
    truth = {str(case(exchange).trade_id(tape, n)): t for n, t in enumerate(tape.trades())}
    for row in page.table.to_pylist():
        trade = truth[row["trade_id"]]
        assert row["symbol"] == "BTC-USD"
        assert (row["side"], row["price"]) == (trade.side, Decimal(trade.price))
        assert row["amount"] == Decimal(trade.amount)
        # WEX gives whole seconds.
        assert 0 <= trade.timestamp - int(row["timestamp"].timestamp() * 1000) < 1000
    assert page.positions.to_pylist() == [int(i) for i in page.table["trade_id"].to_pylist()]


def test_markets_are_canonical_and_asked_once(world: World, exchange: str) -> None:
    connector = world.open(exchange)
    markets = connector.markets()
    assert {m.symbol for m in markets} >= {"BTC-USD", "ETH-USD", "LTC-BTC", "ETH-BTC"}
    assert all(m.symbol == f"{m.base}-{m.quote}" == m.symbol.upper() for m in markets)
    assert connector.markets() is markets
    assert len(world.server.log.entries) == 1


def with_each(values: Sequence[Any], shift: int = 0) -> "list[ParameterSet]":
    """Each dataset of an exchange with each of ``values``: how a call is sent and retried depends
    on the exchange, less on the dataset. ``make test`` tries each of both once per exchange."""
    return [
        pair
        for name in EXCHANGES
        for pair in crossed([a for a in asked_datasets() if a[0] == name], values, shift)
    ]


def case_name(value: Asked | Fault | str) -> str:
    if isinstance(value, str):
        return value
    return fault_name(value) if isinstance(value, Fault) else "/".join(value)


@pytest.mark.parametrize(("asked", "fault"), with_each(HEALING), ids=case_name)
def test_a_passing_fault_is_healed(
    world: World, asked: Asked, page_of: PageOf, fault: Fault
) -> None:
    exchange, dataset = asked
    connector = world.open(exchange)
    world.server.faults.add(dataclasses.replace(fault, times=2))
    page = page_of(connector, dataset)
    assert page.table.num_rows > 0
    assert len(world.waits) == 2
    if fault.retry_after:
        assert all(fault.retry_after <= wait < fault.retry_after + 1 for wait in world.waits)
    else:
        assert all(0 < wait <= 0.5 for wait in world.waits)


@pytest.mark.parametrize(("asked", "fault"), with_each(HEALING, shift=1), ids=case_name)
def test_a_lasting_fault_is_reported(
    world: World, asked: Asked, page_of: PageOf, fault: Fault
) -> None:
    exchange, dataset = asked
    connector = world.open(exchange, retries=3)
    world.server.faults.add(dataclasses.replace(fault, times=None))
    with pytest.raises(TransientError, match=rf"(?s)^{exchange}: .*tried 4 times") as caught:
        page_of(connector, dataset)
    assert isinstance(caught.value, RateLimitedError) == (fault.status == 429)
    assert len(world.waits) == 3
    assert fault.retry_after or world.waits == sorted(world.waits)


def test_a_hanging_server_is_left_after_the_timeout(
    world: World, asked: Asked, page_of: PageOf
) -> None:
    exchange, dataset = asked
    connector = world.open(exchange, timeout=0.1, retries=1)
    world.server.faults.add(Fault("hang", times=None, seconds=60))
    with pytest.raises(TransientError, match=r"no whole answer within 0\.1 s"):
        page_of(connector, dataset)


def test_a_long_retry_after_is_left_to_the_caller(
    world: World, exchange: str, page_of: PageOf
) -> None:
    world.server.faults.add(Fault("status", status=429, retry_after=3600))
    with pytest.raises(RateLimitedError) as caught:
        page_of(world.open(exchange), "trades")
    assert caught.value.retry_after == 3600 and world.waits == []


def test_an_unreachable_host_is_named_with_its_setting(
    world: World, exchange: str, page_of: PageOf
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(UnreachableError) as caught:
            page_of(world.open(exchange, base_url=url), "trades")
    assert url in str(caught.value)
    assert connectors.base_url_variable(exchange) in str(caught.value)
    assert len(world.waits) == 2


def test_an_answer_of_another_shape_breaks_the_contract(
    world: World, asked: Asked, page_of: PageOf
) -> None:
    exchange, dataset = asked
    for body in (b'{"rows": 1}', b"[1, 2", b"null", b'"text"', b"17"):
        world.server.faults.clear()
        world.server.faults.add(Fault("body", body=body, times=None))
        with pytest.raises((ContractError, TransientError, RequestError)):
            page_of(world.open(exchange, retries=0), dataset)


HISTORIES = [
    (exchange, dataset)
    for exchange, dataset in asked_datasets()
    if connectors.offers(exchange)[dataset].cursor not in (Cursor.SNAPSHOT, Cursor.LOOKUP)
]


RARELY_SHOWN = ("kraken", "account_transactions")
"""Most rows of the answer are of trades and left out: it takes many tries to spoil another."""


@pytest.mark.parametrize(
    "asked",
    [pytest.param(a, marks=TORTURE if a == RARELY_SHOWN else ()) for a in HISTORIES],
    ids="/".join,
)
def test_a_malformed_row_is_rejected_alone(world: World, asked: Asked, page_of: PageOf) -> None:
    exchange, dataset = asked
    connector = world.open(exchange)
    whole = page_of(connector, dataset)
    amount = case(exchange).amounts.get(dataset, "amount")
    is_array = dataset == "candles" and dataset not in case(exchange).amounts
    spoil = None if is_array else (amount, '"n/a"')
    # the first row: of several of one moment, it would not be known which one is missing
    first = Fault("malformed", spoil=spoil, rows=slice(1))
    others = (Fault("malformed", spoil=spoil, seed=seed) for seed in range(300))
    for fault in (first, *others):  # a row may be one of those that are left out
        world.server.faults.add(fault)
        page = page_of(connector, dataset)
        if page.rejected:
            break
    assert page.table.num_rows == whole.table.num_rows - 1
    (rejected,) = page.rejected
    assert "n/a" in rejected.payload and "n/a" in rejected.reason
    assert page.received == whole.received
    before, after = (Counter(p.positions.to_pylist()) for p in (whole, page))
    assert before - after == Counter([rejected.position])
    left = page.positions.to_pylist()
    if rejected.index is not None:  # where the answer is a list, its place completes the order
        left.insert(rejected.index, rejected.position)
        assert left == whole.positions.to_pylist()
    # What is left is what came before, to the last digit.
    assert len(set(rows(whole.table)) - set(rows(page.table))) == 1


@pytest.mark.parametrize(
    ("asked", "kind"), crossed(HISTORIES, ["duplicate", "shuffle"]), ids=case_name
)
def test_repeated_and_shuffled_rows_change_nothing(
    world: World, asked: Asked, page_of: PageOf, kind: Kind
) -> None:
    exchange, dataset = asked
    connector = world.open(exchange)
    whole = page_of(connector, dataset)
    world.server.faults.add(Fault(kind))
    page = page_of(connector, dataset)
    assert rows(page.table) == rows(whole.table)
    assert page.rejected == ()


BY_ID = [(name, d) for name, d in HISTORIES if connectors.offers(name)[d].key is Key.INTEGER]


@pytest.mark.parametrize(
    ("asked", "fault"),
    crossed(BY_ID, [None, Fault("shuffle", seed=5)]),
    ids=lambda value: case_name(value) if value else "as sent",
)
def test_rows_stay_in_the_order_received(
    world: World, asked: Asked, page_of: PageOf, fault: Fault | None
) -> None:
    exchange, dataset = asked
    recorded: list[RecordedResponse] = []
    connector = world.open(exchange, recorder=Recorded(recorded))
    world.server.switch(sorts_by="time", order="oldest")
    if fault is not None:
        world.server.faults.add(fault)
    page = page_of(connector, dataset)
    name = dataset.removeprefix("account_").removeprefix("public_")[:-1] + "_id"
    assert page.table[name].to_pylist() == list(map(str, page.positions.to_pylist()))
    place: dict[int, int] = {}
    for found in re.finditer(rb'(?:[iI]d":"?|[{,]"|,(?=\d+\]))(\d+)\b', recorded[0].body):
        place.setdefault(int(found[1]), found.start())
    at = [place[row] for row in page.positions.to_pylist() if row in place]
    assert at == sorted(at) and len(at) == page.table.num_rows > 10


STYLES = ["text", "number", "exponent", "exponent-text"]


@pytest.mark.parametrize(("asked", "style"), with_each(STYLES), ids=case_name)
def test_numbers_are_the_same_however_they_are_written(
    world: World, asked: Asked, page_of: PageOf, style: NumberStyle
) -> None:
    exchange, dataset = asked
    connector = world.open(exchange)
    usual = page_of(connector, dataset)
    world.server.switch(**case(exchange).numbers(style), extra_fields=True)
    other = page_of(connector, dataset)
    assert other.rejected == ()
    drop = ["observed_at"] if "observed_at" in usual.table.column_names else []
    assert rows(other.table.drop_columns(drop)) == rows(usual.table.drop_columns(drop))


def test_compressed_answers_are_read(world: World, asked: Asked, page_of: PageOf) -> None:
    exchange, dataset = asked
    world.server.paging.gzip = True
    assert page_of(world.open(exchange), dataset).table.num_rows > 0


def test_an_empty_window_is_an_empty_page(world: World, exchange: str, page_of: PageOf) -> None:
    connector = world.open(exchange)
    for switches in case(exchange).empties:
        world.server.switch(**switches)
        for dataset, offer in connector.offers.items():
            if offer.cursor is Cursor.ID:
                page = page_of(connector, dataset, Window(lower=2**50))
                assert page.table.num_rows == 0 and page.received == 0
                assert page.table.schema.equals(DATASETS[dataset].connector_schema)


def test_a_window_is_sent_as_given(world: World, exchange: str, page_of: PageOf) -> None:
    connector = world.open(exchange)
    for dataset, offer in connector.offers.items():
        if offer.cursor is Cursor.ID:
            newest = sorted(page_of(connector, dataset).positions.to_pylist())
            lower, upper = newest[-20], newest[-10]
            if offer.bounds is Bounds.LOWER:
                page = page_of(connector, dataset, Window(lower, limit=11))
                assert sorted(page.positions.to_pylist()) == newest[-20:-9]
                continue
            page = page_of(connector, dataset, Window(lower, upper, limit=1000))
            assert sorted(page.positions.to_pylist()) == newest[-20:-9]
            page = page_of(connector, dataset, Window(lower, upper, limit=5))
            assert page.table.num_rows == 5


def test_no_bound_below_zero_is_sent(world: World, exchange: str, page_of: PageOf) -> None:
    connector = world.open(exchange)
    for dataset, offer in connector.offers.items():
        if offer.cursor in (Cursor.ID, Cursor.TIME):
            page_of(connector, dataset, Window(lower=-1, upper=2**50, unit="ms"))
            assert not any(v.startswith("-") for v in world.server.log.entries[-1].params.values())


def test_threads_share_a_connector_and_its_nonces(
    world: World, exchange: str, page_of: PageOf
) -> None:
    connector = world.open(exchange)
    wanted = [d for d in connector.offers if connector.offers[d].cursor is not Cursor.DERIVED] * 2
    with ThreadPoolExecutor(8) as pool:
        pages = list(pool.map(lambda d: page_of(connector, d), wanted))
    assert all(page.table.num_rows > 0 for page in pages)
    assert world.waits == []


def test_the_limit_is_asked_before_every_request(
    world: World, exchange: str, page_of: PageOf
) -> None:
    class Recording:
        def __init__(self) -> None:
            self.calls: list[tuple[str, float]] = []
            self.left: list[str] = []

        def wait(self, bucket: str, allowance: Allowance, cost: float = 1.0) -> None:
            self.calls.append((bucket, allowance.per_second / cost))

        def sent(self, bucket: str, allowance: Allowance, cost: float = 1.0) -> None:
            assert bucket == self.calls[-1][0]
            self.left.append(bucket)

        def hold(self, bucket: str, seconds: float) -> None:
            raise AssertionError("nothing asked for a rest")

    limits = Recording()
    connector = world.open(exchange, limits=limits, account="desk")
    world.server.faults.add(Fault("status", status=502, times=1))
    page_of(connector, "trades")
    page_of(connector, "account_trades")
    (public, fast), repeated, *time, (private, slow) = limits.calls
    assert repeated == (public, fast)
    assert [bucket for bucket, _ in time] == [public] * bool(case(exchange).clock)
    assert "127.0.0.1" in public and "127.0.0.1" in private
    assert (public != private) == private.endswith("-desk")  # some count by address alone
    allowed = connectors.dialect_of(exchange).limits
    assert slow <= max(one.per_second for one in allowed.values())
    assert fast <= allowed["public"].per_second
    assert limits.left == [bucket for bucket, _ in limits.calls]
