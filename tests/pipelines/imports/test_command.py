"""``tidemark import``: formats recognised, mistakes explained, nothing overwritten."""

import gzip
import hashlib
import json
import os
import warnings
import zipfile
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import feather

import warehouse
from pipelines.cli import main
from pipelines.imports.batches import head_of
from pipelines.imports.formats import BY_NAME, recognise, same_market, timeframe_of
from pipelines.imports.sources import sources
from schemas import DATASETS, StreamId
from tests.feeds import write_feed
from tests.pipelines.imports.conftest import (
    Import,
    complete,
    held,
    line,
    quarantined,
    text_file,
    vision,
)
from tests.pipelines.ingest.reference_model import table
from warehouse.store import Store

KLINE = "1698364800000,1,3,0.5,2,10,1698368399999,30,5,4,14,0"
CANDLE = "timeframe, epoch_ms(timestamp), open, high, low, close, volume, is_final"
CSV = "trade_id=id,executed_at=when,side=side,price=px,amount=size"


# -- formats ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "begin", "exchange", "wanted"),
    [
        ("BTCUSDT-trades-2024-08.csv", line(1), "binance", "binance-trades"),
        ("x.csv", "1,2.5,3,7,9,1723161600000,true,True", "binance", "binance-aggtrades"),
        ("BTCUSDT-1h-2023-10-27.csv", KLINE, "binance", "binance-klines"),
        ("XBTUSD.csv", "1672531436,90.54,1.1", "kraken", "kraken-trades"),
        ("XBTUSD.csv", "1672531436,90.54,1.1", "binance", "kraken-trades"),
        ("bitstampUSD.csv", "1315922016,5.8,1.0", "binance", "bitcoincharts"),
        ("XBTUSD_60.csv", "1672531200,1,2,1,2,10,3", "kraken", "kraken-ohlcvt"),
        (
            "2020-03-01_XBTUSD.csv",
            "exchange,symbol,timestamp,local_timestamp,id,side,price,amount",
            "binance",
            "tardis-trades",
        ),
        ("XRP_ETH-5m.json", "[[1570752000000,1.5,2,1,1.5,10.0]]", "binance", "freqtrade-candles"),
        (
            "XRP_ETH-trades.json",
            '[[1570752011620,"1",null,"sell",0.1,23.0,2.3]]',
            "binance",
            "freqtrade-trades",
        ),
        ("t.csv", ",".join(DATASETS["trades"].schema.names), "wex", "tidemark-trades"),
        ("c.csv", ",".join(DATASETS["candles"].schema.names), "wex", "tidemark-candles"),
        ("x.csv", "name,age", "binance", None),
        ("x.csv", "1,2", "binance", None),
        ("x.csv", "1,2,3,4,1723161600000,true", "binance", None),  # trades of futures
    ],
)
def test_formats_are_recognised(
    name: str, begin: str, exchange: str, wanted: str | None, tmp_path: Path
) -> None:
    path = text_file(tmp_path / name, [begin, begin] if begin[0].isdigit() else [begin])
    (source,) = sources(path)
    found = recognise(head_of(source), source.name, exchange)
    assert (found.name if found else None) == wanted


def test_every_recorded_file_is_recognised(shared_data: Path) -> None:
    wanted = {
        "binance_vision_spot_klines_1h_2023-10-27_ms.csv": "binance-klines",
        "binance_vision_spot_klines_1s_2025-01-01_us.csv": "binance-klines",
        "binance_vision_cm_klines_1h_2023-10-27_with_header.csv": None,
        "bitcoincharts_bitstampUSD_first10.csv": "bitcoincharts",
        "kraken_trades_BCHEUR_2023.csv": "bitcoincharts",  # of kraken: kraken-trades
        "tardis_trades_bitmex_XBTUSD_2020-03-01.csv": "tardis-trades",
        "freqtrade_XRP_ETH-5m.feather": "freqtrade-candles",
        "freqtrade_XRP_ETH-1m.feather": "freqtrade-candles",
        "freqtrade_XRP_ETH-trades.feather": "freqtrade-trades",
        "freqtrade_XRP_ETH-trades.json.gz": "freqtrade-trades",
    }
    for name, form in wanted.items():
        (source,) = sources(shared_data / "exchanges" / "dumps" / name)
        found = recognise(head_of(source), source.name, "binance")
        assert (found.name if found else None) == form, name


