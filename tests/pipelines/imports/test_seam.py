"""Recorded files, damaged as files are: after an import and a pull every trade is there once."""

import gzip
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path

import pytest

import warehouse
from connectors.local import NoLimits
from pipelines.cli import main
from pipelines.feeds import load_feeds, select_jobs
from pipelines.ingest import PullReport, pull
from pipelines.publishing import publish
from sandbox import ManualClock, Served, World, serve, tape
from sandbox.binance import dump
from sandbox.clock import DAY
from sandbox.marketdata import MarketTape
from tests.pipelines.imports.conftest import Import, complete, held, text_file, vision
from tests.pipelines.ingest.conftest import settings_for
from tests.pipelines.ingest.reference_model import table
from tests.pipelines.ingest.test_recorded import recorded, rows_of
from tests.worlds import world_at
from warehouse import StorageError

STORED = "trade_id::BIGINT, epoch_ms(timestamp), price, amount, side"
RECORDING = "binance_spot_btcusdt_trades_2024-08-08_09.csv.gz"
NEW_YEAR = 1_735_689_600_000
"""2025-01-01: Binance's files have microseconds from then on."""
Feeds = Callable[[str], Path]
Pull = Callable[[], PullReport]


@pytest.fixture(scope="module")
def btcusdt(tmp_path_factory: pytest.TempPathFactory, shared_data: Path) -> MarketTape:
    return tape.load(shared_data / "binance_spot_btcusdt_trades_2024-08-08_09.csv.gz", "BTC-USDT")


@contextmanager
def replaying(recording: MarketTape, market: str) -> Iterator[Served]:
    clock = ManualClock(int(recording.times[-1]) + 1)
    with serve(World.replay({market: recording}, clock), limits=False) as server:
        yield server


def pull_from(server: Served, home: Path, root: Path) -> PullReport:
    settings = settings_for(server, home)
    report = pull(select_jobs(load_feeds(root), []), settings, limits=NoLimits())
    publish(settings)
    return report


def feed(market: str, start: str, datasets: str = "trades: {}") -> str:
    return f"exchange: binance\nmarkets: [{market}]\nstart: {start}\ndatasets: {{{datasets}}}\n"


def days_of(recording: MarketTape) -> list[list[str]]:
    """The lines of each UTC day."""
    first = recording.times[0] - recording.times[0] % DAY
    days = range(first, recording.times[-1] + 1, DAY)
    return [list(dump.trades(recording, day, day + DAY)) for day in days]


def halved(path: Path) -> Path:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    return path


def test_damaged_files_and_one_pull(
    btcusdt: MarketTape, shared_data: Path, tmp_path: Path, home: Path, feeds: Feeds, run: Import
) -> None:
    """A stretch cut out, a day repeated, a file cut in half without a checksum."""
    before, after = days_of(btcusdt)
    one = vision(tmp_path, before[:2000] + before[3000:], "BTCUSDT-trades-2024-08-08")
    two = vision(tmp_path, after, "BTCUSDT-trades-2024-08-09")
    two.with_name(two.name + ".CHECKSUM").unlink()
    halved(two)
    root = feeds(feed("BTCUSDT", "2024-08-09", "trades: {}, candles: {timeframes: [1m, 5m]}"))

    assert run(one).code == 0
    found = run(two, one)  # the first once more
    assert found.code == 1
    assert "breaks off" in found.err and "Fix:" in found.err
    first, last = btcusdt.ids[0], btcusdt.ids[-1]
    spans = complete(home)
    assert spans[0] == (first, first + 1999)
    assert spans[1][0] == first + 3000 and spans[1][1] < last
    assert f"missing: ids {first + 2000}..{first + 2999}" in run(one).out

    with replaying(btcusdt, "BTC-USDT") as server:
        server.switch(klines_empty="omit")
        report = pull_from(server, home, root)
        assert report.errors == []
    rows = rows_of(shared_data / "binance_spot_btcusdt_trades_2024-08-08_09.csv.gz")
    assert held(home, STORED) == sorted(recorded(rows, "trade_id"))
    assert complete(home) == [(first, last)]
    verdicts = {v for (v,) in table(home, "SELECT DISTINCT verdict FROM marts.candles_compared")}
    assert "equal" in verdicts and verdicts <= {"equal", "unproved", "empty"}


