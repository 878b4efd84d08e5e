"""BitexBit's transfers, whose pages name the one that follows: also when that is nonsense."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from pipelines.ingest import PullReport
from sandbox import Fault, Served
from sandbox.faults import Request
from schemas import StreamId
from tests.pipelines.ingest.conftest import only_pull, settings_for
from tests.warehouse.tools import lake
from warehouse.metastore import Metastore

FEED = "exchange: bitexbit\nstart: 2016-01-01\ndatasets: {account_transactions: {}}"
CALL = "/private/transfers"
Pull = Callable[[Callable[[int], dict[str, object]]], PullReport]


def page(numbers: range, following: int | None, count: int | None) -> dict[str, object]:
    """Transfers ``numbers``, newest first, and the page that is to follow."""
    rows = [
        {
            "id": number,
            "txid": f"tx{number}",
            "date": f"2026-01-09T10:{number:02d}:00.000007Z",
            "amount": "1.5",
            "currency": {"code": "BTC"},
            "status": {"key": 30, "name": "success"},
            "is_outgoing": False,
        }
        for number in reversed(numbers)
    ]
    link = None if following is None else f"http://elsewhere.example{CALL}?page={following}"
    return {"count": count, "next": link, "previous": None, "results": rows}


@pytest.fixture
def pull(standing: Served, home: Path, feeds: Callable[[str], Path]) -> Pull:
    """Pull once from a server that answers as given, by page number (``None``: as the sandbox)."""
    root = feeds(FEED)

    def pull(answer: Callable[[int], dict[str, object]]) -> PullReport:
        def script(request: Request) -> Fault | None:
            if CALL not in request.path:
                return None
            said = answer(int(request.query.get("page", "1")))
            if not said:
                return Fault("status", status=404)
            return Fault("body", body=json.dumps(said).encode())

        standing.faults.script = script
        standing.log.clear()
        return only_pull(settings_for(standing, home), feeds_root=root)

    return pull


def stored(home: Path) -> tuple[list[str], bool]:
    """Ids held, and whether anything is claimed."""
    rows = sorted(row["transaction_id"] for row in lake(home, "account_transactions"))
    state = Metastore(home).state(StreamId("bitexbit", "account_transactions", account="main"))
    return rows, state.complete != ()


@pytest.mark.parametrize(
    ("answer", "held", "most"),
    [
        (lambda n: page(range(10, 14), 1, None), 4, 2),  # the same page for ever
        (lambda n: page(range(10, 14), n + 1, 40), 4, 6),  # the number is ignored
        (lambda n: page(range(10 * (n % 2), 10 * (n % 2) + 4), 3 - n, 40), 8, 12),  # a circle
        (lambda n: page(range(10, 14) if n == 1 else range(0), n + 1, None), 4, 2),  # no end
        (lambda n: page(range(10, 14) if n == 1 else range(0), n + 1, 40), 4, 6),
    ],
    ids=["itself", "ignored", "circle", "empty pages", "empty pages with a count"],
)
def test_pages_that_never_end_are_left_and_claim_nothing(
    answer: Callable[[int], dict[str, object]],
    held: int,
    most: int,
    pull: Pull,
    standing: Served,
    home: Path,
) -> None:
    for _ in range(2):
        report = pull(answer)
        (error,) = report.errors
        assert "nothing is claimed as complete" in error
        assert len(standing.log.of(CALL)) <= most
        rows, claimed = stored(home)
        assert len(rows) == len(set(rows)) == held
        assert not claimed


@pytest.mark.parametrize("order", [1, -1])
def test_a_count_of_the_page_is_no_count_of_all(order: int, pull: Pull, home: Path) -> None:
    """Some servers count the rows of the answer: what a next page holds is fetched all the same."""

    def answer(number: int) -> dict[str, object]:
        first = 10 * (number if order == 1 else 4 - number)
        return page(range(first, first + 4), number + 1 if number < 3 else None, 4)

    for _ in range(2):
        assert pull(answer).errors == []
        rows, claimed = stored(home)
        assert (len(rows), claimed) == (12, True)


def test_a_promised_page_behind_the_last_is_no_failure(pull: Pull, home: Path) -> None:
    report = pull(lambda n: page(range(10, 14), 2, 4) if n == 1 else {})
    assert report.errors == []
    assert stored(home) == (["10", "11", "12", "13"], True)


def test_a_page_that_is_gone_in_the_middle_claims_nothing(pull: Pull, home: Path) -> None:
    report = pull(lambda n: page(range(10, 14), 2, 9) if n == 1 else {})
    assert len(report.errors) == 1
    assert stored(home) == (["10", "11", "12", "13"], False)


def test_an_empty_page_without_a_count_is_no_end_of_what_was_counted(
    pull: Pull, home: Path
) -> None:
    """As a fault of the moment: ``{"error": [], "result": {}}`` of Kraken, amid a walk."""
    (error,) = pull(
        lambda number: page(range(10, 14), 2, 40) if number == 1 else page(range(0), None, None)
    ).errors
    assert "the exchange counts 40 rows and showed 4" in error
    assert stored(home) == (["10", "11", "12", "13"], False)
