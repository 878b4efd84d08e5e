"""Write the table of calls, of every exchange, from the endpoint tables.

``python -m connectors.calls > docs/exchanges/calls.md``
"""

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import parse_qsl

import pyarrow as pa

import connectors
from connectors import ccxt
from connectors.base import EACH, Bounds, Cursor, Page, Paging, Window
from connectors.codes import Codes
from connectors.dialect import Asked, Dialect, Endpoint, ServerClock
from connectors.http import Request
from connectors.names import Names
from connectors.pace import Allowance
from schemas import DATASETS, StreamId

_HEAD: Final = """\
# Every call that Tidemark sends

Made by `python -m connectors.calls > docs/exchanges/calls.md` from `connectors/*/endpoints.py` and
the profiles of `connectors/ccxt/`; a test holds it true, and another sends each call over HTTP. No
other call can leave: one that is not on an exchange's list of reading calls is an error. None of
these places an order or moves money. Of exchanges through ccxt without a profile, every call is in
`connectors/ccxt/exchanges.toml`.

- **parameters**: those that are sent, in the URL or a form; signatures and nonces come besides.
- **key**: whether the call is signed with a key of the account.
- **at most**: the pace that Tidemark keeps, all its processes on a machine together. The calls of
  one allowance (named above each table) share it, each by its weight.
"""
_MARKET, _CURRENCY, _ROW, _PAGE = "MARKET", "CURRENCY", 1, "page=2"
"""What stands in the requests for a market, a currency, a row and the token of a later page."""
_LIST: Final = "ACCOUNT"
"""What stands for the id of the account of a currency."""
_PLACES: Final = {_MARKET: "<market>", _CURRENCY: "<currency>", _LIST: "<account>"}
_CURRENCY_BY_CURRENCY: Final = "of each currency"
_EXAMPLE: Final = "BASE-QUOTE"
_PAGED: Final = {
    Cursor.ID: "by id",
    Cursor.TIME: "by time",
    Cursor.NEWEST: "only the newest rows are shown",
    Cursor.PAGES: "page by page",
    Cursor.SNAPSHOT: "the state now",
    Cursor.LOOKUP: "open rows in a list, any other by its id",
}
_BOUNDS: Final = {
    Bounds.BOTH: "",
    Bounds.EITHER: ", one end of a window",
    Bounds.LOWER: ", from one on",
    Bounds.UPPER: ", up to one",
}
_DAY_US: Final = 86_400_000_000
_LONG_AFTER_US: Final = 20_000 * _DAY_US
"""Now, where windows are asked for: what is old may be in another list."""
_ALONG: Final = {
    "quarantine",
    "reference_trades",
    *(d.history for d in DATASETS.values() if d.history),
}
"""Datasets that no exchange is asked for: they are written along with others."""
_NOTHING: Final = Page(pa.table({}), pa.array([], pa.int64()))


@dataclass(frozen=True)
class Sent:
    """One call: what it is for, and a request of it for each way in which it is asked."""

    purpose: str
    name: str
    paged: str
    requests: tuple[Request, ...]


def document() -> str:
    """The whole document, Markdown."""
    return "\n".join(_lines()) + "\n"


def calls(dialect: Dialect) -> list[Sent]:
    """Every call of an exchange: those of each dataset, then the address and the clock."""
    found: dict[tuple[str, str], Sent] = {}

    def add(purpose: str, paged: str, requests: Iterable[Request]) -> None:
        for request in requests:
            name = _named(replace(request, content=request.form.encode()).call)
            known = found.get((purpose, name))
            before = known.requests if known else ()
            found[purpose, name] = Sent(purpose, name, paged, (*before, request))

    for dataset, endpoint in dialect.endpoints.items():
        if endpoint.paging.cursor is not Cursor.DERIVED:
            purpose = ", ".join(
                f"`{name}`" for name in (dataset, DATASETS[dataset].history) if name
            )
            add(purpose, _paged(endpoint.paging), _requests(dialect, dataset, endpoint))
            for part, further in endpoint.parts.items():
                of = f"{purpose}: {_CURRENCY_BY_CURRENCY if part == EACH else part}"
                name = _CURRENCY if part == EACH else part
                add(of, _paged(further.paging), _requests(dialect, dataset, further, name))
    if dialect.address is not None:
        asked = Asked((StreamId(dialect.name, "account_transactions"),), currency=_CURRENCY)
        add("`tidemark address`; not stored", "one", [dialect.address.request(asked)])
    if isinstance(dialect.freshness, ServerClock) and dialect.freshness.call is not None:
        asked = Asked((StreamId(dialect.name, "markets"),))
        add("the exchange's clock", "one", [dialect.freshness.call.request(asked)])
    return list(found.values())