@pytest.mark.parametrize(
    ("spelled", "symbol", "same"),
    [
        ("BTCUSDT", "BTC-USDT", True),
        ("XBTUSD", "BTC-USD", True),
        ("XRP_ETH", "XRP-ETH", True),
        ("xdgxbt", "DOGE-BTC", True),
        ("ETHUSDT", "BTC-USDT", False),
        ("BTCUSD", "BTC-USDT", False),
    ],
)
def test_spellings_of_a_market(spelled: str, symbol: str, same: bool) -> None:
    assert same_market(spelled, symbol) is same


def test_spellings_of_timeframes() -> None:
    assert [timeframe_of(t) for t in ("5m", "60", "1440", "1s", "1mo", "1Mo", "7")] == [
        *("5m", "1h", "1d"),
        *(None,) * 4,
    ]


# -- trades ----------------------------------------------------------------------------------------


def test_files_that_overlap_change_nothing(tmp_path: Path, home: Path, run: Import) -> None:
    lines, folder = [line(n) for n in range(1, 301)], tmp_path / "files"
    assert "200 new rows" in run(vision(folder, lines[:200], "BTCUSDT-trades-2024-08")).out
    found = run(vision(folder, lines[100:]))
    assert found.code == 0 and "100 new rows" in found.out
    assert complete(home) == [(1, 300)]
    before = {p: p.stat().st_mtime_ns for p in (home / "lake").rglob("*.parquet")}
    found = run(folder)
    assert found.code == 0 and "0 new rows; nothing changed" in found.out
    assert before == {p: p.stat().st_mtime_ns for p in (home / "lake").rglob("*.parquet")}
    assert main(["verify"]) == 0


def test_rows_that_do_not_fit_are_named(tmp_path: Path, home: Path, run: Import) -> None:
    lines = [line(n) for n in range(1, 10)]
    lines[1] = line(2, price="1e400")
    lines[2] = line(3, price="0.1234567890123")
    lines[3] = "4,1.5"
    lines[4] = ""
    lines[5] = line(6, ms=17)
    lines[6] = line(7).replace("True,True", "perhaps,True")
    lines[7] = '"' + lines[7]
    path = vision(tmp_path, lines)
    found = run(path)
    assert found.code == 1
    for number, what in (
        (2, "price does not fit"),
        (3, "price does not fit"),
        (4, "it has 2 columns, not 7"),
        (6, "timestamp is not a date"),
        (7, "buyer_is_maker is none of"),
        (8, "trade_id is not a number"),
    ):
        assert f"line {number}: " in found.err and what in found.err
    assert held(home, "trade_id") == [("1",), ("9",)]
    assert len(quarantined(home)) == 6
    assert complete(home) == [(1, 1), (9, 9)]
    assert run(path).code == 1
    assert len(quarantined(home)) == 6


def test_bytes_that_are_no_text(tmp_path: Path, home: Path, run: Import) -> None:
    """In a row that is one, and in one that lacks a column."""
    path = tmp_path / "BTCUSDT-trades-2024-08-09.csv"
    rows = [line(1), line(2).replace("0.1", "\xe9"), "3,\xe9", line(4)]
    path.write_bytes("".join(f"{one}\n" for one in rows).encode("latin-1"))
    found = run(path)
    assert found.code == 1
    assert "line 2: the row's amount" in found.err and "line 3: it has 2 columns" in found.err
    assert held(home, "trade_id") == [("1",), ("4",)]


def test_odd_text_is_exact(tmp_path: Path, home: Path, run: Import) -> None:
    lines = [line(1, price="1e-7"), line(2, price="007.10"), line(3, amount=".5")]
    lines.append(line(4, price="12345678901234567890123456.123456789012"))
    assert run(vision(tmp_path, lines)).code == 0
    assert held(home, "price, amount") == [
        (Decimal("1e-7"), Decimal("0.1")),
        (Decimal("7.1"), Decimal("0.1")),
        (Decimal("61000.5"), Decimal("0.5")),
        (Decimal("12345678901234567890123456.123456789012"), Decimal("0.1")),
    ]


