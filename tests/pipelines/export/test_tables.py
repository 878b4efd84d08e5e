"""``tidemark export csv`` and ``parquet``: exact, whole, and clear about mistakes."""

import csv
import io
import os
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import warehouse
from pipelines.cli import main
from pipelines.export.tables import Rows, Selection
from schemas import DATASETS
from tests.warehouse.tools import TRADES, moment, row

LARGEST = "12345678901234567890123456.000000000001"
AWKWARD = 'one, "two"\nthree é'


@pytest.fixture
def published(home: Path) -> Path:
    """A DuckDB file with trades in no order, awkward values, and two views."""
    file = home / warehouse.LINK
    trades = [
        {"exchange": "x", "symbol": symbol, "ingested_at": moment(0)} | row(TRADES, key, day)
        for symbol, key, day in (
            ("BTC-USD", 1000, 86_400_000_000),
            ("BTC-USD", 999, 86_400_000_000),
            ("BTC-USD", 5, 500_000),
            ("ETH-USD", 7, 2 * 86_400_000_000),
        )
    ]
    with duckdb.connect(str(file)) as db:
        db.execute("SET TimeZone = 'UTC'")
        db.register("given", pa.Table.from_pylist(trades, schema=DATASETS["trades"].schema))
        db.execute("CREATE TABLE trades AS FROM given")
        db.unregister("given")
        db.execute("CREATE SCHEMA marts")
        db.execute(
            "CREATE VIEW marts.odd AS FROM (VALUES"
            f" ('b', 1::DECIMAL(38, 12), {LARGEST}::DECIMAL(38, 12), $${AWKWARD}$$, true),"
            " ('a', 0, -0.000000000001, '', NULL), ('c', 433, NULL, NULL, false)"
            ") AS t(exchange, amount, price, text, flag)"
        )
        db.execute(
            "CREATE VIEW marts.daily AS"
            " SELECT exchange, symbol, timestamp::DATE AS day, count(*) AS trades"
            " FROM main.trades GROUP BY ALL"
        )
        db.execute("CREATE VIEW main.empty AS SELECT exchange, symbol FROM main.trades WHERE false")
    return file


@pytest.mark.usefixtures("published")
def test_csv_is_what_sql_writes_and_exact(capsys: pytest.CaptureFixture[str]) -> None:
    for table, order in (
        ("odd", "exchange"),
        ("trades", "symbol, trade_id::INT"),
        ("daily", "ALL"),
    ):
        name = table if table == "trades" else f"marts.{table}"
        assert main(["sql", f"FROM {name} ORDER BY {order}", "--format", "csv"]) == 0
        expected = capsys.readouterr().out
        assert main(["export", "csv", table]) == 0
        assert capsys.readouterr().out == expected, table
        assert len(list(csv.reader(io.StringIO(expected)))) > 3
    assert main(["export", "csv", "marts.odd"]) == 0
    assert capsys.readouterr().out == (
        "exchange,amount,price,text,flag\n"
        'a,0,-0.000000000001,"",\n'
        f'b,1,{LARGEST},"one, ""two""\nthree é",true\n'
        "c,433,,,false\n"
    )


