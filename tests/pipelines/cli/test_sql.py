"""``tidemark sql``: exact, stable, and clear about mistakes."""

import csv
import io
import json
from pathlib import Path

import duckdb
import pytest

from pipelines.cli import main
from warehouse import LINK

EXACT = "12345678901234567890123456.000000000001"


@pytest.fixture
def warehouse_file(home: Path) -> Path:
    """A small warehouse with one awkward table."""
    file = home / LINK
    with duckdb.connect(str(file)) as db:
        db.execute(
            "CREATE TABLE odd AS SELECT * FROM (VALUES"
            f" ('BTC-USD', {EXACT}::DECIMAL(38, 12), TIMESTAMPTZ '2024-08-09 02:00:00.5+02', true),"
            " ('a, \"b\"', 433.000000000000::DECIMAL(38, 12), NULL, NULL),"
            " ('', NULL, TIMESTAMPTZ '2024-08-09 00:00:00+00', false)"
            ") AS t(symbol, price, timestamp, flag)"
        )
    return file


@pytest.mark.usefixtures("warehouse_file")
def test_table_is_plain_and_stable(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sql", "FROM odd"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "| symbol  |                                   price | timestamp              | flag  |",
        "|---------|-----------------------------------------|------------------------|-------|",
        f"| BTC-USD | {EXACT} | 2024-08-09 00:00:00.5Z | true  |",
        '| a, "b"  |                                     433 | NULL                   | NULL  |',
        "|         |                                    NULL | 2024-08-09 00:00:00Z   | false |",
    ]


@pytest.mark.usefixtures("warehouse_file")
def test_csv_tells_null_from_empty(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sql", "FROM odd", "--format", "csv"]) == 0
    out = capsys.readouterr().out
    assert out.splitlines() == [
        "symbol,price,timestamp,flag",
        f"BTC-USD,{EXACT},2024-08-09T00:00:00.5Z,true",
        '"a, ""b""",433,,',
        '"",,2024-08-09T00:00:00Z,false',
    ]
    assert [len(row) for row in csv.reader(io.StringIO(out))] == [4, 4, 4, 4]


@pytest.mark.usefixtures("warehouse_file")
def test_json_keeps_decimals_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sql", "FROM odd", "--format", "json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert rows[0] == {
        "symbol": "BTC-USD",
        "price": EXACT,
        "timestamp": "2024-08-09T00:00:00.5Z",
        "flag": True,
    }
    assert rows[2]["price"] is None


@pytest.mark.usefixtures("warehouse_file")
def test_json_holds_whatever_sql_gives(capsys: pytest.CaptureFixture[str]) -> None:
    query = (
        "SELECT [1.5::DECIMAL(3,1)] AS l, {'a': DATE '2024-01-02'} AS s, 'nan'::DOUBLE AS n,"
        " '\\xAA'::BLOB AS b, INTERVAL 3 DAY AS i, count(*) AS c FROM odd"
    )
    assert main(["sql", query, "--format", "json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert (row["l"], row["s"], row["n"]) == (["1.5"], {"a": "2024-01-02"}, "nan")
    assert (row["b"], row["c"]) == ("aa", 3)


@pytest.mark.usefixtures("warehouse_file")
def test_an_empty_answer_is_an_answer(capsys: pytest.CaptureFixture[str]) -> None:
    query = "SELECT symbol FROM odd WHERE false"
    assert main(["sql", query, "--format", "json"]) == 0
    assert json.loads(capsys.readouterr().out) == []
    assert main(["sql", query, "--format", "csv"]) == 0
    assert capsys.readouterr().out == "symbol\n"
    assert main(["sql", query]) == 0
    assert "symbol" in capsys.readouterr().out


@pytest.mark.usefixtures("warehouse_file")
def test_the_query_can_come_from_standard_input(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("SELECT count(*) AS n FROM odd"))
    assert main(["sql", "-", "--format", "csv"]) == 0
    assert capsys.readouterr().out == "n\n3\n"


@pytest.mark.usefixtures("warehouse_file")
@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("SELEC 1", "syntax error"),
        ("FROM tradse", "tradse"),
        ("SELECT prise FROM odd", "prise"),
        ("", "the query is empty"),
    ],
)
def test_a_wrong_query_is_wrong_usage(
    query: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sql", query]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert message in captured.err
    assert "Fix: tidemark sql" in captured.err
    assert "Traceback" not in captured.err


@pytest.mark.usefixtures("warehouse_file")
def test_json_refuses_two_columns_of_one_name(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sql", "SELECT symbol AS a, price AS a FROM odd", "--format", "json"]) == 2
    assert "two columns of one name: a" in capsys.readouterr().err


@pytest.mark.usefixtures("warehouse_file")
@pytest.mark.parametrize("query", ["DELETE FROM odd", "CREATE TABLE x (i INT)"])
def test_nothing_can_be_written(
    query: str, warehouse_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sql", query]) != 0
    assert "read-only" in capsys.readouterr().err
    with duckdb.connect(str(warehouse_file), read_only=True) as db:
        assert db.execute("SELECT count(*) FROM odd").fetchone() == (3,)


def test_without_a_warehouse_it_says_what_to_do(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["sql", "SELECT 1"]) == 1
    err = capsys.readouterr().err
    assert str(home / LINK) in err
    assert "tidemark pull" in err