def test_a_replaced_file_contradicts_and_changes_nothing(
    btcusdt: MarketTape, tmp_path: Path, home: Path, run: Import
) -> None:
    lines, _ = days_of(btcusdt)
    assert run(vision(tmp_path, lines)).code == 0
    before = held(home, STORED)
    fields = lines[100].split(",")
    other = ",".join([fields[0], "1.5", *fields[2:]])
    again = run(vision(tmp_path, [*lines[:100], other, *lines[101:]]))
    assert again.code == 1
    assert f"line 101: trade_id {fields[0]} contradicts" in again.err
    assert "price 1.500000000000, stored" in again.err
    assert "nothing was overwritten" in again.err
    assert held(home, STORED) == before
    assert table(home, "SELECT reason FROM quarantine") == [("contradicts the row already stored",)]


def test_the_unit_changes_in_the_middle_of_a_file(
    btcusdt: MarketTape, tmp_path: Path, home: Path, run: Import
) -> None:
    """Milliseconds and microseconds are told apart row by row."""
    lines, _ = days_of(btcusdt)
    mixed = []
    for at, one in enumerate(lines):
        fields = one.split(",")
        if at % 3:
            fields[4] += "000"
        mixed.append(",".join(fields))
    assert run(vision(tmp_path, lines)).code == 0
    found = run(vision(tmp_path, mixed))
    assert found.code == 0 and "0 new rows" in found.out


def test_the_exchanges_own_candles_equal_those_of_imported_trades(
    shared_data: Path, tmp_path: Path, home: Path, feeds: Feeds, run: Import
) -> None:
    """Trades in three files of which one lacks a stretch; candles as recorded, of 1m and 5m."""
    recording = tape.load(
        shared_data / "binance_spot_xrpeth_aggtrades_2019-10-11_13.csv.gz", "XRP-ETH"
    )
    days = days_of(recording)
    assert len(days) == 3
    days[1] = days[1][:1000] + days[1][1500:]
    paths = [
        vision(tmp_path, lines, f"XRPETH-trades-2019-10-{11 + at}") for at, lines in enumerate(days)
    ]
    found = run(*paths, market="XRP-ETH")
    assert found.code == 0 and found.out.count("missing: ids ") == 1
    assert len(complete(home, "XRP-ETH")) == 4  # the hole, and where files only touch
    with replaying(recording, "XRP-ETH") as server:
        assert pull_from(server, home, feeds(feed("XRPETH", "2019-10-12"))).errors == []
    assert len(complete(home, "XRP-ETH")) == 1
    for timeframe in ("1m", "5m"):
        path = shared_data / f"binance_spot_xrpeth_candles_{timeframe}_2019-10-11_13.csv.gz"
        named = "timestamp=open_ms,open=open,high=high,low=low,close=close,volume=volume"
        words = (path, "--columns", named, "--timeframe", timeframe)
        assert run(*words, market="XRP-ETH").code == 0
    query = "SELECT timeframe, verdict, count(*) FROM marts.candles_compared GROUP BY ALL"
    counts = {(row[0], row[1]): row[2] for row in table(home, query)}
    # the first and the last interval are not whole
    assert counts.pop(("1m", "unproved")) == 2 and counts.pop(("5m", "unproved")) == 2
    assert counts == {("1m", "equal"): 2467, ("1m", "empty"): 1091, ("5m", "equal"): 704}
    result = warehouse.verify(home)  # compares them too, though files do not prove candles
    assert result.ok and result.of("note") == []
    assert result.figures["candles"] == {"candles": 2467 + 704, "differences": 0}