def test_one_id_twice_with_other_values(tmp_path: Path, home: Path, run: Import) -> None:
    found = run(vision(tmp_path, [line(1), line(2), line(2, price="7")]))
    assert found.code == 1 and "trade_id 2 contradicts" in found.err
    assert "Fix: compare them" in found.err
    assert complete(home) == [(1, 1)]
    assert held(home, "price") == [(Decimal("61000.5"),)] * 2


def test_a_dry_run_stores_nothing(tmp_path: Path, home: Path, run: Import) -> None:
    found = run(vision(tmp_path, [line(1), line(2), line(9)]), "--dry-run")
    assert found.code == 0 and "nothing was stored" in found.out
    assert "trades of Binance Vision (spot) (binance-trades) → trades of binance" in found.out
    assert "| 1        | 2024-08-09 00:00:00.001Z | sell | 61000.5 |" in found.out
    assert "missing: ids 3..8" in found.out
    assert list(home.iterdir()) == []


def test_of_an_exchange_with_holes_in_its_ids_nothing_is_claimed(
    tmp_path: Path, home: Path, run: Import
) -> None:
    path = text_file(tmp_path / "a.csv", ["1,1723161600,sell,1.5,2", "2,1723161601,buy,1.5,2"])
    named = "trade_id=1,timestamp=2,side=3,price=4,amount=5"
    assert run(path, "--columns", named, exchange="wex").code == 0
    assert held(home, "trade_id, side") == [("1", "sell"), ("2", "buy")]
    assert warehouse.coverage(home).num_rows == 0


