"""The journal in hledger's language: https://hledger.org/hledger.html

Days are UTC. Every account and commodity is declared, so that ``hledger check --strict`` passes;
a commodity without a format, to whose places hledger would balance. A balance is asserted by a
posting of 0, after all others of its day.
"""

import re
from decimal import Decimal
from typing import IO

import duckdb

from pipelines.export.events import Scope
from pipelines.export.journal import Journal, Posting, Transaction
from pipelines.output.formatting import number


def write(db: duckdb.DuckDBPyConnection, scope: Scope, out: IO[str]) -> int:
    """Write the journal; returns how many transactions."""
    journal = Journal(db, scope)
    out.write(f"; Tidemark: {journal.title}\n\ndecimal-mark .\n\n")
    for currency in journal.currencies:
        out.write(f"commodity {_symbol(journal, currency)}\n")
    for account in journal.accounts():
        out.write(f"account {account.name}\n")
    count = 0
    for transaction in journal.transactions():
        out.write(_entry(journal, transaction))
        count += 1
    for agreed in journal.agreed():
        zero, balance = (_amount(journal, n, agreed.currency) for n in (Decimal(0), agreed.balance))
        out.write(f"\n{agreed.day} * {agreed.payee} | Balance  ; reported: {agreed.reported}\n")
        out.write(f"    {agreed.account}  {zero} = {balance}\n")
    out.write("\n")
    for text in journal.left_out:
        out.write(f"; not counted yet: {text}\n")
    return count


def _entry(journal: Journal, made: Transaction) -> str:
    flag = "*" if made.is_final else "!"
    tags = made.tags | ({"order": made.order} if made.order else {})
    lines = [
        # a semicolon begins a comment
        f"\n{made.day} {flag} {made.payee} | {made.text.replace(';', ',')}",
        # a comma ends the value of a tag
        *(
            f"    ; {name}: {' '.join(text.replace(',', ' ').split())}"
            for name, text in tags.items()
        ),
        *(_posting(journal, posting) for posting in made.postings),
    ]
    return "\n".join(lines) + "\n"


def _posting(journal: Journal, posting: Posting) -> str:
    price = f" @@ {_amount(journal, *posting.price)}" if posting.price else ""
    amount = _amount(journal, posting.amount, posting.currency)
    return f"    {posting.account:<38}  {amount:>28}{price}"


def _amount(journal: Journal, value: Decimal, currency: str) -> str:
    return f"{number(value)} {_symbol(journal, currency)}"


def _symbol(journal: Journal, currency: str) -> str:
    symbol = journal.names.symbol(currency)
    return symbol if re.fullmatch("[A-Za-z]+", symbol) else f'"{symbol}"'
