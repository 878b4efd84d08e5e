"""All feeds of a folder. What two of them would both collect is a mistake."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from pipelines.feeds.document import shown
from pipelines.feeds.model import Feed, Job, jobs
from pipelines.feeds.reading import FILE_NAME, load_feed
from schemas import ConfigError, dataset

FEEDS_ROOT: Final = Path(__file__).parents[1] / "defs"
_VARIABLE: Final = "TIDEMARK_FEEDS"


def feeds_root() -> Path:
    """The folder of the feeds: ``pipelines/defs``, or what ``TIDEMARK_FEEDS`` names instead."""
    return Path(os.environ.get(_VARIABLE) or FEEDS_ROOT)


def load_feeds(root: Path | None = None) -> list[Feed]:
    """Every feed below ``root`` (default :func:`feeds_root`), by name. Any mistake raises."""
    folder = feeds_root() if root is None else root
    if not folder.is_dir():
        raise ConfigError(f"there is no folder {shown(folder)}; it should hold one folder a feed")
    for wrong in sorted([*folder.rglob("defs.yml"), *folder.rglob("def.yaml")]):
        raise ConfigError(f"{shown(wrong)}: this file is not read; rename it to {FILE_NAME}")
    found = [load_feed(path) for path in sorted(folder.rglob(FILE_NAME))]
    feeds = [feed for feed in found if feed is not None]
    _refuse_doubles(feeds)
    return feeds


def _refuse_doubles(feeds: Sequence[Feed]) -> None:
    """One stream may be collected once only: two owners would undo each other's look-back."""
    names: dict[str, Feed] = {}
    seen: list[Job] = []
    for job in jobs(feeds):
        first = names.setdefault(job.feed.name, job.feed)
        if first is not job.feed:
            raise ConfigError(
                f"{shown(job.feed.path)}:1: two feeds are called {job.feed.name!r}; "
                f"the other is {shown(first.path)}"
            )
        for other in seen:
            shared = _shared(job, other)
            if shared:
                raise ConfigError(
                    f"{shown(job.feed.path)}:{job.spec.line}: {job.spec.name} of {shared} on "
                    f"{job.exchange} is collected already by {shown(other.feed.path)}:"
                    f"{other.spec.line}; leave it out in one of the two"
                )
        seen.append(job)


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