def test_of_a_choice_of_rows_nothing_is_claimed(
    tmp_path: Path, home: Path, run: Import, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.imports.coverage._MOST_RUNS", 10)
    found = run(vision(tmp_path, [line(n) for n in range(0, 100, 3)]))
    assert found.code == 0 and "holes everywhere" in found.err and "missing" not in found.out
    assert complete(home) == [] and len(held(home, "trade_id")) == 34


def test_columns_by_name(tmp_path: Path, home: Path, run: Import) -> None:
    lines = [
        "id;when;side;px;size;x",
        "1;2024-08-09T00:00:00.5Z;BUY;1.5;2;",
        "2;1723161601.25;s;1;2;",
    ]
    path = text_file(tmp_path / "mine.csv", lines)
    assert run(path, "--columns", CSV).code == 0
    assert held(home, "trade_id, epoch_ms(timestamp), side") == [
        ("1", 1723161600500, "buy"),
        ("2", 1723161601250, "sell"),
    ]


def test_an_interrupted_import_continues(
    tmp_path: Path, home: Path, run: Import, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.imports.run.SEGMENT_ROWS", 10)
    monkeypatch.setattr("pipelines.imports.batches._BLOCK", 1000)
    path = vision(tmp_path, [line(n) for n in range(1, 101)])
    real, calls = Store.open_stream, []

    def broken(self: Store, *words: object, **named: object) -> object:
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(self, *words, **named)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(Store, "open_stream", broken)
        assert run(path).code == 130
    assert 0 < Store(home).state(StreamId("binance", "trades", "BTC-USDT")).complete[0].upper < 90
    assert run(path).code == 0
    assert complete(home) == [(1, 100)]
    assert len(held(home, "trade_id")) == 100


# -- other trades ----------------------------------------------------------------------------------


def test_tardis(tmp_path: Path, home: Path, run: Import) -> None:
    head = "exchange,symbol,timestamp,local_timestamp,id,side,price,amount"
    rows = [
        "binance,BTCUSDT,1723161600000001,1723161600100000,7,sell,1.5,2",
        "binance,BTCUSDT,1723161600000002,1723161600100001,8,unknown,1.5,2",
        "binance,BTCUSDT,1723161600000003,1723161600100002,9,buy,1.5,2",
        "binance,ETHUSDT,1723161600000003,1723161600100002,9,buy,1.5,2",
    ]
    path = text_file(tmp_path / "tardis.csv", [head, *rows])
    found = run(path)
    assert found.code == 1 and "line 3: the row's side is none of" in found.err
    assert held(home, "trade_id, epoch_us(timestamp)") == [
        ("7", 1723161600000001),
        ("9", 1723161600000003),
    ]
    okx = path.read_text().replace("binance,BTCUSDT", "okex,BTC-USDT")
    okx = okx.replace("unknown", "sell")
    assert run(text_file(tmp_path / "okx.csv", okx.split()), exchange="ccxt:okx").code == 0
    assert len(held(home, "trade_id")) == 5
    found = run(path, exchange="kraken")
    assert found.code == 1
    assert "holds no row of kraken/trades BTC-USDT: its rows are of binance BTCUSDT" in found.err


def test_tardis_without_ids(tmp_path: Path, home: Path, run: Import) -> None:
    head = "exchange,symbol,timestamp,local_timestamp,id,side,price,amount"
    rows = [f"binance,BTCUSDT,172316160000000{n},1723161600100000,,sell,1.5,2" for n in (1, 1, 2)]
    path = text_file(tmp_path / "tardis.csv", [head, *rows])
    assert run(path).code == 0
    assert table(home, "SELECT count(*), max(side) FROM reference_trades") == [(3, "sell")]


def test_a_lake_is_imported_market_by_market(
    tmp_path: Path, home: Path, run: Import, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files of the lake say exchange and market by their folders alone."""
    for market in ("BTC-USDT", "ETH-USDT"):
        name = f"{market.replace('-', '')}-trades-2024-08-09"
        assert run(vision(tmp_path, [line(1), line(2)], name), market=market).code == 0
    lake = tmp_path / "old"
    os.rename(home / "lake", lake)
    (path,) = lake.rglob("symbol=ETH-USDT/*.parquet")
    (tmp_path / "new").mkdir()
    monkeypatch.setenv("TIDEMARK_HOME", str(tmp_path / "new"))
    found = run(lake, market="ETH-USDT")
    assert found.code == 0 and "2 new rows" in found.out and "left out" in found.err
    assert "by its name" in run(path).err
    found = run(path, market="ETH-USDT", exchange="kraken")
    assert found.code == 2 and "is of binance by its folder" in found.err


def test_tidemarks_own_rows_come_back(tmp_path: Path, home: Path, run: Import) -> None:
    """As Parquet, as CSV, and as files of the lake."""
    lines = [line(n, price=f"{n}.000000000001") for n in range(1, 51)]
    assert run(vision(tmp_path, lines)).code == 0
    before = held(home, "* EXCLUDE (ingested_at)")
    out = tmp_path / "out"
    out.mkdir()
    for kind in ("csv", "parquet"):
        path = out / f"trades.{kind}"
        assert main(["export", kind, "trades", "--out", str(path)]) == 0
        assert "0 new rows" in run(path).out
    files = sorted((home / "lake" / "trades").rglob("*.parquet"))
    os.rename(home, tmp_path / "old")
    home.mkdir()
    found = run(*(tmp_path / "old" / f.relative_to(home) for f in files))
    assert found.code == 0 and "50 new rows" in found.out
    assert held(home, "* EXCLUDE (ingested_at)") == before
    assert complete(home) == [(1, 50)]


def test_emptied_ids_of_binance_are_no_trades(tmp_path: Path, home: Path, run: Import) -> None:
    rows = ["1,2.5,3,7,9,1723161600000,True,True", "2,0.0,0.0,-1,-1,1723161600001,True,True"]
    found = run(vision(tmp_path, rows, "BTCUSDT-aggTrades-2024-08-09"))
    assert found.code == 1 and "an id that was emptied" in found.err
    assert held(home, "reference_id, row_number", "reference_trades") == [("1", 1)]


def test_ccxts_exact_text_is_preferred(tmp_path: Path, home: Path, run: Import) -> None:
    row = {"id": "1", "timestamp": 1570752011620, "side": "sell", "amount": 23}
    row |= {"price": 0.0014134200000000001, "info": {"p": "0.00141342", "q": "23.00000000"}}
    path = tmp_path / "XRP_ETH-trades.json"
    path.write_text(json.dumps([row]))
    assert run(path, market="XRP-ETH").code == 0
    assert held(home, "price, amount", "reference_trades") == [(Decimal("0.00141342"), Decimal(23))]
    path.write_text(
        json.dumps([{**row, "info": {}}]).replace("0.00141342", "0.0014134200000000001")
    )
    found = run(path, market="XRP-ETH")
    assert found.code == 1  # of 15 digits a double is sure
    assert "more digits than a float tells apart" in found.err


def test_rows_of_floats_beyond_fifteen_digits(tmp_path: Path, home: Path, run: Import) -> None:
    when = pa.array([1_698_364_800_000 + 300_000 * n for n in range(3)], pa.int64())
    figures = {n: pa.array([1.5, 0.1 + 0.2, 2e-7]) for n in ("open", "high", "low", "close")}
    columns = {"date": when.cast(pa.timestamp("ms", "UTC")), **figures}
    path = tmp_path / "BTC_USDT-5m.feather"
    feather.write_feather(pa.table({**columns, "volume": pa.array([1.0, 2.0, 3.0])}), str(path))
    found = run(path)
    assert found.code == 1 and "line 2: the row's open has more digits" in found.err
    assert held(home, "open, is_final", "candles") == [
        (Decimal("2e-7"), False),  # it may have been open when the file was written
        (Decimal("1.5"), True),
    ]


def test_floats_of_any_column(tmp_path: Path, home: Path, run: Import) -> None:
    """A float tells only so many digits apart, whatever the format: 15 of a double, else 6."""
    path = tmp_path / "trades.parquet"
    owned = {name: values * 2 for name, values in _OWNED.items()}
    at = [1723161600000] * 2
    columns = {"timestamp": at, "side": ["buy"] * 2, "amount": pa.array([1.5, 61000.5], "float32")}
    prices = pa.array([12345.67890000001, 1.25])
    pq.write_table(pa.table({"trade_id": ["1", "2"], **columns, "price": prices, **owned}), path)
    found = run(path)
    assert found.code == 1 and "line 1: the row's price has more digits than a float" in found.err
    assert held(home, "trade_id, price, amount") == [("2", Decimal("1.25"), Decimal("61000.5"))]
    prices = pa.array([1.25, 12345.678], pa.float32())
    pq.write_table(pa.table({"trade_id": ["3", "4"], **columns, "price": prices, **owned}), path)
    assert "line 2: the row's price has more digits than a float" in run(path).err
    assert held(home, "trade_id") == [("2",), ("3",)]


def test_values_beyond_all_are_rejected(tmp_path: Path, home: Path, run: Import) -> None:
    """Half of a character, a time of another age, an id behind which none fits."""
    good, odd = [1723161600000, "1", None, "buy", 1.5, 2.5, 1], '[1, "2", null, "\\ud800", 1, 1, 1]'
    path = tmp_path / "BTC_USDT-trades.json"
    path.write_text(f"[{json.dumps(good)}, {odd}]")
    found = run(path)
    assert found.code == 1 and "row 2" in found.err.replace("line 2", "row 2")
    assert held(home, "reference_id", "reference_trades") == [("1",)]
    times = pa.array([2**61, 1_723_161_600], pa.timestamp("s"))
    words = {"side": ["buy"] * 2, "price": ["1"] * 2, "amount": ["1"] * 2}
    owned = {name: values * 2 for name, values in _OWNED.items()}
    table_ = pa.table({"trade_id": ["1", "2"], "timestamp": times, **words, **owned})
    feather.write_feather(table_, str(tmp_path / "x.feather"))
    assert run(tmp_path / "x.feather").code == 1
    found = run(vision(tmp_path, [line(2**63 - 1, 1723161600000), line(3)]))
    assert found.code == 1 and "is not an id between" in found.err
    assert held(home, "trade_id") == [("2",), ("3",)]


def test_many_files_are_few_rows(tmp_path: Path, home: Path, run: Import) -> None:
    """Of more than 20, those of which there is nothing to say; ``--verbose`` lists every file."""
    days = [f"BTCUSDT-trades-2024-{n // 28 + 1:02d}-{n % 28 + 1:02d}" for n in range(40)]
    for n, day in enumerate(days):
        odd = [line(n + 1, price="abc")] if n == 30 else []
        text_file(tmp_path / "days" / f"{day}.csv", [line(n + 1), *odd])
    found = run(tmp_path / "days")
    assert found.code == 1
    listed = [r.split("|") for r in found.out.splitlines() if ".csv" in r and r.startswith("|")]
    files = [f"{days[0]}.csv … {days[29]}.csv", f"{days[31]}.csv … {days[39]}.csv"]
    assert [r[1].strip() for r in listed] == [
        f"30 files: {files[0]}",
        f"{days[30]}.csv",
        f"9 files: {files[1]}",
    ]
    assert [r[2].strip() for r in listed] == ["30", "2", "9"]
    assert listed[0][7].strip() < listed[0][8].strip()
    found = run(tmp_path / "days", "--verbose")
    assert sum(r.startswith("| BTCUSDT") for r in found.out.splitlines()) == 40


# -- candles ---------------------------------------------------------------------------------------


def test_candles_that_contradict_and_that_were_open(
    tmp_path: Path, home: Path, run: Import
) -> None:
    name = "BTCUSDT-1h-2023-10-27"
    path = tmp_path / "BTC_USDT-1h.json"
    path.write_text("[[1698361200000,1.0,3.0,0.5,2.0,10.0],[1698364800000,1.0,1.0,1.0,1.0,1.0]]")
    assert run(path).code == 0
    assert [row[1:] for row in held(home, "timestamp, is_final", "candles")] == [(True,), (False,)]
    assert "1 stored" not in run(vision(tmp_path, [KLINE], name)).out
    assert held(home, CANDLE, "candles")[1] == (
        *("1h", 1698364800000),
        *map(Decimal, ("1", "3", "0.5", "2", "10")),
        True,
    )
    found = run(vision(tmp_path, [KLINE.replace(",3,", ",4,")], name))
    assert found.code == 1 and "high 4.000000000000, stored 3.000000000000" in found.err
    assert run(path).code == 0  # its open candle says nothing against the final one
    assert held(home, CANDLE, "candles")[1][3] == Decimal(3)


def test_the_timeframe_comes_from_rows_or_name(tmp_path: Path, home: Path, run: Import) -> None:
    rows = ["1672531200,1,2,1,2,10,3", "1672534800,1,2,1,2,10,3"]
    path = text_file(tmp_path / "XBTUSD_60.csv", rows)
    assert run(path, market="BTC-USD", exchange="kraken").code == 0
    found = run(path, "--timeframe", "5m", market="BTC-USD", exchange="kraken")
    assert found.code == 2 and "holds candles of 1h, not of 5m" in found.err
    assert held(home, "DISTINCT timeframe", "candles") == [("1h",)]
    other = text_file(tmp_path / "mine.csv", rows)
    found = run(other, market="BTC-USD", exchange="kraken")
    assert found.code == 2 and "--timeframe" in found.err
    found = run(vision(tmp_path, [KLINE], "BTCUSDT-1s-2023-10-27"), "--timeframe", "5m")
    assert found.code == 2 and "holds candles of 1h" in found.err


# -- mistakes --------------------------------------------------------------------------------------


def _header(folder: Path) -> Path:
    return text_file(
        folder / "BTCUSDT-1h-2023.csv", ["open_time,open,high,low,close,volume", KLINE]
    )


def _wrong_checksum(folder: Path) -> Path:
    path = vision(folder, [line(1)])
    path.with_name(path.name + ".CHECKSUM").write_text("0" * 64 + "  x.zip\n")
    return path


def _bad_zip(folder: Path) -> Path:
    path = vision(folder, [line(n) for n in range(500)], "BTCUSDT-trades-2024-08-10")
    path.with_name(path.name + ".CHECKSUM").unlink()
    data = bytearray(path.read_bytes())
    data[200:204] = b"\xff\xff\xff\xff"
    path.write_bytes(data)
    return path


def _noise(folder: Path) -> Path:
    path = folder / "noise.csv"
    path.write_bytes(b"\0\1\2\3" * 5000)
    return path


def _empty(folder: Path) -> Path:
    return text_file(folder / "empty.csv", [])


def _bad_lzma(folder: Path) -> Path:
    path = folder / "BTCUSDT-trades-2024-08-11.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("BTCUSDT-trades-2024-08-11.csv", "\n".join(map(line, range(500))))
    data = bytearray(path.read_bytes())
    data[700] ^= 0x40
    path.write_bytes(data)
    return path


def _checksum_folder(folder: Path) -> Path:
    path = _wrong_checksum(folder)
    beside = path.with_name(path.name + ".CHECKSUM")
    beside.unlink()
    beside.mkdir()
    return path


def _no_checksum(folder: Path) -> Path:
    path = _wrong_checksum(folder)
    path.with_name(path.name + ".CHECKSUM").write_text("MD5 0123\n")
    return path


def _nested(folder: Path) -> Path:
    path = folder / "trades.parquet"
    one = {"trade_id": "1", "timestamp": "1723161600000", "side": "buy", "amount": "1"}
    pq.write_table(pa.table({**{n: [v] for n, v in one.items()}, "price": [["1"]], **_OWNED}), path)
    return path


def _deep(folder: Path) -> Path:
    return text_file(folder / "BTC_USDT-trades.json", ["[" * 100_000])


_OWNED: dict[str, list[object]] = {
    "symbol": ["BTC-USDT"],
    "exchange": ["binance"],
    "ingested_at": [0],
}
"""What says that a table is of Tidemark, and of this market."""


def _pipe(folder: Path) -> Path:
    path = folder / "BTCUSDT-trades-2024-08-11.csv"
    os.mkfifo(path)
    return path


def _plain(folder: Path) -> Path:
    return vision(folder, [line(1)])


@pytest.mark.parametrize(
    ("make", "words", "code", "says"),
    [
        (lambda f: f / "none.csv", [], 2, "cannot read"),
        (_empty, [], 2, "is empty"),
        (_noise, [], 2, "no file of rows"),
        (_header, [], 2, "has a header, as files of futures have"),
        (_wrong_checksum, [], 1, "does not have the checksum"),
        (_bad_zip, [], 2, "cannot be read"),
        (_bad_lzma, [], 2, "cannot be read"),
        (_checksum_folder, [], 1, "CHECKSUM: Is a directory"),
        (_pipe, [], 2, "it is no file"),
        (_no_checksum, [], 1, "holds no SHA-256"),
        (_nested, [], 2, "its column price holds list<"),
        (_deep, [], 2, "lists in lists without end"),
        (_plain, ["--format", "binance-trade"], 2, "did you mean 'binance-trades'"),
        (_plain, ["--format", "csv"], 2, "needs --columns"),
        (_plain, ["--columns", "prize=2"], 2, "no value of a trade or candle is called so"),
        (_plain, ["--columns", "price=22"], 2, "no such column"),
        (_plain, ["--columns", "price=2"], 2, "--columns names no amount, timestamp"),
        (_plain, ["--dataset", "candles"], 2, "no rows of candles"),
        (_plain, ["--dataset", "tickers"], 2, "unknown"),
    ],
)
def test_mistakes(
    make: Callable[[Path], Path],
    words: list[str],
    code: int,
    says: str,
    tmp_path: Path,
    home: Path,
    run: Import,
) -> None:
    found = run(make(tmp_path), *words)
    assert (found.code, says in found.err) == (code, True), found.err
    assert "Fix:" in found.err
    assert not (home / "lake").exists()


@pytest.mark.parametrize(
    ("market", "exchange", "says"),
    [
        ("ETH-USDT", "binance", "is of BTCUSDT by its name or folder, not of ETH-USDT"),
        ("BTCUSDT", "binance", "write it as BASE-QUOTE"),
        ("BTC-USDT", "binanse", "did you mean 'binance'"),
        ("BTC-USDT", "okx1", "or ccxt:ID, as ccxt:okx"),
        ("BTC-USDT", "kraken", "--exchange binance"),
    ],
)
def test_another_market_or_exchange(
    market: str, exchange: str, says: str, tmp_path: Path, home: Path, run: Import
) -> None:
    found = run(_plain(tmp_path), market=market, exchange=exchange)
    assert found.code == 2 and says in found.err


def test_a_wrong_checksum_can_be_ignored(tmp_path: Path, home: Path, run: Import) -> None:
    assert run(_wrong_checksum(tmp_path), "--ignore-checksum").code == 0
    assert held(home, "trade_id") == [("1",)]


OF_TWO = f"{'0' * 64}  other.zip\n{{0}}  {{1}}\n"


@pytest.mark.parametrize(
    "form", ["\ufeff{0}  {1}\n", "SHA256 ({1}) = {0}\n", "{2} *{1}\r\n", OF_TWO]
)
def test_forms_of_a_checksum(form: str, tmp_path: Path, home: Path, run: Import) -> None:
    """With a byte order mark, of BSD, of Windows, of several files."""
    path = vision(tmp_path, [line(1)])
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    said = form.format(digest, path.name, digest.upper())
    path.with_name(path.name + ".CHECKSUM").write_text(said, encoding="utf-8")
    assert run(path).code == 0
    path.write_bytes(path.read_bytes() + b"\0")
    assert run(path).code == 1


def test_members_of_one_name_and_beside_the_rows(tmp_path: Path, home: Path, run: Import) -> None:
    """Each is imported; checksums and macOS' notes are not spoken of."""
    path = tmp_path / "BTCUSDT-trades-2024-08-11.zip"
    name = path.with_suffix(".csv").name
    with zipfile.ZipFile(path, "w") as archive, warnings.catch_warnings(action="ignore"):
        archive.writestr(f"__MACOSX/._{name}", b"\0\5\26\7")
        archive.writestr(name, line(1) + "\n")
        archive.writestr(name, line(2) + "\n")
        archive.writestr(f"{name}.CHECKSUM", "0" * 64)
    found = run(path)
    assert found.code == 0 and "left out" not in found.err
    assert held(home, "trade_id") == [("1",), ("2",)]


def test_blank_lines_without_end(tmp_path: Path, home: Path, run: Import) -> None:
    path = vision(tmp_path, [line(1), *[""] * 3_000_000])
    found = run(path, vision(tmp_path, [line(2)], "BTCUSDT-trades-2024-08-10"))
    assert found.code == 1 and "over 1 MB of blank lines" in found.err and "Fix:" in found.err


def test_one_bad_file_does_not_stop_the_others(tmp_path: Path, home: Path, run: Import) -> None:
    found = run(_bad_zip(tmp_path), _plain(tmp_path), _noise(tmp_path))
    assert found.code == 1 and "noise.csv is no file of rows" in found.err
    assert held(home, "trade_id") == [("1",)]


def test_a_file_of_garbage_ends_early(tmp_path: Path, home: Path, run: Import) -> None:
    lines = [line(1), *(line(n, price="x") for n in range(2, 5000))]
    found = run(vision(tmp_path, lines))
    assert found.code == 1 and "more rows do not fit than do" in found.err
    assert len(found.err) < 10_000


def test_a_folder_and_an_archive_of_many_markets(tmp_path: Path, home: Path, run: Import) -> None:
    """Only files whose names say the market, or whose rows do."""
    path = tmp_path / "all" / "Kraken_Trading_History.zip"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("XBTUSD", "ETHUSD", "XBTEUR"):
            archive.writestr(f"TimeAndSales/{name}.csv", "1672531436,90.54,1.1\n")
    (path.parent / "more.csv.gz").write_bytes(gzip.compress(b"1672531436,90.54,1.1\n"))
    for place in (path, path.parent):
        found = run(place, market="BTC-USD", exchange="kraken")
        assert found.code == 0, found.err
        assert "left out" in found.err
    assert table(home, "SELECT symbol, count(*) FROM reference_trades GROUP BY 1") == [
        ("BTC-USD", 1)
    ]
    text_file(path.parent / "README", ["what these files are"])
    (path.parent / "picture.png").write_bytes(b"\0" * 100)
    assert run(path.parent, market="BTC-USD", exchange="kraken").code == 0
    found = run(path.parent, market="LTC-USD", exchange="kraken")
    assert found.code == 2 and "no file of LTC-USD is among those named" in found.err


def test_a_damaged_parquet_file(tmp_path: Path, home: Path, run: Import) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"a": [1]}), path)
    assert run(path).code == 2
    path.write_bytes(path.read_bytes()[:-20])
    found = run(path)
    assert found.code == 2 and "damaged or cut off" in found.err


def test_what_was_imported_is_purged_only_by_name(
    tmp_path: Path,
    home: Path,
    run: Import,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    feed = "exchange: wex\nmarkets: [BTC-USD]\nstart: 2016-01-01\ndatasets: {trades: {}}\n"
    monkeypatch.setenv("TIDEMARK_FEEDS", str(write_feed(tmp_path / "feeds", feed)))
    assert run(_plain(tmp_path)).code == 0
    capsys.readouterr()
    assert main(["status"]) == 0
    assert " imported " in capsys.readouterr().out
    assert main(["purge", "--yes"]) == 0
    out = capsys.readouterr().out
    assert "imported, and kept unless it is named: binance/trades" in out
    assert held(home, "trade_id") == [("1",)]
    assert main(["purge", "binance/trades", "--yes"]) == 0
    assert held(home, "trade_id") == []


def test_the_help_names_every_option(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["import", "--help"]) == 0
    out = capsys.readouterr().out
    for option in ("--format", "--columns", "--dry-run", "--timeframe", "--ignore-checksum"):
        assert option in out
    assert len(BY_NAME) == 11
