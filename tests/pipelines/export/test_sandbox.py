"""A whole account, from the exchange to the programs: what they make of it is the ledger's."""

import csv
from pathlib import Path

import pytest

from pipelines.cli import main
from tests.pipelines.export.programs import (
    Loaded,
    bittytax,
    hledger,
    needs_hledger,
    without_nothing,
)
from tests.pulled import Pulled


@pytest.mark.slow
def test_what_was_pulled_is_what_the_programs_have(
    pulled: Pulled,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("TIDEMARK_HOME", str(pulled.home))
    entries = pulled.rows(
        "SELECT exchange || ' ' || account AS whose, currency, sum(amount) AS amount, book"
        " FROM ledger GROUP BY ALL"
    )
    held = without_nothing(
        (row["whose"], row["currency"], row["amount"])
        for row in entries
        if row["book"] == "account"
    )
    (events,) = pulled.rows("SELECT count(DISTINCT (exchange, event))::INT AS n FROM ledger")
    assert len(held) >= 8

    assert main(["export", "beancount"]) == 0
    captured = capsys.readouterr()
    loaded = Loaded(captured.out)
    assert len(loaded.transactions) == events["n"] > 2000
    sources = {(t.payee, t.meta["source"], t.meta["id"], t.narration) for t in loaded.transactions}
    assert len(sources) == events["n"]
    whose = {"bitexbit main": "Bitexbit:Main", "wex main": "Wex:Main"}
    assert loaded.balances("Assets") == {
        (f"Assets:{whose[name]}:{currency}", currency): n for (name, currency), n in held.items()
    }
    assert loaded.balances("Expenses") == {
        (f"Expenses:Fees:{whose[row['whose']]}", row["currency"]): row["amount"]
        for row in entries
        if row["book"] == "fees"
    }
    # every balance that the exchanges reported, to the last digit
    assert {number for _, _, number in loaded.asserted} == set(held.values())
    under_way = [t for t in loaded.transactions if t.flag == "!"]
    assert under_way and all(t.narration.startswith("Withdrawal") for t in under_way)
    assert captured.err.count("notice: not counted yet: ") == captured.out.count(
        "\n; not counted yet: "
    )
    assert "deposit" in captured.err and ", pending" in captured.err

    records = tmp_path / "tax.csv"
    assert main(["export", "tax", "--out", str(records)]) == 0
    assert capsys.readouterr().out == f"{events['n']:,} records: {records}\n"
    assert bittytax(records) == (events["n"], held)

    with records.open(newline="", encoding="utf-8") as file:
        notes = [row["Note"] for row in csv.DictReader(file)]
    assert sum("under way" in note for note in notes) == len(under_way)
    assert main(["export", "tax", "--account", "desk"]) == 2
    assert "choose one of: --exchange bitexbit --account main, " in capsys.readouterr().err


@pytest.mark.slow
@needs_hledger
def test_hledger_checks_what_was_pulled_strictly(
    pulled: Pulled, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TIDEMARK_HOME", str(pulled.home))
    journal = tmp_path / "all.journal"
    assert main(["export", "hledger", "--out", str(journal)]) == 0
    hledger(journal, "check", "--strict")
