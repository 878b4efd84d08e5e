"""Merging rows against a dictionary that does the same."""

from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas import StreamId, dataset
from tests.examples import examples
from tests.warehouse.tools import CANDLES, FILLS, NOON, TRADES, TRANSFERS, Row, row, table
from warehouse.merge import merge, row_keys

MOMENT = NOON * 2
KEPT = {TRADES: "trade_id", CANDLES: "timestamp", FILLS: "trade_id", TRANSFERS: "transaction_id"}


def _stamped(stream: StreamId, rows: list[Row]) -> Any:
    schema = dataset(stream.dataset).file_schema
    moment = pa.array([MOMENT] * len(rows), schema.types[-1])
    return table(stream, rows).append_column(schema.field(-1), moment).cast(schema)


def _variant(stream: StreamId, key: int, state: int) -> Row:
    """State ``state`` of row ``key``; state 2 has a null where the others have a value."""
    price = Decimal(1) + Decimal(state) / 10**12
    if stream is CANDLES:
        return row(stream, key, NOON + key * 300_000_000, close=price)
    if stream is TRANSFERS:
        return row(stream, key, NOON + key % 3, status=("pending", "ok", "failed")[state])
    cost = None if state == 2 else price
    return row(stream, key, NOON + key % 3, price=price, cost=cost)


def _order(stream: StreamId, one: Row) -> Any:
    if stream is CANDLES:
        return one["timestamp"]
    name = KEPT[stream]
    number = one[name] if stream is TRANSFERS else int(one[name])
    return (one["timestamp"], number)


_keys = st.lists(st.tuples(st.integers(1, 12), st.integers(0, 2)), max_size=14)


@pytest.mark.parametrize("stream", list(KEPT), ids=lambda s: s.dataset)
@settings(max_examples=examples(80))
@given(stored=_keys, received=_keys)
def test_a_merge_is_an_update_by_key(
    stream: StreamId, stored: list[tuple[int, int]], received: list[tuple[int, int]]
) -> None:
    declared, name = dataset(stream.dataset), KEPT[stream]
    model = {k: _variant(stream, k, s) for k, s in stored}
    held = sorted(model.values(), key=lambda r: _order(stream, r))
    before = dict(model)
    conflicts, added = [], 0
    for key, state in received:
        new = _variant(stream, key, state)
        if key not in model:
            added += 1
            model[key] = new
        elif declared.replaces:
            settled = model[key].get("status", "pending") != "pending"
            if not (settled and new.get("status") == "pending"):  # else: a stale answer
                model[key] = new
        elif model[key] != new:
            conflicts.append(new)

    done = merge(
        declared, _stamped(stream, held), _stamped(stream, [_variant(stream, *k) for k in received])
    )

    wanted = sorted(model.values(), key=lambda r: _order(stream, r))
    assert done.added == added
    if done.table is None:
        assert model == before
        assert done.replaced == 0
    else:
        rows = done.table.to_pylist()
        assert [{k: v for k, v in r.items() if k != "ingested_at"} for r in rows] == wanted
        assert done.table.schema == declared.file_schema
    got = [{k: v for k, v in r.items() if k != "ingested_at"} for r in done.conflicts.to_pylist()]
    assert sorted(got, key=repr) == sorted(conflicts, key=repr)
    if name == "trade_id" and not declared.replaces:
        assert done.replaced == 0


@pytest.mark.parametrize("stream", list(KEPT), ids=lambda s: s.dataset)
def test_identical_rows_change_nothing(stream: StreamId) -> None:
    rows = [_variant(stream, k, 1) for k in range(1, 6)]
    held = _stamped(stream, rows)
    again = merge(dataset(stream.dataset), held, _stamped(stream, [*rows, *rows[::-1]]))
    assert (again.table, again.added, again.replaced, again.conflicts.num_rows) == (None, 0, 0, 0)


@pytest.mark.parametrize("stream", [CANDLES, TRANSFERS], ids=lambda s: s.dataset)
def test_of_several_states_the_last_received_is_stored(stream: StreamId) -> None:
    held = _stamped(stream, [_variant(stream, 1, 0)])
    states = [_variant(stream, 1, s) for s in (1, 2, 0, 1)]
    done = merge(dataset(stream.dataset), held, _stamped(stream, states))
    assert done.table is not None and done.table.num_rows == 1
    left = done.table.to_pylist()[0]
    left.pop("ingested_at")
    assert left == _variant(stream, 1, 1)


def test_ids_are_ordered_as_numbers() -> None:
    rows = [row(TRADES, k, NOON) for k in (10, 9, 100, 2**62, 1)]
    done = merge(dataset("trades"), _stamped(TRADES, []), _stamped(TRADES, rows))
    assert done.table is not None
    assert done.table.column("trade_id").to_pylist() == ["1", "9", "10", "100", str(2**62)]


def test_the_same_trade_id_on_two_markets_is_two_rows() -> None:
    rows = [row(FILLS, 1), row(FILLS, 1, symbol="ETH-USD")]
    done = merge(dataset("account_trades"), _stamped(FILLS, []), _stamped(FILLS, rows))
    assert done.added == 2
    assert done.table is not None
    (keys,) = row_keys(dataset("account_trades"), done.table)
    assert len(set(keys.to_pylist())) == 2
