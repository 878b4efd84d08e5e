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


@pytest.mark.usefixtures("warehouse_file")
@pytest.mark.parametrize(
    ("query", "fix"),
    [
        ("CREATE TABLE mine (i INT)", "Fix: only read"),
        ("DROP TABLE odd", "Fix: only read"),
        ("COPY odd TO '{home}/out.csv'", "Fix: --unsafe"),
        ("COPY (SELECT 1) TO '{home}/out.csv'", "Fix: --unsafe"),
        ("FROM read_text('{home}/secret')", "Fix: --unsafe"),
        ("FROM read_csv('{home}/secret')", "Fix: --unsafe"),
        ("FROM '{home}/secret.csv'", "Fix: "),
        ("FROM glob('{home}/*')", "Fix: --unsafe"),
        ("ATTACH '{home}/out.csv' AS x", "Fix: --unsafe"),
        ("EXPORT DATABASE '{home}/out.csv'", "Fix: --unsafe"),
        ("INSTALL httpfs", "Fix: --unsafe"),
        ("LOAD httpfs", "Fix: --unsafe"),
        ("SET enable_external_access = true", "Fix: --unsafe"),
        ("FROM tradse", 'Fix: tidemark sql "SHOW TABLES"'),
        ("SELEC 1", 'Fix: tidemark sql "FROM trades LIMIT 5"'),
    ],
)
def test_a_query_reads_the_warehouse_alone(
    query: str, fix: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("secret", "secret.csv"):
        (home / name).write_text("hush\n")
    assert main(["sql", query.format(home=home)]) == 2
    captured = capsys.readouterr()
    assert fix in captured.err
    assert "hush" not in captured.out + captured.err
    assert not (home / "out.csv").exists()


@pytest.mark.usefixtures("warehouse_file")
def test_unsafe_queries_use_files(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = home / "out.csv"
    query = f"COPY (SELECT count(*) AS n FROM odd) TO '{out}'"
    assert main(["sql", "--unsafe", query]) == 0
    assert out.read_text() == "n\n3\n"
    assert main(["sql", "--unsafe", f"FROM '{out}'", "--format", "csv"]) == 0
    assert capsys.readouterr().out.endswith("n\n3\n")


FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\tx", "\rx", "\uff1d1"]


@pytest.mark.usefixtures("warehouse_file")
def test_safe_csv_holds_no_formula(capsys: pytest.CaptureFixture[str]) -> None:
    values = ", ".join(f"('{text}', -1, -0.5)" for text in [*FORMULAS, "a=b"])
    query = f'SELECT a AS "=n", b, c FROM (VALUES {values}) AS v(a, b, c)'
    assert main(["sql", query, "--format", "csv", "--safe"]) == 0
    header, *rows = csv.reader(io.StringIO(capsys.readouterr().out, newline=""))
    assert header == ["'=n", "b", "c"]
    assert rows == [[f"'{text}", "-1", "-0.5"] for text in FORMULAS] + [["a=b", "-1", "-0.5"]]
    assert main(["sql", query, "--format", "csv"]) == 0
    _, *rows = csv.reader(io.StringIO(capsys.readouterr().out, newline=""))
    assert [row[0] for row in rows] == [*FORMULAS, "a=b"]
    assert main(["sql", query, "--safe"]) == 2


HOSTILE = "chr(27) || ']0;owned' || chr(7) || chr(155) || '2J' || chr(8238) || chr(13)"


@pytest.mark.usefixtures("warehouse_file")
@pytest.mark.parametrize("format", ["table", "csv", "json"])
def test_no_control_character_reaches_a_terminal(
    format: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    assert main(["sql", f"SELECT {HOSTILE} AS t", "--format", format]) == 0
    assert main(["sql", f"SELECT error({HOSTILE})"]) == 2
    captured = capsys.readouterr()
    assert "owned" in captured.out and "owned" in captured.err
    assert not set("\x1b\x07\x9b\u202e\r") & set(captured.err)
    assert not set("\x07\x9b\u202e\r") & set(captured.out)
    assert "\x1b]" not in captured.out  # a drawn table has colours of its own


@pytest.mark.usefixtures("warehouse_file")
def test_what_is_not_for_a_terminal_is_exact(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["sql", f"SELECT {HOSTILE} AS t", "--format", "csv"]) == 0
    assert "\x1b]0;owned\x07\x9b2J\u202e" in capsys.readouterr().out