@pytest.mark.usefixtures("published")
@pytest.mark.parametrize(
    ("arguments", "ids"),
    [
        (["--symbol", "ETH-USD"], ["7"]),
        (["--start", "1970-01-01T00:00:00.5Z", "--end", "1970-01-02"], ["5"]),
        (["--start", "1970-01-02T01:00+01:00", "--symbol", "BTC-USD"], ["999", "1000"]),
        (["--end", "1970-01-01"], []),
    ],
)
def test_rows_are_chosen(
    arguments: list[str], ids: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", "csv", "trades", *arguments]) == 0
    rows = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert [row["trade_id"] for row in rows] == ids


@pytest.mark.usefixtures("published")
def test_days_are_chosen_and_an_empty_view_has_no_mistakes(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert (
        main(["export", "csv", "marts.daily", "--start", "1970-01-02", "--end", "1970-01-03"]) == 0
    )
    assert capsys.readouterr().out == "exchange,symbol,day,trades\nx,BTC-USD,1970-01-02,2\n"
    assert main(["export", "csv", "empty", "--exchange", "x"]) == 0
    assert capsys.readouterr().out == "exchange,symbol\n"


@pytest.mark.usefixtures("published")
def test_parquet_has_the_contracted_types(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "trades.parquet"
    assert main(["export", "parquet", "trades", "--symbol", "BTC-USD", "--out", str(file)]) == 0
    assert capsys.readouterr().out == f"3 rows: {file}\n"
    found = pq.read_table(file)
    assert found.schema.equals(DATASETS["trades"].schema)
    query = "FROM trades WHERE symbol = 'BTC-USD' ORDER BY trade_id::INT"
    assert found.to_pylist() == warehouse.sql(query, home=home).to_pylist()
    assert main(["export", "parquet", "marts.odd", "--out", str(file)]) == 0
    found = pq.read_table(file)
    assert [str(type_) for type_ in found.schema.types[1:3]] == ["decimal128(38, 12)"] * 2
    odd = warehouse.sql("FROM marts.odd ORDER BY exchange", home=home)
    assert found.to_pylist() == odd.to_pylist()


def test_a_long_table_comes_in_small_pieces() -> None:
    with duckdb.connect() as db:
        db.execute("CREATE VIEW long AS SELECT range AS n FROM range(100_000)")
        sizes = [batch.num_rows for batch in Rows(db, Selection("long")).batches()]
    assert sum(sizes) == 100_000
    assert max(sizes) <= 20_480


@pytest.mark.usefixtures("published")
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["csv", "tradez"], "no table or view 'tradez'; there are: trades, empty, marts.daily"),
        (["csv", "ledger"], "another version of Tidemark"),
        (["csv", "trades", "--account", "main"], "leave out --account; it has: exchange, symbol"),
        (["csv", "trades", "--symbol", "btc_usd"], "another --symbol; it has: BTC-USD, ETH-USD"),
        (
            ["csv", "trades", "--start", "soon"],
            "--start 'soon' is neither a date nor a time\nFix: --start 2026-01-10, ",
        ),
        (["csv", "trades", "--start", "2024-01-02", "--end", "2024-01-02"], "is not before --end"),
        (["csv", "odd", "--end", "2024-01-02"], "Fix: leave out --end"),
        (["parquet", "trades"], "Missing option '--out'"),
        (["parquet", "trades", "--out", "-"], "Parquet needs a file"),
        (["tax", "--format", "other"], "'other' is not 'bittytax'"),
    ],
)
def test_mistakes_are_reported(
    arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", *arguments]) == (1 if "version" in message else 2)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert message in captured.err
    assert "Traceback" not in captured.err


@pytest.mark.usefixtures("published")
def test_a_file_is_whole_or_as_it_was(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "out.csv"
    file.write_text("before")
    assert main(["export", "csv", "trades", "--symbol", "XYZ", "--out", str(file)]) == 2
    assert file.read_text() == "before"
    assert main(["export", "csv", "trades", "--out", str(file)]) == 0
    assert file.read_text().startswith("exchange,symbol,trade_id,")
    pipe = tmp_path / "pipe"  # is written to, not replaced
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    assert main(["export", "csv", "trades", "--out", str(pipe)]) == 0
    assert os.read(reader, 65_536) == file.read_bytes()
    os.close(reader)
    capsys.readouterr()
    for out, message in (
        (tmp_path / "no" / "where.csv", "cannot write"),
        (tmp_path, "is a folder"),
    ):
        assert main(["export", "csv", "trades", "--out", str(out)]) == 2
        assert message in capsys.readouterr().err
    assert {path.name for path in tmp_path.iterdir()} == {"out.csv", "pipe", "home", "cwd"}


@pytest.mark.parametrize("command", [["csv", "trades"], ["beancount"], ["hledger"], ["tax"]])
def test_without_a_warehouse_it_says_what_to_do(
    command: list[str], home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["export", *command]) == 1
    err = capsys.readouterr().err
    assert str(home / warehouse.LINK) in err
    assert "tidemark pull" in err


@pytest.mark.parametrize("command", ["", "csv", "parquet", "beancount", "hledger", "tax"])
def test_help_shows_examples(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["export", *command.split(), "--help"]) == 0
    assert f"  tidemark export {command}" in capsys.readouterr().out.partition("Examples:")[2]
