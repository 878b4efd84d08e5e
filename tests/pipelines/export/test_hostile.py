"""Whatever an exchange calls a transaction, a currency or an order: a journal holds no directive
that is not Tidemark's."""

import csv
import io
import re
from collections import Counter
from pathlib import Path
from typing import Any

from beancount import loader
from hypothesis import given
from hypothesis import strategies as st

from pipelines.export import beancount, bittytax, hledger
from pipelines.export.events import Scope
from pipelines.export.journal import Names, one_line
from tests.pipelines.export import programs
from tests.warehouse.accounts import Accounts, at, fill, line

WORDS = [
    'x\nplugin "os"',
    'x"\nplugin "os"',
    "x\r2024-01-01 open Assets:Evil",
    "x\u2028include /etc/passwd\u2028",
    'x\x85option "title" "evil"',
    "x\x0b\x0c\x1cpushtag #evil",
    '"',
    "\\",
    '\\"\nplugin "os"',
    "\x00x",
    "\x1b]0;owned\x07",
    ";evil",
    "x  ; y",
    "|",
    "@@ 1 USD",
    "{1 USD}",
    "TRUE",
    "",
    " ",
    "-",
    "1",
    "é漢",
    "x" * 60,
    "date:2020-01-01, [2020-01-01]",
]
DAY = re.compile(r"\d{4}-\d\d-\d\d")
HIDDEN = re.compile("[\\x00-\\x08\\x0b-\\x1f\\x7f-\\x9f\\u2028\\u2029]")
AMOUNT = r'-?[\d.]+ (?:[A-Za-z]+|"[^";]+")'
POSTING = re.compile(rf"    [A-Za-z0-9:-]+ +{AMOUNT}(?: (?:@@|=) {AMOUNT})?")


def hostile(accounts: Accounts) -> None:
    """Every text that an exchange names, as it likes."""
    for number, word in enumerate(WORDS):
        currency = word or "QQQ"
        accounts.add(
            "account_transactions",
            line(1, at(1), "deposit", "10", currency, word)
            | {"transaction_id": f"{number}d{word}"},
            line(2, at(2), "withdrawal", "1", currency, word)
            | {"status": "pending", "transaction_id": f"{number}w{word}"},
            line(3, at(3), "deposit", "5", currency)
            | {"status": "pending", "transaction_id": f"{word}p{number}"},
        )
        trade = fill(number, at(4), "buy", "1", "3", order_id=f"9{word}")
        accounts.add("account_trades", trade)
        accounts.balances(at(9), **{currency: "9"})


def journal(write: Any, accounts: Accounts) -> str:
    accounts.db.execute("DROP TABLE IF EXISTS events")
    out = io.StringIO(newline="")
    write(accounts.db, Scope(), out)
    return out.getvalue()


def directives(text: str) -> list[str]:
    """The first word of every line that begins a directive."""
    return [re.split(r"[ \t]", t)[0] for t in re.split(r"[\n\r\v\f]", text) if t[:1].strip()]


def test_no_text_becomes_a_directive(accounts: Accounts) -> None:
    hostile(accounts)
    text = journal(beancount.write, accounts)
    entries, errors, options = loader.load_string(text)
    assert [error.message for error in errors] == []
    assert options["plugin"] == [] and options["include"] in ([], ["<string>"])
    assert options["title"].startswith("Tidemark: ")
    kinds = Counter(type(entry).__name__ for entry in entries)
    assert kinds.keys() <= {"Open", "Transaction", "Balance", "Commodity"}
    assert kinds["Transaction"] == 3 * len(WORDS)
    assert {d for d in directives(text) if not DAY.fullmatch(d)} <= {"option", ";"}

    text = journal(hledger.write, accounts)
    assert {d for d in directives(text) if not DAY.fullmatch(d)} == {
        ";",
        "decimal-mark",
        "commodity",
        "account",
    }
    assert not HIDDEN.search(text)
    postings = re.findall(r"^    [A-Z].*$", text, re.MULTILINE)
    assert [posting for posting in postings if not POSTING.fullmatch(posting)] == []

    rows = list(csv.reader(io.StringIO(journal(bittytax.write, accounts), newline="")))
    assert {len(row) for row in rows} == {len(rows[0])}


@programs.needs_hledger
def test_hledger_itself_reads_nothing_else(accounts: Accounts, tmp_path: Path) -> None:
    hostile(accounts)
    path = tmp_path / "hostile.journal"
    path.write_bytes(journal(hledger.write, accounts).encode())
    programs.hledger(path, "check", "--strict")
    assert programs.hledger(path, "files").split() == [str(path)]
    held = accounts.rows("SELECT count(DISTINCT currency) FROM ledger WHERE book = 'account'")
    used = programs.hledger(path, "accounts", "--used", "^Assets:").splitlines()
    assert len(used) == held[0][0]


@given(st.lists(st.text() | st.sampled_from(WORDS), unique=True, max_size=6))
def test_every_text_is_one_line_and_every_symbol_its_own(texts: list[str]) -> None:
    names = Names()
    for text in texts:
        line_ = one_line(text)
        assert (
            len(line_.splitlines()) <= 1 and not HIDDEN.search(line_) and one_line(line_) == line_
        )
    symbols = [names.symbol(text) for text in texts]
    assert len(set(symbols)) == len(texts) and all(symbols)
    assert not any(re.search(r'[";]', symbol) or HIDDEN.search(symbol) for symbol in symbols)