def test_freqtrades_rows_are_kept_apart_and_agree(
    shared_data: Path, tmp_path: Path, home: Path, run: Import
) -> None:
    """Aggregate ids: never mixed with single ids, equal in sums and candles."""
    path = shared_data / "binance_spot_xrpeth_aggtrades_2019-10-11_13.csv.gz"
    days = days_of(tape.load(path, "XRP-ETH"))
    lines = [one for day in days for one in day]
    assert run(vision(tmp_path, lines, "XRPETH-trades-2019-10"), market="XRP-ETH").code == 0
    dumps = shared_data / "exchanges" / "dumps"
    for name in ("freqtrade_XRP_ETH-trades.feather", "freqtrade_XRP_ETH-trades.json.gz"):
        found = run(dumps / name, market="XRP-ETH")
        assert found.code == 0 and "kept apart" in found.out
        assert "0 new rows" in run(dumps / name, market="XRP-ETH").out
    assert table(home, "SELECT count(*), count(DISTINCT source) FROM reference_trades") == [
        (24_954, 2)
    ]
    assert table(home, "SELECT count(*) FROM trades") == [(12_477,)]
    query = "SELECT source, verdict, count(*) FROM marts.trades_compared GROUP BY ALL"
    assert {row[1] for row in table(home, query)} == {"equal"}
    sums = "sum(volume) = sum(reference_volume), sum(trades) = sum(reference_trades), count(*)"
    query = f"SELECT {sums} FROM marts.trades_compared WHERE timeframe = '1m' GROUP BY source"
    assert table(home, query) == [(True, True, 2467), (True, True, 2467)]


def test_equal_rows_of_kraken_are_distinct_trades(
    shared_data: Path, home: Path, run: Import
) -> None:
    path = shared_data / "exchanges" / "dumps" / "kraken_trades_BCHEUR_2023.csv"
    for _ in range(2):
        assert run(path, market="BCH-EUR", exchange="kraken").code == 0
    equal = "SELECT count(*) - count(DISTINCT (timestamp, price, amount)), count(*) FROM "
    assert table(home, equal + "reference_trades") == [(1, 148)]
    assert main(["verify"]) == 0


def test_the_row_at_the_seam_is_compared_with_the_exchanges(
    btcusdt: MarketTape, tmp_path: Path, home: Path, feeds: Feeds, run: Import
) -> None:
    """A file that ends just where the pulled rows begin: its last row is asked for first."""
    root = feeds(feed("BTCUSDT", "2024-08-10"))
    with replaying(btcusdt, "BTC-USDT") as server:
        assert pull_from(server, home, root).errors == []
        ((low, high),) = complete(home)
        assert low > btcusdt.ids[0]
        at = low - btcusdt.ids[0]
        lines = [one for day in days_of(btcusdt) for one in day]
        assert run(vision(tmp_path, lines[:at])).code == 0
        assert complete(home) == [(btcusdt.ids[0], low - 2), (low, high)]
        assert run(vision(tmp_path, lines[:at])).code == 0  # shows nothing that it had not shown
        assert complete(home) == [(btcusdt.ids[0], low - 2), (low, high)]
        assert pull_from(server, home, root).errors == []
        assert complete(home) == [(btcusdt.ids[0], high)]


def priced(lines: Iterable[str], price: str) -> list[str]:
    """``lines`` with another price."""
    return [",".join([f[0], price, *f[2:]]) for f in (one.split(",") for one in lines)]


@pytest.mark.parametrize(
    ("pulled_before", "overlap"),
    [(False, 0), (True, 0), (True, 50)],
    ids=["before any pull", "that only touches what was pulled", "that overlaps what was pulled"],
)
def test_a_file_of_another_market_is_found_out_at_the_seam(
    pulled_before: bool,
    overlap: int,
    btcusdt: MarketTape,
    shared_data: Path,
    tmp_path: Path,
    home: Path,
    feeds: Feeds,
    run: Import,
) -> None:
    """Its claim and its rows go, the exchange's rows come; the right file then adds the rest."""
    first, last = btcusdt.ids[0], btcusdt.ids[-1]
    lines = [one for day in days_of(btcusdt) for one in day]
    with replaying(btcusdt, "BTC-USDT") as server:
        root = feeds(feed("BTCUSDT", "2024-08-09"))
        if pulled_before:
            assert pull_from(server, home, root).errors == []
            ((low, _),) = complete(home)
            lines = lines[: low - first + overlap]
        found = run(vision(tmp_path, priced(lines, "77.7")))
        assert found.code == (1 if overlap else 0)
        if overlap:  # the rows that both have differ: nothing is claimed in the first place
            assert complete(home) == [(low, last)] and "nothing of it is claimed" in found.err
        root = feeds(feed("BTCUSDT", "2024-08-08"))
        report = pull_from(server, home, root)
        (problem,) = report.errors
        assert "binance shows other rows than a file had (ids " in problem and "Fix:" in problem
        assert "removed and no longer claimed" in problem
        assert sum(s.quarantined for s in report.streams) == 0
        tape_rows = sorted(recorded(rows_of(shared_data / RECORDING), "trade_id"))
        assert {*held(home, STORED)} <= {*tape_rows}
        again = pull_from(server, home, root)
        assert again.notices == [] and not any("a file had" in e for e in again.errors)
    for low, high in complete(home):
        assert {id_ for id_, *_ in held(home, STORED)} >= {*range(low, high + 1)}
    assert run(vision(tmp_path, lines)).code == 0
    assert held(home, STORED)[: len(lines)] == tape_rows[: len(lines)]
    assert complete(home)[0][0] == first


