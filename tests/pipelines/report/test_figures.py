"""Figures are short to read, and exact where it is asked for."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from pipelines.report.figures import AMOUNT, MONEY, ago, figure, money, percent, readable


@pytest.mark.parametrize(
    ("value", "amount", "of_money"),
    [
        ("0", "0.00", "0.00"),
        ("0E-18", "0.00", "0.00"),
        ("1", "1.00", "1.00"),
        ("1234567.891", "1,234,567.89", "1,234,567.89"),
        ("61966.410000000000", "61,966.41", "61,966.41"),
        ("12.345678912345", "12.345679", "12.346"),
        ("-9.99999999999", "-10.00", "-10.00"),
        ("0.00692841", "0.00692841", "0.0069284"),
        ("0.000000014", "0.00000001", "0.00000001"),
        ("0.000000004", "4e-9", "4e-9"),
        ("-0.000000000001", "-1e-12", "-1e-12"),
        ("0.00000000123456", "1.2e-9", "1.2e-9"),
    ],
)
def test_readable(value: str, amount: str, of_money: str) -> None:
    assert readable(Decimal(value), AMOUNT) == amount
    assert readable(Decimal(value), MONEY) == of_money


def test_the_exact_figure_is_there_on_hover_if_it_differs() -> None:
    assert figure(Decimal("2.50")) == '<data value="2.5">2.50</data>'
    exact = "1.123456789012"
    assert figure(Decimal(exact)) == f'<data value="{exact}" title="{exact}">1.1234568</data>'
    assert money(Decimal(-3)) == '<data value="-3" class="down">-3.00</data>'
    assert money(Decimal(3), signed=True) == '<data value="3" class="up">+3.00</data>'
    assert "–" in figure(None)


@pytest.mark.parametrize(
    ("rate", "shown"),
    [("0.12345", "+12.34 %"), ("-0.5", "-50.00 %"), ("-0.000001", "0.00 %"), ("0", "0.00 %")],
)
def test_percent(rate: str, shown: str) -> None:
    assert f">{shown}<" in percent(Decimal(rate), signed=True)


def test_an_age_names_its_moment() -> None:
    now = datetime(2026, 11, 26, 12, tzinfo=UTC)
    assert ago(now - timedelta(minutes=3), now) == (
        '<time data-age datetime="2026-11-26T11:57:00Z" title="2026-11-26 11:57:00 UTC">'
        "3 min</time>"
    )
