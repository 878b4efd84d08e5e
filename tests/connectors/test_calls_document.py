"""``docs/exchanges/calls.md`` is what the endpoint tables say, and what the connectors send."""

import re
from pathlib import Path

import pytest

import connectors
from connectors.calls import calls, document
from schemas import DATASETS
from tests.connectors.cases import EXCHANGES, case

FILE = "docs/exchanges/calls.md"


def test_the_document_is_up_to_date(repo_root: Path) -> None:
    held = (repo_root / FILE).read_text(encoding="utf-8")
    assert held == document(), f"Fix: python -m connectors.calls > {FILE}"


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_its_calls_are_those_that_are_sent_over_http(exchange: str) -> None:
    """Both ways: those of ``tests/connectors/cases``, which ``test_calls`` runs."""
    documented = {sent.name for sent in calls(connectors.dialect_of(exchange))}
    pattern = {name: re.sub("<[a-z]+>", "[^/ ]+", name) for name in documented}
    sent = {
        call: [n for n in documented if re.fullmatch(pattern[n], call)]
        for call in case(exchange).reads
    }
    assert [call for call, names in sent.items() if len(names) != 1] == []
    assert {name for names in sent.values() for name in names} == documented


@pytest.mark.parametrize("exchange", EXCHANGES)
def test_every_call_may_leave_and_every_dataset_is_named(exchange: str) -> None:
    dialect = connectors.dialect_of(exchange)
    for sent in calls(dialect):
        concrete = re.sub("<[a-z]+>", "NAME", sent.name)
        assert any(re.fullmatch(read, concrete) for read in dialect.reads), sent.name
    section = document().partition(f"## {exchange}\n")[2].partition("\n## ")[0]
    along = {"quarantine", "reference_trades"} | ({"currencies_history"} - {*dialect.endpoints})
    assert [n for n in DATASETS if f"`{n}`" not in section and n not in along] == []