def test_microseconds_from_2025_on(tmp_path: Path, home: Path, run: Import) -> None:
    lines = [
        f"{number},1.5,2,3,{at},False,True"
        for number, at in ((1, NEW_YEAR - 1), (2, NEW_YEAR * 1000), (3, NEW_YEAR * 1000 + 7))
    ]
    assert run(vision(tmp_path, lines)).code == 0
    assert held(home, "trade_id, epoch_us(timestamp)") == [
        ("1", NEW_YEAR * 1000 - 1000),
        ("2", NEW_YEAR * 1000),
        ("3", NEW_YEAR * 1000 + 7),
    ]


@pytest.mark.parametrize("packed", [True, False])
def test_a_text_file_cut_in_a_row(packed: bool, tmp_path: Path, home: Path, run: Import) -> None:
    """What is left of the last row looks whole, and is not."""
    rows: Sequence[str] = ["1672531436,90.54,1.10448420", "1672531471,90.45,1.25"]
    path = text_file(tmp_path / "BCHEUR.csv", rows)
    path.write_bytes(path.read_bytes()[:-3])
    if packed:
        whole = gzip.compress(path.read_bytes())
        path = path.with_suffix(".csv.gz")
        path.write_bytes(whole)
    found = run(path, market="BCH-EUR", exchange="kraken")
    assert found.code == 1 and "line 2: the last line has no end" in found.err
    assert table(home, "SELECT amount::VARCHAR FROM reference_trades") == [("1.104484200000",)]


def test_what_the_sandbox_writes_and_what_it_serves_join(
    tmp_path: Path, home: Path, feeds: Feeds, run: Import
) -> None:
    """The documented demo, and then a pull: the files' days and today, without a hole."""
    with serve(world_at(days=2), limits=False) as server:
        server.advance(3600)
        dump.write(server.world, tmp_path / "dump")
        found = run(tmp_path / "dump", market="BTC-USD")
        assert found.code == 0 and "left out" in found.err
        root = feeds(feed("BTC-USD", "2020-01-01", "trades: {}, candles: {timeframes: [1m]}"))
        report = pull_from(server, home, root)
        assert report.errors == []
        ((_, high),) = complete(home, "BTC-USD")
        shown = server.world.visible("BTC-USD", server.world.now(), server.paging)
        assert high == len(shown) == len(held(home, "trade_id"))
        (trades,) = (s for s in report.streams if s.dataset == "trades")
        assert trades.rows_added < len(shown) / 2  # all else came from files
    query = "SELECT verdict FROM marts.candles_compared WHERE verdict IN ('different', 'missing')"
    assert table(home, query) == []


