"""The programs that exports are made for, run for real."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from beancount import loader
from beancount.core import data, realization

Balances = dict[tuple[str, str], Decimal]
"""By account (or wallet) and currency; nothing that is 0."""


class Loaded:
    """A journal as Beancount has it. It must have no complaint at all."""

    def __init__(self, text: str) -> None:
        self.entries, errors, _ = loader.load_string(text)
        assert [error.message for error in errors] == []

    @property
    def transactions(self) -> list[Any]:
        return list(data.filter_txns(self.entries))

    @property
    def asserted(self) -> list[tuple[str, str, Decimal | None]]:
        """Day, account and amount of every balance assertion; Beancount found all of them true."""
        return [
            (str(e.date), e.account, e.amount.number)
            for e in self.entries
            if isinstance(e, data.Balance)
        ]

    def balances(self, root: str) -> Balances:
        """What Beancount makes of the accounts below ``root`` at the end."""
        tree = realization.realize(self.entries)
        return {
            (leaf.account, position.units.currency): position.units.number
            for leaf in realization.iter_children(realization.get(tree, root))
            for position in leaf.balance
            if position.units.number
        }


AUDIT = """
import json, sys
from bittytax.audit import AuditRecords
from bittytax.import_records import ImportRecords
records = ImportRecords()
with open(sys.argv[1], newline="", encoding="utf-8") as file:
    records.import_csv(file, sys.argv[1])
wallets = AuditRecords(records.get_records()).wallets
found = [(w, c, str(n)) for w, held in wallets.items() for c, n in held.items()]
print(json.dumps([records.success_cnt, records.failure_cnt, found]))
"""


def bittytax(records: Path) -> tuple[int, Balances]:
    """How many ``records`` BittyTax takes, all of them, and the wallets of its audit.

    What `bittytax --audit` does before it writes a report.
    """
    done = subprocess.run(
        [sys.executable, "-c", AUDIT, str(records)],
        env={**os.environ, "HOME": str(records.parent)},  # where it keeps its settings
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "is negative" not in done
    taken, failed, wallets = json.loads(done.splitlines()[-1])
    assert failed == 0
    return taken, without_nothing((w, c, Decimal(n)) for w, c, n in wallets)


needs_hledger = pytest.mark.skipif(
    shutil.which("hledger") is None, reason="hledger is not installed"
)


def hledger(journal: Path, *command: str) -> str:
    """What hledger prints; it must have no complaint."""
    environment = {"LANG": "C.UTF-8", "PATH": os.environ["PATH"], "HOME": str(journal.parent)}
    done = subprocess.run(
        ["hledger", "-f", str(journal), *command],
        env=environment,
        capture_output=True,
        encoding="utf-8",
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def without_nothing(rows: Iterable[tuple[Any, ...]]) -> Balances:
    return {(whose, currency): amount for whose, currency, amount in rows if amount}
