"""Whether balances agree with the accounts' history: the view ``reconciliation``."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final

import warehouse
from pipelines.settings import Settings
from schemas.times import to_datetime

_HISTORIES: Final = ("account_trades", "account_transactions")
_DIFFERENCES: Final = """
    SELECT
        count(*) AS compared,
        list(
            {
                'exchange': exchange, 'account': account, 'currency': currency,
                'observed_at': observed_at, 'computed': computed, 'reported': reported,
                'difference': difference, 'cause': cause, 'explained': explained
            }
            ORDER BY observed_at, exchange, account, currency
        ) FILTER (difference <> 0) AS differences
    FROM reconciliation"""


@dataclass(frozen=True)
class Difference:
    """One currency of one observation that the history does not give exactly."""

    exchange: str
    account: str
    currency: str
    observed_at: datetime
    computed: Decimal
    reported: Decimal
    difference: Decimal
    cause: str | None


@dataclass(frozen=True)
class Reconciliation:
    """``compared``: balances looked at. ``waiting``: differences of observations that were made
    after the last pull of the account's history, which may lack what happened in between."""

    compared: int
    unexplained: tuple[Difference, ...]
    explained: tuple[Difference, ...]
    waiting: tuple[Difference, ...]


def reconcile(settings: Settings) -> Reconciliation:
    """Compare what was published with the balances. Raises ``StorageError``."""
    if not (settings.home / warehouse.LINK).exists():
        return Reconciliation(0, (), (), ())
    # one query: the view takes longer to plan than to compute
    (result,) = warehouse.sql(_DIFFERENCES, home=settings.home).to_pylist()
    pulled_at = _pulled_at(settings)
    unexplained, explained, waiting = [], [], []
    for row in result["differences"] or ():
        is_explained = row.pop("explained")
        found = Difference(**row)
        pulled = pulled_at.get((found.exchange, found.account))
        if is_explained:
            explained.append(found)
        elif pulled is not None and found.observed_at > pulled:
            waiting.append(found)
        else:
            unexplained.append(found)
    return Reconciliation(result["compared"], tuple(unexplained), tuple(explained), tuple(waiting))


def _pulled_at(settings: Settings) -> dict[tuple[str, str | None], datetime]:
    """When a pull of every history of an account that is collected last began, by account."""
    checked: dict[tuple[str, str | None], int] = {}
    for status in warehouse.status(settings.home):
        at, owner = status.state.checked_at, (status.stream.exchange, status.stream.account)
        if status.stream.dataset in _HISTORIES and at is not None:
            checked[owner] = min(at, checked.get(owner, at))
    return {owner: to_datetime(at) for owner, at in checked.items()}
