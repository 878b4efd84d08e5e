"""Markets and currencies of an account, where it has to be asked for each of them by itself."""

from collections.abc import Iterator
from contextlib import suppress

import pyarrow as pa
import pyarrow.compute as pc

from connectors.base import Connector
from pipelines.feeds import Job
from schemas import StreamId, TidemarkError
from schemas.times import DAY_US
from warehouse.clock import now_us
from warehouse.store import Store


def account_markets(store: Store, connector: Connector, account: str) -> list[str]:
    """Symbols of the listed markets between currencies that the account held.

    It held what its stored balances, transactions and fills name; its balances now where none are
    stored. Raises ``ExchangeError`` where there is no list of markets.
    """
    held = set(_held(store, connector, account))
    return [m.symbol for m in connector.markets() if m.base in held and m.quote in held]


def _held(store: Store, connector: Connector, account: str) -> Iterator[str]:
    streams = [stream for stream in store.streams(connector.name) if stream.account == account]
    for stream in streams:
        if stream.dataset == "account_transactions":
            for rows in store.reader(stream).scan(["currency"]):
                yield from pc.unique(rows.column("currency")).to_pylist()
        elif stream.dataset == "balances":
            for rows in store.reader(stream).scan(["currency", "available", "reserved"]):
                yield from _not_zero(rows)
        elif stream.symbol is not None and store.state(stream).newest_at is not None:
            base, _, quote = stream.symbol.rpartition("-")
            yield from (base, quote)
    if "balances" in connector.offers and all(s.dataset != "balances" for s in streams):
        with suppress(TidemarkError):
            yield from _not_zero(connector.snapshot("balances", ()).table)


def due_currencies(store: Store, connector: Connector, job: Job) -> list[str]:
    """Currencies of the account of whose list a pull reads: of each that it has something of, and
    of any other once a day. Raises ``ExchangeError`` where balances cannot be had.
    """
    balances = connector.snapshot("balances", ()).table
    held = set(_not_zero(balances))

    def is_due(currency: str) -> bool:
        stream = StreamId(job.exchange, job.dataset, currency, job.feed.account)
        checked = store.state(stream).checked_at
        return currency in held or checked is None or now_us() - checked >= DAY_US

    return [c for c in pc.unique(balances.column("currency")).to_pylist() if is_due(c)]


def _not_zero(balances: pa.Table) -> list[str]:
    """The currencies of which there is something."""
    amounts = (pc.fill_null(balances.column(name), 0) for name in ("available", "reserved"))
    some = pc.or_(*(pc.not_equal(amount, 0) for amount in amounts))
    found: list[str] = pc.unique(balances.column("currency").filter(some)).to_pylist()
    return found
