"""All feeds of a folder, nothing collected twice, and the jobs that a command line names."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Final

from pipelines.feeds.document import shown
from pipelines.feeds.feed import FILE_NAME, Feed, Job, jobs, load_feed
from pipelines.feeds.selection import Names, select
from pipelines.output.formatting import with_fix
from pipelines.settings import load_settings
from schemas import DATASETS, ConfigError, StreamId, dataset

FEEDS_ROOT: Final = Path(__file__).parents[1] / "defs"
"""The feeds that come with Tidemark: those of a clone."""
CLONE: Final = FEEDS_ROOT.parents[1] / "pyproject.toml"
"""Of a clone; an installed package has none beside it."""
FEEDS: Final = "TIDEMARK_FEEDS"
OWN_FEEDS: Final = Path("feeds")
_SYMBOL: Final = re.compile("[A-Z0-9]+-[A-Z0-9]+")


def feeds_root() -> Path:
    """The folder of the feeds: what ``TIDEMARK_FEEDS`` names; else ``pipelines/defs`` of a clone,
    and ``./feeds`` where Tidemark was installed with pip.
    """
    named = load_settings().variables.get(FEEDS)
    if named:
        return Path(named).expanduser()
    return FEEDS_ROOT if CLONE.is_file() else OWN_FEEDS


def load_feeds(root: Path | None = None) -> list[Feed]:
    """Every feed below ``root`` (default :func:`feeds_root`), by name. Any mistake raises."""
    folder = _existing(root)
    for wrong in _misnamed(folder):
        raise ConfigError(_not_read(wrong))
    variables = load_settings().variables
    found = [load_feed(path, variables) for path in sorted(folder.rglob(FILE_NAME))]
    feeds = [feed for feed in found if feed is not None]
    check_no_overlap(feeds)
    return feeds


@dataclass(frozen=True)
class BrokenFeed:
    """A file that declares no feed because of a mistake. ``name``: the folder's."""

    name: str
    path: Path
    error: ConfigError


def readable_feeds(root: Path | None = None) -> tuple[list[Feed], list[BrokenFeed]]:
    """Every feed below ``root`` without a mistake, and every file with one.

    Of two feeds that collect the same, the later one is broken. Raises ``ConfigError`` without the
    folder.
    """
    folder = _existing(root)
    feeds: list[Feed] = []
    broken: list[BrokenFeed] = []
    misnamed = _misnamed(folder)
    variables = load_settings().variables
    for path in sorted([*folder.rglob(FILE_NAME), *misnamed]):
        try:
            if path in misnamed:
                raise ConfigError(_not_read(path))
            feed = load_feed(path, variables)
            if feed is not None:
                check_no_overlap([*feeds, feed])
                feeds.append(feed)
        except ConfigError as error:
            broken.append(BrokenFeed(path.parent.name, path, error))
    return feeds, broken


def _existing(root: Path | None) -> Path:
    folder = feeds_root() if root is None else root
    if not folder.is_dir():
        raise ConfigError(
            with_fix(
                f"there is no folder {shown(folder)}, which should hold one folder a feed",
                f"tidemark init writes the first feed; {FEEDS} names another folder",
            )
        )
    return folder


def _misnamed(folder: Path) -> list[Path]:
    return sorted([*folder.rglob("defs.yml"), *folder.rglob("def.yaml")])


def _not_read(path: Path) -> str:
    return f"{shown(path)}: this file is not read; rename it to {FILE_NAME}"


def select_jobs(feeds: Sequence[Feed], patterns: Sequence[str]) -> list[Job]:
    """The jobs that any of ``patterns`` names; all of them where there is none.

    A pattern is ``feed``, ``feed/dataset``, or the same with the exchange's name; shell wildcards
    stand for parts of a name (``*/tickers``). One that matches nothing raises ``ConfigError``.
    """
    every = jobs(feeds)
    if not every:
        raise ConfigError(
            with_fix(
                f"no feed is declared in {shown(feeds_root())}",
                "tidemark init writes the first one",
            )
        )
    return select(every, _names, patterns, "to pull")


def _names(job: Job) -> Names:
    return Names(job.feed.name, job.spec.name, other_owners={job.exchange})


def is_collected(
    feeds: Sequence[Feed], stream: StreamId, symbols: Mapping[str, str] | None = None
) -> bool:
    """Whether any of ``feeds`` still collects ``stream``, the list whose history it is, or the
    dataset whose quarantine it is.

    ``symbols``: of markets that feeds name as the exchange does.
    """
    owners = {d.history: d.name for d in DATASETS.values() if d.history}
    wanted = stream.source or owners.get(stream.dataset, stream.dataset)
    for feed in feeds:
        spec = feed.datasets.get(wanted)
        if spec is None or feed.exchange != stream.exchange:
            continue
        markets = feed.markets if stream.account is None else feed.account_markets
        found = stream.account in (None, feed.account)
        of_market = stream.symbol is not None and "symbol" in dataset(wanted).schema.names
        if found and of_market and markets not in (None, "all"):
            named = {(symbols or {}).get(name, name) for name in markets}
            found = _bare(stream.symbol) in {_bare(name) for name in named}
        if found and (stream.timeframe is None or stream.timeframe in spec.timeframes):
            return True
    return False


