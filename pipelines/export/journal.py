"""Events as transactions of plain-text accounting: what Beancount and hledger have in common.

Accounts: ``Assets:<Exchange>:<Account>:<CURRENCY>``, ``Expenses:Fees:<Exchange>:<Account>``, and
likewise ``Equity:Transfers`` (deposits, withdrawals), ``Income:Credits``, ``Expenses:Debits`` and
``Equity:Opening-Balances`` (what was there at the start of a span). A trade changes one asset at
the total price of the other, so that it balances exactly whatever an exchange rounds.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Final

import duckdb

from pipelines.export import events
from pipelines.export.events import Row, Scope
from pipelines.output.formatting import WHITESPACE, instant, number, visible

_OTHER: Final = {
    "fee": "Expenses:Fees",
    "deposit": "Equity:Transfers",
    "withdrawal": "Equity:Transfers",
    "credit": "Income:Credits",
    "debit": "Expenses:Debits",
    "opening": "Equity:Opening-Balances",
}
"""The account on the other side, by kind of entry; a trade has none."""

_NO_COMMODITY: Final = frozenset({"TRUE", "FALSE", "NULL"})
"""Words of Beancount's language."""


@dataclass(frozen=True)
class Posting:
    """A change of one account. ``price``: of all of it, in the other currency of a trade."""

    account: str
    amount: Decimal
    currency: str
    price: tuple[Decimal, str] | None = None


@dataclass(frozen=True)
class Transaction:
    """One event. ``is_final``: it cannot fail any more. ``order``: what fills of it share."""

    day: date
    payee: str
    text: str
    postings: tuple[Posting, ...]
    tags: dict[str, str]
    is_final: bool = True
    order: str | None = None


@dataclass(frozen=True)
class Account:
    """An account, and the currency that it is restricted to."""

    name: str
    since: date
    currency: str | None = None


@dataclass(frozen=True)
class Agreed:
    """A balance at the end of ``day``, on which the exchange's own figure was the history's."""

    account: str
    day: date
    balance: Decimal
    currency: str
    payee: str
    reported: str


class Names:
    """Account and commodity names as Beancount allows them; hledger accepts them as well.

    Two things never get the same name: the second gets a number.
    """

    def __init__(self) -> None:
        self._given: dict[tuple[str, str], str] = {}
        self._taken: set[tuple[str, str]] = set()

    def part(self, kind: str, name: str) -> str:
        """A part of an account's name: ``my_desk`` is ``My-desk``, ``1INCH`` stays."""
        return self._given.get((kind, name)) or self._new(kind, name, _part(name))

    def commodity(self, currency: str) -> str:
        """A commodity: ``BTC`` stays, ``1INCH`` is ``X1INCH``."""
        known = self._given.get(("commodity", currency))
        return known or self._new("commodity", currency, _commodity(currency))

    def symbol(self, currency: str) -> str:
        """A commodity as hledger has it: some text without line ends, quotes and semicolons."""
        known = self._given.get(("symbol", currency))
        return known or self._new(
            "symbol", currency, re.sub('[";]', "-", one_line(currency)) or "X"
        )

    def _new(self, kind: str, name: str, wanted: str) -> str:
        text, number = wanted, 1
        while (kind, text) in self._taken:
            number += 1
            text = f"{wanted}-{number}"
        self._taken.add((kind, text))
        self._given[kind, name] = text
        return text