def _requests(
    dialect: Dialect, dataset: str, endpoint: Endpoint, part: str | None = None
) -> Iterator[Request]:
    """One for each way in which ``dataset``, or a list of it, is asked for."""
    paging, declared = endpoint.paging, DATASETS[dataset]
    codes = Codes(aliases={_LIST: _CURRENCY})
    names = Names(dialect.spelling, {_MARKET: _EXAMPLE}, codes, listed=(_MARKET,))
    if declared.is_account:
        market = _EXAMPLE if paging.per_market else part
        stream = StreamId(dialect.name, dataset, market, account="main")
    elif declared.is_reference:
        stream = StreamId(dialect.name, dataset)
    else:
        timeframe = paging.timeframes[0] if paging.timeframes else None
        stream = StreamId(dialect.name, dataset, _EXAMPLE, timeframe=timeframe)
    plain = Asked((stream,), row_id=_ROW, names=names, now=_LONG_AFTER_US)
    variants = [plain]
    if paging.cursor in (Cursor.ID, Cursor.TIME):
        unit = paging.units[0] if paging.units else None
        for lower, upper in ((_DAY_US, None), (None, 2 * _DAY_US), (_DAY_US, 2 * _DAY_US)):
            window = Window(lower, upper, min(1000, paging.max_rows), unit)
            variants.append(replace(plain, window=window))
    if paging.cursor is Cursor.PAGES:
        variants.append(replace(plain, token=_PAGE))
    if paging.details:
        name = _EXAMPLE if dataset == "markets" else _CURRENCY
        variants.append(replace(plain, streams=(replace(stream, symbol=name),)))
    for asked in variants:
        request: Request | None = endpoint.request(asked)
        while request is not None:
            yield request
            follows = endpoint.following
            request = follows(asked, request, _NOTHING, 0) if follows else None
    if endpoint.open_rows is not None:
        yield endpoint.open_rows.request(plain)


def _named(call: str) -> str:
    for example, place in _PLACES.items():
        call = call.replace(example, place)
    return call


def _paged(paging: Paging) -> str:
    """``by id, from one on; ids have no holes; 1,000 rows a call``."""
    parts = [_PAGED[paging.cursor] + _BOUNDS[paging.bounds]]
    if paging.cursor is Cursor.SNAPSHOT:
        parts[0] += {0: " of everything", 1: " of one market"}.get(
            paging.batch, f" of up to {paging.batch} markets"
        )
        parts += ["one by its name where it left the list"] if paging.details else []
    elif paging.cursor is not Cursor.LOOKUP:
        parts += ["market by market"] if paging.per_market else []
        parts += ["ids have no holes"] if paging.dense else []
        if paging.max_span_us is not None:
            parts.append(f"windows of at most {-(-paging.max_span_us // _DAY_US)} days")
        parts.append(f"up to {paging.max_rows:,} rows a call")
    if paging.timeframes:
        parts.append(f"{' '.join(paging.timeframes)}; any other is built from trades")
    return "; ".join(parts)


def _lines() -> Iterator[str]:
    yield _HEAD
    for name in (*connectors.names(), *ccxt.profiled()):
        dialect = connectors.dialect_of(name)
        yield f"## {name}\n"
        yield f"`{dialect.base_url}`. Allowances: {_allowances(dialect)}.\n"
        yield "| for | call | parameters | paging | key | at most |"
        yield "|---|---|---|---|---|---|"
        for sent in calls(dialect):
            first = sent.requests[0]
            cells = (
                sent.purpose,
                f"`{sent.name}`",
                " ".join(f"`{name}`" for name in _parameters(sent.requests)),
                sent.paged,
                "yes" if first.private else "",
                _pace(_allowance(dialect, first), first.cost),
            )
            yield f"| {' | '.join(cells)} |"
        derived = [n for n, e in dialect.endpoints.items() if e.paging.cursor is Cursor.DERIVED]
        if derived:
            yield f"\nBuilt from trades, without a call: {', '.join(f'`{n}`' for n in derived)}."
        lacking = [name for name in DATASETS if name not in {*dialect.endpoints, *_ALONG}]
        if lacking:
            yield f"\nNot offered: {', '.join(f'`{n}`' for n in lacking)}."
        yield ""


def _parameters(requests: Iterable[Request]) -> list[str]:
    """Their names, each once; ``method`` of a form is part of the call."""
    texts = [request.query or request.form for request in requests]
    named = [name for text in texts for name, _ in parse_qsl(text, keep_blank_values=True)]
    return [name for name in dict.fromkeys(named) if name != "method"]


def _allowance(dialect: Dialect, request: Request) -> Allowance:
    return dialect.limits[request.bucket or ("private" if request.private else "public")]


def _allowances(dialect: Dialect) -> str:
    """``public: 90 a second, up to 300 at once; private: …``."""
    return "; ".join(
        f"{name}: {_pace(allowance, 1)}"
        + (f", up to {allowance.burst:,g} at once" if allowance.burst else "")
        + (", of a key" if allowance.per_account else "")
        for name, allowance in dialect.limits.items()
    )


def _pace(allowance: Allowance, cost: float) -> str:
    """``3.6 a second``, ``9.9 a minute``."""
    rate, unit = allowance.per_second / cost, "second"
    if rate < 1:
        rate, unit = rate * 60, "minute"
    return f"{round(rate, 2):,g} a {unit}"


if __name__ == "__main__":
    sys.stdout.write(document())
