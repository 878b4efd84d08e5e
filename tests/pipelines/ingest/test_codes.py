"""Currencies whose codes differ by case only, from the exchange's list to the marts."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import warehouse
from sandbox import Fault, Served
from tests.matrix import thinned
from tests.pipelines.ingest.conftest import run, settings_for
from tests.pipelines.ingest.reference_model import table

NOON = "2026-01-09T12:00:00Z"
CODES = ["USDT.e", "USDT.E", "BTC"]
FILL = {"date": 1_767_960_000_000, "type": "buy", "price": "2", "amount": "1"}
PAIRS = [
    {"symbol": f"{base}_USD-PERP", "base": base, "quote": "USD-PERP"} for base in CODES
]  # a currency with a hyphen as well
ANSWERS = {
    "/public/currencies": [
        {"code": code, "name": code, "precision": 8, "is_enabled": True}
        for code in [*CODES, "USD-PERP"]
    ],
    "/public/pairs": PAIRS,
    "/private/balance": [{"symbol": c, "available": str(n)} for n, c in enumerate(CODES, 1)],
    "/private/trades": [
        {**FILL, "id": n, "symbol": pair["symbol"], "fee_amount": "0.1", "fee_symbol": pair["base"]}
        for n, pair in enumerate(PAIRS, 1)
    ],
    "/private/transfers": {
        "count": 3,
        "results": [
            {
                "id": n,
                "date": NOON,
                "amount": str(n),
                "currency": {"code": code},
                "status": {"key": "30"},
                "is_outgoing": False,
            }
            for n, code in enumerate(CODES, 1)
        ],
    },
}


@pytest.mark.parametrize(
    "lists", thinned(["currencies: {}, markets: {}, ", "markets: {}, ", ""], 2)
)
def test_each_currency_stays_itself_from_the_list_to_the_marts(
    lists: str, exchange: Served, home: Path, feeds: Callable[..., Path]
) -> None:
    collected = "balances: {}, account_transactions: {}, account_trades: {}"
    root = feeds(f"exchange: bitexbit\nstart: 2016-01-01\ndatasets: {{{lists}{collected}}}")
    for path, body in ANSWERS.items():
        answer = json.dumps(body).encode()
        exchange.faults.add(Fault("body", body=answer, path=path, times=None))
    for _ in range(2):
        run(settings_for(exchange, home), feeds_root=root)
    for name, column in (
        ("balances", "currency"),
        ("account_transactions", "currency"),
        ("account_trades", "fee_currency"),
        ("account_fills", "fee_currency"),
    ):
        found = table(home, f"SELECT {column}, count(*) FROM {name} GROUP BY ALL ORDER BY 1")
        counts = {code: 1 for code in CODES}
        if name == "account_fills" and not lists:  # nothing in the home knows the odd one
            counts = {"BTC": 1, "USDT.E": 2}
        assert dict(found) == counts, name
    if "currencies" in lists:
        held = table(home, "SELECT currency FROM currencies ORDER BY 1")
        assert held == [("BTC",), ("USD-PERP",), ("USDT.E",), ("USDT.e",)]
    if lists:
        fills = table(home, "SELECT base, quote, base_change FROM marts.fills ORDER BY fill_id")
        assert [(b, q, str(c)[:3]) for b, q, c in fills] == [
            (code, "USD-PERP", "0.9") for code in CODES
        ]
        ledger = table(
            home,
            "SELECT currency, sum(amount)::DOUBLE FROM ledger WHERE book = 'account'"
            " GROUP BY ALL ORDER BY 1",
        )
        assert ledger == [("BTC", 3.9), ("USD-PERP", -6.0), ("USDT.E", 2.9), ("USDT.e", 1.9)]
    findings = [f for f in warehouse.verify(home).findings if f.kind == "error"]
    assert findings == []
