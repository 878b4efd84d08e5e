"""``tidemark verify`` and ``tidemark rebuild`` on homes that real pulls have filled."""

import json
import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

import warehouse
from pipelines.cli import main
from pipelines.cli.verify import write
from sandbox import Served
from tests.matrix import thinned
from tests.pipelines.ingest.conftest import run, settings_for
from tests.warehouse.healthy import unpublish
from warehouse.metastore import Metastore

PER_MARKET = "SELECT exchange, symbol, count(*) AS n FROM trades GROUP BY ALL"


def lose_metastore(home: Path) -> None:
    for path in home.glob("metastore.sqlite*"):
        path.unlink()


def coverage(home: Path, *datasets: str) -> list[dict[str, object]]:
    rows = warehouse.coverage(home).drop_columns(["ingested_at"]).to_pylist()
    return [r for r in rows if r["exchange"] == "bitexbit" or r["dataset"] in datasets]


@pytest.mark.slow
def test_after_real_pulls_everything_agrees(
    after_everything: Served, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for seconds in (0, 4000):
        after_everything.advance(seconds)
        if seconds:
            assert run(settings_for(after_everything, home)).errors == []
        assert main(["verify"]) == 0
        out, err = capsys.readouterr()
        assert err == ""
        lines = out.splitlines()
        assert lines[0] == f"home: {home}"
        assert all(line.startswith("ok  ") for line in lines[1:-1]), out
        assert all("differences: 0" in line or "0 differences" in line for line in lines[1:-1])
        assert lines[-1].startswith("verdict: everything agrees (")
    assert main(["verify", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["ok"] and result["findings"] == []
    assert result["figures"]["candles"]["candles"] > 1000
    assert result["figures"]["files"]["rows"] == result["figures"]["duckdb"]["rows"] > 5_000


def test_a_damaged_file_is_restored_from_the_published_copy(
    exchange: Served, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(settings_for(exchange, home), "bitexbit/trades")
    path = sorted((home / "lake" / "trades").rglob("*.parquet"))[1]
    content = path.read_bytes()
    path.write_bytes(content[:1000])
    assert main(["verify"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    restored = "was damaged: restored from the published copy (byte for byte)"
    assert f"healed: {path.relative_to(home).as_posix()}: {restored}" in out
    assert out.splitlines()[-1].startswith("verdict: everything agrees, after healing 2 things")
    assert path.read_bytes() == content
    assert main(["verify"]) == 0
    assert "healed" not in capsys.readouterr().out


def test_a_damaged_file_that_nothing_restores_ends_with_1_and_names_place_and_fix(
    exchange: Served, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = settings_for(exchange, home)
    run(settings, "bitexbit/trades")
    truth = warehouse.sql("SELECT count(*) AS n FROM trades", home=home).to_pylist()
    before = coverage(home)
    path = sorted((home / "lake" / "trades").rglob("*.parquet"))[1]
    unpublish(home)
    path.write_bytes(path.read_bytes()[:1000])
    assert main(["verify"]) == 1
    out, err = capsys.readouterr()
    assert f"wrong: {path.relative_to(home).as_posix()}: is damaged" in err
    assert "Fix: `tidemark rebuild`, which keeps the file in damaged/" in err
    assert "FAIL lake files as they were written" in out
    assert out.splitlines()[-1].startswith("verdict: ")
    # the fix works
    assert main(["rebuild"]) == 0
    assert coverage(home) != before
    assert run(settings, "bitexbit/trades").errors == []
    assert warehouse.sql("SELECT count(*) AS n FROM trades", home=home).to_pylist() == truth
    assert coverage(home) == before
    assert main(["verify"]) == 0


def test_a_changed_duckdb_is_repaired_by_rebuild(
    exchange: Served, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import duckdb

    run(settings_for(exchange, home), "bitexbit/trades")
    with duckdb.connect(str((home / "warehouse.duckdb").resolve())) as db:
        db.execute(
            "UPDATE trades SET amount = amount + 1 WHERE trade_id IN (SELECT min(trade_id)"
            " FROM trades)"
        )
    assert main(["verify"]) == 1
    assert "with other values. Fix: `tidemark rebuild`" in capsys.readouterr().err
    assert main(["rebuild"]) == 0
    assert main(["verify"]) == 0


@pytest.mark.slow
@pytest.mark.parametrize("how", thinned(["verify first", "pull first"], 2))
def test_after_a_lost_metastore_pulls_prove_again_and_add_no_row(
    how: str, exchange: Served, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    settings = settings_for(exchange, home)
    # one of every kind of paging; all that there is: the test at the top
    streams = ("*/trades", "*/account_trades", "bitexbit/candles", "wex/account_orders")
    assert run(settings, *streams).errors == []
    before = coverage(home)
    counts = warehouse.sql(PER_MARKET, home=home)
    lose_metastore(home)
    if how == "verify first":
        assert main(["verify"]) == 0
        out = capsys.readouterr().out
        assert "nothing counts as complete" in out
        assert coverage(home) == []
        assert main(["status"]) == 0
    report = run(settings, *streams)
    assert report.errors == []
    assert sum(s.rows_added + s.rows_replaced for s in report.streams) == 0
    assert coverage(home) == before
    again = warehouse.sql(PER_MARKET, home=home)
    assert sorted(again.to_pylist(), key=str) == sorted(counts.to_pylist(), key=str)
    assert main(["verify"]) == 0


def test_rows_held_below_what_wex_still_shows_stay_after_a_lost_metastore(
    exchange: Served, home: Path
) -> None:
    settings = settings_for(exchange, home)
    exchange.switch(wex_trades_max=100)
    run(settings, "wex/trades")
    held = warehouse.sql("SELECT count(*) AS n FROM trades", home=home).to_pylist()[0]["n"]
    lose_metastore(home)
    exchange.switch(wex_trades_max=40)
    report = run(settings, "wex/trades")
    assert report.ok  # what is not shown at a first contact is lost, and no failure
    assert warehouse.sql("SELECT count(*) AS n FROM trades", home=home).to_pylist()[0]["n"] == held
    spans = warehouse.coverage(home).to_pylist()
    for symbol in ("BTC-USD", "ETH-USD"):
        mine = [s for s in spans if s["stream"] == symbol]
        assert [s["state"] for s in mine] == ["lost", "complete"]
        assert mine[0]["lower"] == 0 and mine[0]["upper"] + 1 == mine[1]["lower"]
    assert main(["verify"]) == 0
    assert run(settings, "wex/trades").ok


@pytest.mark.parametrize("days", [3])  # of WEX's trades too several files
def test_a_wex_file_that_is_gone_and_cannot_be_had_again_is_lost(
    exchange: Served, home: Path
) -> None:
    settings = settings_for(exchange, home)
    run(settings, "wex/trades")
    files = sorted((home / "lake/trades/exchange=wex/symbol=BTC-USD").glob("*.parquet"))
    files[-2].unlink()
    exchange.switch(wex_trades_max=20)
    report = run(settings, "wex/trades")
    assert not report.ok
    assert "lost" in report.errors[0]
    assert main(["verify"]) == 0
    assert run(settings, "wex/trades").ok


def test_a_lost_duckdb_is_built_again(
    exchange: Served, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(settings_for(exchange, home), "bitexbit/trades")
    before = warehouse.sql("FROM trades ORDER BY symbol, trade_id", home=home).to_pylist()
    for path in (home / "versions").iterdir():
        path.unlink()
    assert main(["verify"]) == 0
    out = capsys.readouterr().out
    assert "healed: warehouse.duckdb: was lost or damaged: built from the lake" in out
    assert "after healing 1 thing" in out
    assert warehouse.sql("FROM trades ORDER BY symbol, trade_id", home=home).to_pylist() == before


@pytest.mark.slow
def test_verifying_while_pulls_run_finds_nothing_wrong(
    exchange: Served, home: Path, feeds: Callable[[str, str], Path]
) -> None:
    datasets = "{trades: {}, candles: {timeframes: [5m, 1h]}}"
    spec = f"markets: [BTC-USD]\nstart: 2016-01-01\ndatasets: {datasets}"
    feeds(f"exchange: wex\n{spec}", "wex")
    root = feeds(f"exchange: bitexbit\n{spec}", "bitexbit")
    settings = settings_for(exchange, home)
    assert run(settings, feeds_root=root).errors == []
    errors: list[str] = []
    verified = threading.Event()

    def pulls() -> None:
        while not verified.is_set():
            exchange.advance(900)
            errors.extend(run(settings, feeds_root=root).errors)

    puller = threading.Thread(target=pulls)
    puller.start()
    try:
        for _ in range(3):
            assert [str(f) for f in warehouse.verify(home).of("error")] == []
    finally:
        verified.set()
        puller.join()
    assert errors == []
    assert main(["verify"]) == 0


def test_nothing_collected_yet(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("verify", "rebuild"):
        assert main([command]) == 0
        assert "nothing collected yet" in capsys.readouterr().out
    assert list(home.iterdir()) == []


def test_wrong_usage_ends_with_2(home: Path) -> None:
    assert main(["verify", "everything"]) == 2
    assert main(["rebuild", "--all"]) == 2


def test_a_metastore_of_a_newer_version_is_left_alone(
    exchange: Served, home: Path, metastore: str, capsys: pytest.CaptureFixture[str]
) -> None:
    run(settings_for(exchange, home), "bitexbit/trades")
    with Metastore(home).reading() as db:
        in_header = metastore == "sqlite"  # of the file; PostgreSQL has the counter alone
        is_newer = "PRAGMA user_version = 99" if in_header else "UPDATE counters SET value = 99"
        db.execute(is_newer if in_header else f"{is_newer} WHERE name = 'version'")
    assert main(["verify"]) == 1
    assert "Fix: update Tidemark" in capsys.readouterr().err
    assert not list(home.glob("*.damaged-*"))


def test_what_verify_says_has_no_path_outside_the_home(
    exchange: Served, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run(settings_for(exchange, home), "bitexbit/trades")
    path = next((home / "lake" / "trades").rglob("*.parquet"))
    unpublish(home)
    path.write_bytes(os.urandom(100))
    assert main(["verify", "--json"]) == 1
    result = json.loads(capsys.readouterr().out)
    wrong = [f for f in result["findings"] if f["kind"] == "error"]
    assert wrong[0]["where"] == path.relative_to(home).as_posix()
    assert wrong[0]["fix"]


def test_figures_of_one_thing_are_singular(capsys: pytest.CaptureFixture[str]) -> None:
    result = warehouse.Verification()
    result.count("files", files=1, hashes=1, rows=2)
    result.count("coverage", intervals=1, lost=0, unsettled=1)
    write(result)
    out = capsys.readouterr().out
    assert ": 1 file, 1 hash, 2 rows;" in out and ": 1 interval, 0 lost, 1 unsettled;" in out
    assert "candles built again from trades: no candle is stored where the trades are" in out