class Journal:
    """The events of a scope as transactions, with all that they need."""

    def __init__(self, db: duckdb.DuckDBPyConnection, scope: Scope) -> None:
        events.prepare(db, scope)
        self._db = db
        self._scope = scope
        self.names = Names()
        self._holdings = list(events.rows(db, "holdings", scope))
        self.left_out = [one_line(text) for text in events.left_out(db, scope)]

    @property
    def title(self) -> str:
        """Whose history it is, and of when."""
        whose = dict.fromkeys(f"{h['exchange']} {h['account']}" for h in self._holdings)
        span = [
            f"{word} {instant(bound)}"
            for word, bound in (("from", self._scope.start), ("until", self._scope.end))
            if bound is not None
        ]
        return " ".join([", ".join(whose), *span])

    @property
    def currencies(self) -> list[str]:
        """Every currency that is in it."""
        return sorted({h["currency"] for h in self._holdings})

    def accounts(self) -> list[Account]:
        """Every account that is used."""
        found: dict[str, Account] = {}
        for row in self._holdings:
            name = self._asset(row, row["currency"])
            found[name] = Account(name, row["since"], row["currency"])
            kinds = [*(row["kinds"] or []), *(["opening"] if row["opening"] else [])]
            for kind in kinds:
                if kind in _OTHER:
                    other = self._other(row, kind)
                    since = min(row["since"], found[other].since if other in found else date.max)
                    found[other] = Account(other, since)
        return sorted(found.values(), key=lambda account: account.name)

    def transactions(self) -> Iterator[Transaction]:
        """What was there at the start, then every event, account by account in order of time."""
        if self._scope.start is not None:
            yield from self._openings(self._scope.start)
        for row in events.rows(self._db, "happened", self._scope):
            yield self._transaction(row)

    def agreed(self) -> Iterator[Agreed]:
        """Balances that the exchange's own figures prove."""
        for row in events.rows(self._db, "agreed", self._scope):
            yield Agreed(
                self._asset(row, row["currency"]),
                row["day"],
                row["balance"],
                row["currency"],
                row["exchange"],
                one_line(f"{number(row['reported'])} {row['currency']} at {instant(row['as_of'])}"),
            )

    def _openings(self, start: datetime) -> Iterator[Transaction]:
        for row in self._holdings:
            if row["opening"]:
                amount, currency = row["opening"], row["currency"]
                postings = (
                    Posting(self._asset(row, currency), amount, currency),
                    Posting(self._other(row, "opening"), amount.copy_negate(), currency),
                )
                day = instant(start)[:10]
                yield Transaction(
                    date.fromisoformat(day), row["exchange"], "Opening balance", postings, {}
                )

    def _transaction(self, row: Row) -> Transaction:
        tags = {
            "time": instant(row["timestamp"])[11:],
            "source": row["source_dataset"],
            "id": row["source_id"],
            "exact-id": row["exact_id"],
            "description": row["description"],
        }
        return Transaction(
            day=date.fromisoformat(instant(row["timestamp"])[:10]),
            payee=row["exchange"],
            text=one_line(_text(row)),
            postings=tuple(self._postings(row)),
            tags={name: one_line(value) for name, value in tags.items() if value},
            is_final=not row["is_under_way"],
            order=row["order_id"]
            and one_line(f"{row['exchange']}-{row['account']}-{row['order_id']}"),
        )

    def _postings(self, row: Row) -> Iterator[Posting]:
        kind, is_buy = row["kind"], row["side"] == "buy"
        into = row["received"], row["received_currency"]
        out = row["given"] and row["given"].copy_negate(), row["given_currency"]
        if kind == "trade":
            base, quote = (into, out) if is_buy else (out, into)
            price = quote[0].copy_abs(), quote[1]
            yield Posting(self._asset(row, base[1]), *base, price)
            if quote[0]:
                yield Posting(self._asset(row, quote[1]), *quote)
        else:
            amount, currency = into if row["received"] else out
            yield Posting(self._asset(row, currency), amount, currency)
            yield Posting(self._other(row, kind), amount.copy_negate(), currency)
        if row["fee"]:
            currency = row["fee_currency"]
            yield Posting(self._asset(row, currency), row["fee"].copy_negate(), currency)
            yield Posting(self._other(row, "fee"), row["fee"], currency)

    def _asset(self, row: Row, currency: str) -> str:
        return f"Assets:{self._whose(row)}:{self.names.part('currency', currency)}"

    def _other(self, row: Row, kind: str) -> str:
        return f"{_OTHER[kind]}:{self._whose(row)}"

    def _whose(self, row: Row) -> str:
        exchange = self.names.part("exchange", row["exchange"])
        return f"{exchange}:{self.names.part('account', row['account'])}"


def one_line(text: str) -> str:
    """``text`` without line ends and control characters, so that it ends where it should.

    Ids, currencies and descriptions are an exchange's words: a second line of one would be a
    directive of the journal.
    """
    return " ".join(visible(text, keep=WHITESPACE).split())


def _text(row: Row) -> str:
    """What happened, for people: ``Buy 0.5 BTC at 61799.31 USD``."""
    into = row["received"], row["received_currency"]
    out = row["given"], row["given_currency"]
    if row["kind"] != "trade":
        amount, currency = into if row["received"] else out
        return f"{row['kind'].capitalize()} {number(amount)} {currency}"
    (amount, base), (_, quote) = (into, out) if row["side"] == "buy" else (out, into)
    return f"{row['side'].capitalize()} {number(amount)} {base} at {number(row['price'])} {quote}"


def _part(name: str) -> str:
    text = re.sub(r"[^A-Za-z0-9-]", "-", name)
    text = text[:1].upper() + text[1:]
    return text if re.match("[A-Z0-9]", text) else f"X{text}"


def _commodity(currency: str) -> str:
    text = re.sub(r"[^A-Z0-9'._-]", "-", currency.upper()).strip("'._-")
    usable = re.match("[A-Z]", text) and text not in _NO_COMMODITY
    return text if usable else f"X{text}"
