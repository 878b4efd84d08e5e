"""Purging a stream: everything of it goes, nothing else does, and a crash leaves no false claim."""

from pathlib import Path

import pytest

import warehouse
from schemas import RejectedRow, StreamId
from tests.warehouse.tools import CANDLES, FILLS, HOURLY, NOON, TRADES, duck, row, store
from warehouse import raw
from warehouse.intervals import Interval
from warehouse.metastore import Metastore
from warehouse.paths import of_stream, quarantine_of
from warehouse.purge import held, purge
from warehouse.state import StreamState

OTHER = StreamId("x", "trades", "ETH-USD")


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    """A home with two markets, each with rows, quarantine and archived responses."""
    for stream in (TRADES, OTHER, CANDLES, HOURLY, FILLS):
        rows = [row(stream, key) for key in range(1, 10)]
        rejected = [RejectedRow("no price", f'{{"id": {stream.symbol}}}')]
        proved = StreamState((Interval(1, 10, 1, 9, NOON + 1, NOON + 9),))
        state = proved if stream.dataset == "trades" else None
        store(tmp_path, stream, rows, state=state, rejected=rejected)
        writer = raw.RawWriter(tmp_path)
        writer.append(stream, raw.RawResponse(1, {"query": "a"}, b"{}"))
    warehouse.publish(tmp_path)
    return tmp_path


def test_what_is_held_is_told_before(filled: Path) -> None:
    found = held(filled, TRADES)
    assert (found.files, found.raw_files) == (1, 1)
    assert found.bytes > 0 and found.raw_bytes > 0
    assert held(filled, quarantine_of(TRADES)).files == 1
    assert held(filled, quarantine_of(TRADES)).raw_files == 0


def test_a_stream_goes_with_everything_and_alone(filled: Path) -> None:
    purge(filled, quarantine_of(TRADES))
    purge(filled, TRADES)
    purge(filled, HOURLY)
    assert not of_stream(filled, TRADES) and not raw.folder(filled, TRADES).exists()
    kept = {s.stream for s in warehouse.status(filled)}
    assert not kept & {TRADES, quarantine_of(TRADES), HOURLY}
    assert kept >= {OTHER, quarantine_of(OTHER), CANDLES, FILLS}
    warehouse.publish(filled)
    assert {r["symbol"] for r in duck(filled, "trades")} == {"ETH-USD"}
    assert {r["timeframe"] for r in duck(filled, "candles")} == {"5m"}
    assert len(duck(filled, "account_trades")) == 9
    assert {r["stream"] for r in duck(filled, "coverage") if r["dataset"] == "trades"} == {
        "ETH-USD"
    }
    assert all("BTC-USD" not in r["payload"] for r in duck(filled, "quarantine")
               if r["dataset"] == "trades")  # fmt: skip
    result = warehouse.verify(filled)
    assert result.ok and not result.of("healed"), result.findings


def test_a_crash_on_the_way_leaves_no_claim(filled: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Metastore, "forget", stop)
        with pytest.raises(KeyboardInterrupt):
            purge(filled, TRADES)
    assert {s.stream: s.state.complete for s in warehouse.status(filled)}[TRADES] == ()
    purge(filled, TRADES)
    assert TRADES not in {s.stream for s in warehouse.status(filled)}
    warehouse.publish(filled)
    assert warehouse.verify(filled).ok


def test_a_purged_stream_can_be_collected_again(filled: Path) -> None:
    purge(filled, TRADES)
    done = store(filled, TRADES, [row(TRADES, 5)])
    assert done.added == 1
    warehouse.publish(filled)
    found = [r["trade_id"] for r in duck(filled, "trades") if r["symbol"] == "BTC-USD"]
    assert found == ["5"]
