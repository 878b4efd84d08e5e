"""The markets that a job names, beside those that the exchange lists."""

import difflib
from collections.abc import Collection, Sequence
from typing import Final

import connectors
from connectors.base import Connector, Market
from connectors.errors import (
    ContractError,
    PartlyReadError,
    RequestError,
    TransientError,
    UnreachableError,
)
from pipelines.feeds import Feed, Job
from pipelines.ingest.report import StreamReport
from pipelines.ingest.stream import problem
from warehouse.store import Store

_NO_LIST: Final = (RequestError, ContractError, TransientError)


def ended(
    job: Job, store: Store, listed: Collection[str], account: str | None = None
) -> list[tuple[str, str | None]]:
    """Market and timeframe of the streams of markets that are listed no longer."""
    known = (s for s in store.streams(job.exchange, job.dataset) if s.account == account)
    return [(s.symbol, s.timeframe) for s in known if s.symbol and s.symbol not in listed]


def chosen(
    job: Job, markets: Sequence[str] | None, connector: Connector, store: Store
) -> tuple[list[str], list[StreamReport]]:
    """Those of ``markets`` (``None`` = all) to pull, and a report for each that cannot be."""
    try:
        listed = {m.symbol: m for m in connector.markets()}
    except Exception as error:
        reachable = not isinstance(error, UnreachableError)
        if markets is not None and reachable and isinstance(error, _NO_LIST):
            # no list to be had: each market whose name is known answers for itself
            named = [connector.symbol_of(name) for name in markets]
            symbols = dict.fromkeys(symbol for symbol in named if symbol)
            lost = [n for n, s in zip(markets, named, strict=True) if not s]
            reports = [StreamReport(job.exchange, job.dataset, n, error=str(error)) for n in lost]
            return list(symbols), reports
        symbols = {}
        if isinstance(error, PartlyReadError):  # the others, and those of which rows are held
            known = store.streams(job.exchange, job.dataset)
            held = (stream.symbol for stream in known if stream.symbol)
            symbols = dict.fromkeys([*(m.symbol for m in error.readable), *held])
        return list(symbols), [StreamReport(job.exchange, job.dataset, "", error=problem(error))]
    if markets is None:
        if listed:
            return list(listed), []
        nothing = (
            f"{job.exchange} lists no market at all, and {job.feed.path} wants all. "
            "Fix: pull again later; if this stays, check "
            f"{connectors.base_url_variable(job.exchange)}"
        )
        return [], [StreamReport(job.exchange, job.dataset, "", error=nothing)]
    wanted = {name: connector.symbol_of(name) for name in markets}
    refused = [
        StreamReport(
            *(job.exchange, job.dataset, name),
            error=_unknown(name, listed, job.feed),
            is_of_feed=True,
        )
        for name, symbol in wanted.items()
        if symbol not in listed
    ]
    return [s for s in wanted.values() if s in listed], refused


def of_shard(
    job: Job, symbols: Sequence[str], names: Sequence[str] | None, connector: Connector
) -> list[str]:
    """Those of ``symbols`` in the part that the job pulls. ``names``: of the feed, where it chose
    them by name. Each of its steps divides the same names, whatever list it was shown.
    """
    shard = job.feed.shard
    if shard is None:
        return list(symbols)
    if names is None:
        return shard.of_listed(symbols)
    mine = {*shard.of_named(list(dict.fromkeys(connector.symbol_of(n) or n for n in names)))}
    return [symbol for symbol in symbols if symbol in mine]


def reported(job: Job, refused: Sequence[StreamReport]) -> list[StreamReport]:
    """``refused``, of which one part of the feed alone reports the mistakes of its file."""
    return [r for r in refused if job.feed.has_undivided or not r.is_of_feed]


def _unknown(symbol: str, listed: dict[str, Market], feed: Feed) -> str:
    names = [*(m.native_symbol for m in listed.values()), *listed]
    alike = {name.casefold(): name for name in names}
    close = difflib.get_close_matches(symbol.casefold(), alike, 3, 0.5)
    hint = f"; did you mean {' or '.join(alike[name] for name in close)}?" if close else "."
    some = sorted(listed)[:12]
    return (
        f"{feed.exchange} does not list the market {symbol} (named in {feed.path}){hint} "
        f"It lists {len(listed)}: {', '.join(some)}{', …' if len(listed) > len(some) else ''}. "
        f"Fix: name a market in the feed that is listed, or leave {symbol} out"
    )
