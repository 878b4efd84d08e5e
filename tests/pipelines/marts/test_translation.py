"""DuckDB's SQL in Spark's words, without Spark; with it: tests/spark."""

import pytest
from sqlglot import parse_one

from pipelines.marts.expressions import TranslationError
from pipelines.marts.translation import translate, wanted_views
from warehouse.views import View, parse

WANTED = list(wanted_views())


def _view(sql: str, *columns: str) -> View:
    head = "".join(f"--   {name}    VARCHAR    meaning\n" for name in columns)
    return parse("views", "one", f"-- Title.\n-- columns:\n{head}{sql}")


def _said(sql: str, *columns: str) -> str:
    return " ".join(translate(_view(sql, *columns)).query.split())


@pytest.mark.parametrize("view", WANTED, ids=lambda view: view.key)
def test_every_view_that_a_mart_needs_can_be_said(view: View) -> None:
    said = translate(view)
    parse_one(said.query, dialect="spark")
    for word in ("ASOF", "QUALIFY", "BY NAME", "INT128", "main."):
        assert word not in said.query


def test_views_come_after_what_they_read() -> None:
    keys = [view.key for view in WANTED]
    for view in WANTED:
        assert all(keys.index(s) < keys.index(view.key) for s in view.sources if s in keys)


def test_a_condition_on_windows_keeps_its_columns_apart() -> None:
    """``b.symbol`` is not the result that is called symbol."""
    said = _said(
        "SELECT a.symbol AS symbol FROM main.trades AS a JOIN main.trades AS b USING (exchange)"
        " QUALIFY row_number() OVER (PARTITION BY a.exchange ORDER BY b.symbol) = 1",
        "symbol",
    )
    assert "ROW_NUMBER() OVER (PARTITION BY a.exchange ORDER BY b.symbol NULLS LAST)" in said
    assert "* EXCEPT (window_0)" in said and "window_0 = 1" in said


@pytest.mark.parametrize(
    ("comparison", "reach", "beyond"),
    [
        ("a.price >= b.price", "LEAD", "a.price < b.asof_bound"),
        ("a.price > b.price", "LEAD", "a.price <= b.asof_bound"),
        ("a.price <= b.price", "LAG", "a.price > b.asof_bound"),
        ("b.price > a.price", "LAG", "a.price >= b.asof_bound"),
    ],
)
def test_an_asof_join_ends_where_the_next_row_takes_over(
    comparison: str, reach: str, beyond: str
) -> None:
    said = _said(
        "SELECT a.symbol FROM main.trades AS a"
        f" ASOF LEFT JOIN main.candles AS b ON a.symbol = b.symbol AND {comparison}",
        "symbol",
    )
    assert f"{reach}(price) OVER (PARTITION BY symbol ORDER BY price NULLS LAST)" in said
    assert f"b.asof_bound IS NULL OR {beyond}" in said


def test_what_cannot_be_said_is_refused() -> None:
    listed = "SELECT list(symbol ORDER BY price) AS symbol FROM main.trades"
    with pytest.raises(TranslationError, match="another order than its own"):
        _said(listed, "symbol")