def of_markets(chosen: Sequence[Job], markets: Sequence[str]) -> list[Job]:
    """``chosen``, its market data limited to ``markets``; all of it where none is named.

    Account data is always the whole account. A market that none of them collects raises
    ``ConfigError``.
    """
    if not markets:
        return list(chosen)
    wanted = {_bare(name): name for name in markets}
    limited: dict[str, Feed | None] = {}  # one feed for all its jobs
    found: set[str] = set()
    kept: list[Job] = []
    for job in chosen:
        if dataset(job.dataset).is_account or dataset(job.dataset).is_reference:
            kept.append(job)
            continue
        if job.feed.name not in limited:
            listed = job.feed.markets
            names = markets if listed is None else [m for m in listed if _bare(m) in wanted]
            found |= {_bare(name) for name in names}
            limited[job.feed.name] = replace(job.feed, markets=tuple(names)) if names else None
        feed = limited[job.feed.name]
        if feed is not None:
            kept.append(Job(feed, job.spec))
    missing = [name for bare, name in wanted.items() if bare not in found]
    if missing:
        names = sorted({m for job in chosen for m in job.feed.markets or ()})
        raise ConfigError(
            with_fix(
                f"none of these feeds collects the market {missing[0]}",
                f"name one of: {', '.join(names)}" if names else "choose market data",
            )
        )
    return kept


def unknown_markets(feeds: Sequence[Feed], exchange: str, symbols: Mapping[str, str]) -> list[str]:
    """The markets that feeds name as ``exchange`` does, and that its stored list does not hold.

    ``symbols``: of the stored list, by the exchange's names.
    """
    named = {m for feed in feeds if feed.exchange == exchange for m in feed.markets or ()}
    return sorted(m for m in named - {*symbols, *symbols.values()} if not _SYMBOL.fullmatch(m))


@cache  # a status asks for every market of a feed, for every stream
def _bare(market: str) -> str:
    """``btcusd`` of ``BTC-USD`` and ``btc_usd``: of an exchange whose list is not stored."""
    return re.sub("[^a-z0-9]", "", market.lower())


def check_no_overlap(feeds: Sequence[Feed]) -> None:
    """One stream may be collected once only: two owners would overwrite each other's look-back."""
    names: dict[str, Feed] = {}
    accounts: dict[tuple[str, str], Feed] = {}
    for job in jobs(feeds):
        first = names.setdefault(job.feed.name, job.feed)
        if first is not job.feed:
            raise ConfigError(
                f"{shown(job.feed.path)}:1: two feeds are called {job.feed.name!r}; "
                f"the other is {shown(first.path)}"
            )
        label = job.feed.account.upper().replace("-", "_")
        alike = accounts.setdefault((job.exchange, label), job.feed)
        if alike.account != job.feed.account:
            raise ConfigError(
                with_fix(
                    f"{shown(job.feed.path)}:1: account {job.feed.account!r} differs from "
                    f"{alike.account!r} of {shown(alike.path)} by case or by '-' and '_' only: "
                    "settings and folders may not tell them apart",
                    "give one of the two another label",
                )
            )
    for job, other in overlaps(feeds):
        raise ConfigError(
            f"{shown(job.feed.path)}:{job.spec.line}: {job.spec.name} of {_shared(job, other)} on "
            f"{job.exchange} is collected already by {shown(other.feed.path)}:"
            f"{other.spec.line}; leave it out in one of the two"
        )


def overlaps(feeds: Sequence[Feed]) -> list[tuple[Job, Job]]:
    """Every job that collects what an earlier one of ``feeds`` collects too, with that one."""
    every = jobs(feeds)
    return [
        (job, other)
        for index, job in enumerate(every)
        for other in every[:index]
        if _shared(job, other)
    ]


def _shared(a: Job, b: Job) -> str | None:
    """What both jobs would collect, in words."""
    if (a.exchange, a.dataset) != (b.exchange, b.dataset):
        return None
    if dataset(a.dataset).is_account:
        return f"account {a.feed.account!r}" if a.feed.account == b.feed.account else None
    if dataset(a.dataset).is_reference:
        return "all there is"
    if a.spec.timeframes and not set(a.spec.timeframes) & set(b.spec.timeframes):
        return None
    if a.feed.markets is None or b.feed.markets is None:
        some = a.feed.markets or b.feed.markets
        return some[0] if some else "all markets"
    return next((m for m in a.feed.markets if m in b.feed.markets), None)
