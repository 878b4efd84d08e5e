"""BitexBit's deposits and withdrawals: pages by link, and rows of which some servers give no id."""

import hashlib
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from connectors import exact
from connectors.base import Page
from connectors.bitexbit import models
from connectors.bitexbit.parse import rows_of
from connectors.codes import Code, Codes
from connectors.columns import Choice, Text, Time, Wide
from connectors.exact import InvalidValue
from connectors.rows import Column, Layout, check_number, column, object_of, read

_ANY_CODE: Final = Codes()
_STATES: Final = {"10": "pending", "20": "failed", "30": "ok"}


def read_transfers(body: bytes, codes: Codes = _ANY_CODE) -> Page:
    """One page of ``/private/transfers``: deposits and withdrawals with their present state.

    ``next_token`` is the query of the ``next`` link, never its host; ``DEAD_LINK`` where a page is
    to follow and its link leads nowhere.
    """
    page = object_of(_Page, body, "a page of transfers")
    source = rows_of(bytes(page.results), models.Transfer)
    check_number(_LAYOUT, len(source.rows or ()))
    rows = None if source.rows is None else list(map(_identifying(), source.rows))
    again = _identifying()  # row by row, if it comes to that
    identified = replace(source, rows=rows, one=lambda text: again(source.one(text)))
    layout = _LAYOUT.with_columns(
        Column("currency", lambda row: _inner(row.currency, "code"), Code(codes))
    )
    built = read(layout, identified)
    total = page.count if type(page.count) is int else None
    return replace(built.page(), next_token=_next_query(page.next), total=total)


DEAD_LINK: Final = "#"
"""No query: one never holds this."""
_QUERY: Final = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=:@/?%-]{1,2000}")


def _next_query(link: Any) -> str | None:
    if link is None or link == "":
        return None
    try:
        query = urlsplit(link).query if isinstance(link, str) else ""
    except ValueError:
        return DEAD_LINK
    return query if _QUERY.fullmatch(query) and link.isprintable() else DEAD_LINK


def _identifying() -> Callable[[models.Transfer], models.Transfer]:
    """Gives the rows of one answer that have no id one of what never changes of a transfer.

    ``txid`` does not identify it: it is shared by the deposits of one transaction, and a withdrawal
    has none before it is sent. Of transfers that agree in all that is left, each has a number.
    """
    alike = Counter[str]()

    def identified(row: models.Transfer) -> models.Transfer:
        if row.id in (None, ""):
            try:
                made = _made_id(row)
            except InvalidValue:
                return row  # of which some column says what is wrong
            alike[made] += 1
            row.id = made if alike[made] == 1 else f"{made}-{alike[made]}"
        return row

    return identified


def _made_id(row: models.Transfer) -> str:
    time, type_ = exact.time_us(row.date), _type(row)
    return _id_of(time, type_, _inner(row.currency, "code"), row.amount)


def _id_of(time_us: int, type_: str, currency: Any, amount: Any) -> str:
    try:
        value = exact.price(amount)
    except InvalidValue:
        value = exact.wide(amount)
    # The code in upper case, whatever is listed beside it: an id never changes.
    parts = (time_us, type_, _ANY_CODE.code_of(currency), value)
    return f"transfer-{hashlib.sha256(repr(parts).encode()).hexdigest()[:20]}"


_MADE: Final = re.compile(r"(transfer-[0-9a-f]{20})(-[0-9]+)?")


def renamed(received: pa.Table, stored: pa.Table) -> dict[str, str]:
    """The ids of ``stored`` transfers that were their ``txid`` once, and those that they have now.

    Empty where the server gives ids, as ``received`` shows: they may well be the ``txid``.
    """
    ids = stored["transaction_id"]
    may_be_old = pc.or_(pc.equal(ids, stored["description"]), pc.equal(ids, ""))
    gives_ids = not any(map(_MADE.fullmatch, received["transaction_id"].to_pylist()))
    if gives_ids or not pc.any(may_be_old).as_py():
        return {}
    times = pc.cast(stored["timestamp"], pa.int64()).to_pylist()
    rows = stored.select(["transaction_id", "description", "type", "currency", "amount"])
    held = list(zip(times, *(column.to_pylist() for column in rows.columns), strict=True))
    taken = {id_ for _, id_, *_ in held}
    twins = {(m[1], txid): id_ for _, id_, txid, *_ in held if (m := _MADE.fullmatch(id_))}
    found: dict[str, str] = {}
    for time, id_, txid, type_, currency, amount in held:
        if id_ in ("", txid) and not _MADE.fullmatch(id_):
            made = _id_of(time, type_, currency, str(amount))
            free = (made, *(f"{made}-{number}" for number in range(2, len(held) + 2)))
            found[id_] = twins.get((made, txid)) or next(new for new in free if new not in taken)
            taken.add(found[id_])
    return found


def _id(row: models.Transfer) -> Any:
    if row.id in (None, ""):
        raise InvalidValue("is missing, and cannot be made of date, type, currency and amount")
    return row.id


def _type(row: models.Transfer) -> Any:
    if not isinstance(row.is_outgoing, bool):
        raise InvalidValue(f"is unknown: is_outgoing is {row.is_outgoing!r}")
    return "withdrawal" if row.is_outgoing else "deposit"


def _inner(value: Any, key: str) -> Any:
    """A code or a state, be it sent alone or as a member of an object."""
    return value.get(key) if isinstance(value, dict) else value


_LAYOUT: Final = Layout(
    "account_transactions",
    (
        Column("transaction_id", _id, Text()),
        column("timestamp", "date", Time()),
        Column("type", _type, Text()),
        column("amount", "amount", Wide()),
        Column("status", lambda row: _inner(row.status, "key"), Choice(_STATES)),
        Column("description", lambda row: "" if row.txid is None else row.txid, Text()),
    ),
    key=("transaction_id",),
    position="timestamp",
)


class _Page(msgspec.Struct):
    results: msgspec.Raw
    count: Any = None
    next: Any = None