def test_a_file_that_was_replaced_and_a_pull(
    btcusdt: MarketTape, shared_data: Path, tmp_path: Path, home: Path, feeds: Feeds, run: Import
) -> None:
    """Milliseconds and true microseconds in one file, five rows wrong; then the same name anew.

    Files agree where a time is only finer. Where two differ, the exchange says which one is right.
    """
    before, after = days_of(btcusdt)
    finer = []
    for at, one in enumerate(after):
        fields = one.split(",")
        if at % 3:
            fields[4] += f"{at % 1000:03d}"
        finer.append(",".join(fields))
    wrong = [200, 201, 202, 900, 4000]
    for at in wrong:
        (finer[at],) = priced([finer[at]], "1.5")
    name = "BTCUSDT-trades-2024-08-09"
    day_before = vision(tmp_path, before, "BTCUSDT-trades-2024-08-08")
    assert run(day_before, vision(tmp_path, finer, name)).code == 0
    found = run(vision(tmp_path, after, name))
    assert found.code == 1 and "5 rows contradicting what is stored" in found.err
    first, last = btcusdt.ids[0], btcusdt.ids[-1]
    contested = [first + len(before) + at for at in wrong]
    spans, seam = complete(home), first + len(before)
    assert spans[:2] == [(first, seam - 2), (seam + 1, contested[0] - 1)]
    assert spans[-1] == (contested[-1] + 1, last)
    assert not any(low <= id_ <= high for low, high in spans for id_ in contested)
    root = feeds(feed("BTCUSDT", "2024-08-09", "trades: {}, candles: {timeframes: [1m, 5m]}"))
    with replaying(btcusdt, "BTC-USDT") as server:
        server.switch(klines_empty="omit")
        (problem,) = pull_from(server, home, root).errors
        assert "binance shows other rows than a file had" in problem
        assert pull_from(server, home, root).errors == []
    rows = rows_of(shared_data / RECORDING)
    cut_to_ms = STORED.replace("epoch_ms(timestamp)", "epoch_us(timestamp) // 1000")
    assert held(home, cut_to_ms) == sorted(recorded(rows, "trade_id"))
    assert complete(home) == [(first, last)]
    verdicts = {v for (v,) in table(home, "SELECT DISTINCT verdict FROM marts.candles_compared")}
    assert "equal" in verdicts and verdicts <= {"equal", "unproved", "empty"}


@pytest.mark.slow
@pytest.mark.parametrize("at", ["claim", "rows", "note"])
def test_a_crash_while_imported_rows_are_removed(
    at: str,
    btcusdt: MarketTape,
    tmp_path: Path,
    home: Path,
    feeds: Feeds,
    run: Import,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whenever it happens, nothing is claimed that is not stored, and the next pull goes on."""
    lines = [one for day in days_of(btcusdt) for one in day]
    assert run(vision(tmp_path, priced(lines[:9000], "77.7"))).code == 0
    broken = {"claim": "without", "rows": "StreamWriter.shrink", "note": "checkpoint.with_imported"}

    def crash(*_: object) -> None:
        raise StorageError("crashed")

    root = feeds(feed("BTCUSDT", "2024-08-09"))
    with replaying(btcusdt, "BTC-USDT") as server:
        with monkeypatch.context() as patch:
            place = "warehouse.store" if at == "rows" else "pipelines.ingest.windows.imported"
            patch.setattr(f"{place}.{broken[at]}", crash)
            (problem,) = pull_from(server, home, root).errors
            assert "crashed" in problem
        assert main(["verify"]) == 0
        problems = pull_from(server, home, root).errors
        assert ["a file had" in problem for problem in problems] == [True] * (at != "note")
        assert pull_from(server, home, root).errors == []
    assert main(["verify"]) == 0
    assert all(price != Decimal("77.7") for (price,) in held(home, "price"))


def test_ids_that_began_again_contradict_no_file(
    btcusdt: MarketTape, tmp_path: Path, home: Path, feeds: Feeds, run: Import
) -> None:
    """Rows of a file that are all older: its market may have been listed anew. They stay."""
    lines = [one for day in days_of(btcusdt) for one in day][:9000]
    fields = [one.split(",") for one in priced(lines, "77.7")]
    older = [",".join([*f[:4], str(int(f[4]) - 400 * DAY), *f[5:]]) for f in fields]
    assert run(vision(tmp_path, older)).code == 0
    with replaying(btcusdt, "BTC-USDT") as server:
        errors = pull_from(server, home, feeds(feed("BTCUSDT", "2024-08-09"))).errors
    assert errors and not any("a file had" in error for error in errors)
    assert [*held(home, "price")].count((Decimal("77.7"),)) == len(older)
