"""Rows that cannot be stored: kept up to a bound, and no fault of the store."""

import hashlib
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import warehouse
from pipelines.replay.quarantine import QuarantinedRows
from schemas import RejectedRow, StreamId
from tests.examples import examples
from tests.warehouse.healthy import errors
from tests.warehouse.tools import CANDLES, DAY, NOON, TRADES, TRANSFERS, duck, row, store
from warehouse.quarantine import PAYLOAD_BYTES
from warehouse.store import Store


def test_a_payload_is_kept_up_to_64_kib_with_its_length_and_hash(home: Path) -> None:
    long = "\u00e9" * 20_000_000
    exact = "x" * PAYLOAD_BYTES
    rejected = [RejectedRow("too long", long, position=77), RejectedRow("fits", exact)]
    assert store(home, TRADES, rejected=rejected).quarantined == 2
    assert store(home, TRADES, rejected=rejected).quarantined == 0, "one row, by its whole text"
    warehouse.publish(home)
    cut, whole = sorted(duck(home, "quarantine"), key=lambda r: str(r["reason"]), reverse=True)
    assert cut["payload"] == "\u00e9" * (PAYLOAD_BYTES // 2)
    digest = hashlib.sha256(long.encode()).hexdigest()
    assert cut["reason"] == (
        f"too long (payload cut: it had 40000000 bytes, SHA-256 {digest}, position 77)"
    )
    assert (whole["reason"], whole["payload"]) == ("fits", exact)
    assert warehouse.verify(home).ok


def test_a_cut_row_leaves_the_quarantine_only_when_it_is_rejected_no_more(home: Path) -> None:
    long = RejectedRow("odd", '{"id": "' + "x" * (2 * PAYLOAD_BYTES) + '"}')
    store(home, TRADES, rejected=[long])
    for rejected, released in (([long], 0), ([], 1)):
        with Store(home).open_stream(TRADES) as writer:
            rows = QuarantinedRows(writer)
            rows.note(long.payload.encode(), rejected)
            assert rows.release(writer) == released


def test_half_a_surrogate_is_kept_as_its_escape(home: Path) -> None:
    store(home, TRADES, rejected=[RejectedRow("odd \ud83d", '{"note": "\ud83d"}')])
    warehouse.publish(home)
    (kept,) = duck(home, "quarantine")
    assert (kept["reason"], kept["payload"]) == ("odd \\ud83d", '{"note": "\\ud83d"}')


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"side": "BUY"}, "side is none of buy, sell"),
        ({"price": None}, "price is null"),
        ({"timestamp": datetime(999, 1, 1, tzinfo=UTC)}, "lies outside of the years 1000 to 9999"),
        ({"timestamp": datetime(9999, 12, 31, 1, tzinfo=UTC)}, "lies outside of the years"),
    ],
)
def test_a_row_that_breaks_a_rule_goes_to_quarantine_and_its_neighbours_are_stored(
    home: Path, changes: dict[str, Any], reason: str
) -> None:
    done = store(home, TRADES, [row(TRADES, 1), row(TRADES, 2, **changes), row(TRADES, 3)])
    assert (done.added, done.quarantined) == (2, 1)
    warehouse.publish(home)
    assert reason in duck(home, "quarantine")[0]["reason"]
    assert warehouse.verify(home).findings == []


MOST = 10**20 - 1
"""What every declared decimal has room for."""
AMOUNTS = st.decimals(-MOST, MOST, places=12)
TIMES = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=st.just(UTC))
NEAR = st.integers(0, DAY).map(lambda us: datetime.fromtimestamp((NOON + us) / 1e6, UTC))
FIGURES: dict[str, st.SearchStrategy[Any]] = {
    n: st.none() | AMOUNTS for n in ("open", "high", "low", "close", "volume")
}
ROWS: dict[StreamId, dict[str, st.SearchStrategy[Any]]] = {
    CANDLES: FIGURES
    | {"timestamp": NEAR | TIMES, "timeframe": st.sampled_from(["5m", "5m", "5m", "1h"])},
    TRADES: {
        "trade_id": st.integers(0, 99).map(str) | st.text(max_size=3),
        "side": st.sampled_from(["buy", "sell", "buy", "", "BUY"]),
        "price": st.none() | AMOUNTS,
        "amount": AMOUNTS,
        "timestamp": NEAR | TIMES,
    },
    TRANSFERS: {
        "transaction_id": st.text(max_size=3),
        "amount": AMOUNTS,
        "status": st.sampled_from(["ok", "failed", "done"]),
        "timestamp": NEAR | TIMES,
    },
}


@pytest.mark.parametrize("stream", ROWS, ids=lambda s: s.dataset)
@settings(
    max_examples=examples(4),
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_whatever_is_stored_verify_agrees_right_afterwards(
    stream: StreamId, data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = tmp_path_factory.mktemp("home")
    for _ in range(2):
        drawn = data.draw(st.lists(st.fixed_dictionaries(ROWS[stream]), max_size=8))
        rows = [
            row(stream, 0) | {k: _exact(v) for k, v in one.items()} | {"cost": None}
            for one in drawn
        ]
        if stream is CANDLES:  # connectors call a candle final when its interval has ended
            now = datetime.now(UTC) - timedelta(hours=1)
            rows = [one | {"is_final": one["timestamp"] < now} for one in rows]
        if stream is not TRADES:
            rows = [{k: v for k, v in one.items() if k != "cost"} for one in rows]
        texts = st.text(max_size=20)
        rejected = [RejectedRow(data.draw(texts), data.draw(texts)) for _ in range(2)]
        store(home, stream, rows, rejected=rejected)
    warehouse.publish(home)
    assert errors(warehouse.verify(home)) == []


def _exact(value: object) -> object:
    return value + Decimal(0) if isinstance(value, Decimal) else value
