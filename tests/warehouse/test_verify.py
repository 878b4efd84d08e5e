"""``warehouse.verify`` where nothing is wrong: all is compared, nothing changed."""

from decimal import Decimal
from pathlib import Path

import warehouse
from tests.warehouse.healthy import COUNT, STEP, assert_clean, candle, errors, time_of
from tests.warehouse.tools import CANDLES, duck, parquet, store


def test_a_healthy_home_is_clean_and_the_figures_tell_what_was_compared(healthy: Path) -> None:
    result = assert_clean(healthy)
    assert result.of("note") == []
    rows = sum(len(duck(healthy, name)) for name in ("trades", "candles", "tickers"))
    rows += sum(len(duck(healthy, name)) for name in ("account_trades", "account_transactions"))
    rows += len(duck(healthy, "quarantine"))
    assert result.figures["files"]["rows"] == result.figures["duckdb"]["rows"] == rows
    assert result.figures["files"]["files"] == len(parquet(healthy))
    assert result.figures["candles"]["candles"] > 0
    assert result.figures["candles"]["differences"] == 0
    assert result.figures["coverage"] == {"intervals": 4, "lost": 0, "unsettled": 2}
    assert result.figures["published_coverage"]["intervals"] >= 4


def test_verifying_changes_nothing(healthy: Path) -> None:
    def look() -> dict[str, tuple[int, int]]:
        kept = ("lake", "versions", "warehouse.duckdb")
        return {
            str(p): (p.stat().st_ino, p.stat().st_mtime_ns)
            for p in healthy.rglob("*")
            if p.is_file() and p.relative_to(healthy).parts[0] in kept
        }

    before = look()
    assert_clean(healthy)
    assert look() == before


def test_an_empty_home_has_nothing_to_verify(home: Path) -> None:
    result = warehouse.verify(home)
    assert result.ok and result.findings == []
    assert list(home.iterdir()) == []


def test_a_candle_that_its_trades_do_not_make_is_noted(healthy: Path) -> None:
    opening = sorted({time_of(k) // STEP * STEP for k in range(COUNT)})[3]
    store(healthy, CANDLES, [candle(opening) | {"volume": Decimal(77)}])
    result = warehouse.verify(healthy)
    assert errors(result) == []
    (note,) = result.of("note")
    assert note.check == "candles"
    assert "1 candle with other figures" in note.what
    assert result.figures["candles"]["differences"] == 1
