"""The journal in Beancount's language (version 3): https://beancount.github.io/docs/

Days are UTC. A ``balance`` holds at the beginning of its day, with a tolerance of nothing.
"""

import re
from datetime import date, timedelta
from decimal import Decimal
from typing import IO

import duckdb

from pipelines.export.events import Scope
from pipelines.export.journal import Journal, Posting, Transaction, one_line
from pipelines.output.formatting import number


def write(db: duckdb.DuckDBPyConnection, scope: Scope, out: IO[str]) -> int:
    """Write the journal; returns how many transactions."""
    journal = Journal(db, scope)
    names = journal.names
    out.write(f'option "title" {_quoted(f"Tidemark: {journal.title}")}\n\n')
    accounts = journal.accounts()
    first = min((account.since for account in accounts), default=date.min)
    for currency in journal.currencies:
        if names.commodity(currency) != currency:
            out.write(f"{first} commodity {names.commodity(currency)}\n")
            out.write(f"  name: {_quoted(currency)}\n")
    for account in accounts:
        only = f" {names.commodity(account.currency)}" if account.currency else ""
        out.write(f"{account.since} open {account.name}{only}\n")
    count = 0
    for transaction in journal.transactions():
        out.write(_entry(journal, transaction))
        count += 1
    out.write("\n")
    for agreed in journal.agreed():
        commodity = names.commodity(agreed.currency)
        out.write(f"{agreed.day + timedelta(days=1)} balance {agreed.account:<38}")
        out.write(f"  {_plain(agreed.balance):>22} ~ 0 {commodity}\n")
        out.write(f"  reported: {_quoted(agreed.reported)}\n")
    for text in journal.left_out:
        out.write(f"; not counted yet: {text}\n")
    return count


def _entry(journal: Journal, made: Transaction) -> str:
    flag = "*" if made.is_final else "!"
    link = f" ^{re.sub('[^A-Za-z0-9_/.-]', '-', made.order)}" if made.order else ""
    lines = [
        f"\n{made.day} {flag} {_quoted(made.payee)} {_quoted(made.text)}{link}",
        *(f"  {name}: {_quoted(value)}" for name, value in made.tags.items()),
        *(_posting(journal, posting) for posting in made.postings),
    ]
    return "\n".join(lines) + "\n"


def _posting(journal: Journal, posting: Posting) -> str:
    commodity = journal.names.commodity
    amount = f"{_plain(posting.amount):>22} {commodity(posting.currency)}"
    if posting.price is not None:
        price, currency = posting.price
        amount += f" @@ {_plain(price)} {commodity(currency)}"
    return f"  {posting.account:<38}  {amount}"


def _plain(value: Decimal) -> str:
    """At least two decimals: Beancount takes a whole number for one without any tolerance, and
    gets a total price back from the price of one, which may have no end."""
    text = number(value)
    whole, _, decimals = text.partition(".")
    return text if len(decimals) >= 2 else f"{whole}.{decimals:0<2}"


def _quoted(text: str) -> str:
    return '"' + one_line(text).replace("\\", "\\\\").replace('"', '\\"') + '"'
