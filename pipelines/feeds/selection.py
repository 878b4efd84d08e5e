"""The jobs that a command line names."""

import fnmatch
from collections.abc import Sequence

from pipelines.feeds.document import did_you_mean, shown
from pipelines.feeds.loading import feeds_root
from pipelines.feeds.model import Feed, Job, jobs
from pipelines.feeds.reading import FILE_NAME
from schemas import ConfigError


def select_jobs(feeds: Sequence[Feed], patterns: Sequence[str]) -> list[Job]:
    """The jobs that any of ``patterns`` names; all of them where there is none.

    A pattern is ``feed``, ``feed/dataset``, or the same with the exchange's name; shell wildcards
    stand for parts of a name (``*/tickers``). One that matches nothing raises ``ConfigError``.
    """
    every = jobs(feeds)
    if not every:
        raise ConfigError(
            f"no feed is declared in {shown(feeds_root())}\n"
            f"Mend: create <feed>/{FILE_NAME} there, as the README shows"
        )
    chosen: set[str] = set()
    for pattern in patterns or ["*"]:
        matched = {job.name for job in every if _matches(job, pattern)}
        if not matched:
            names = list(dict.fromkeys(job.name for job in every))
            known = [*names, *(feed.name for feed in feeds)]
            raise ConfigError(
                f"nothing to pull is called {pattern!r}{did_you_mean(pattern, known)}\n"
                f"There are: {', '.join(names)}"
            )
        chosen |= matched
    return [job for job in every if job.name in chosen]


def _matches(job: Job, pattern: str) -> bool:
    owner, slash, dataset = pattern.strip("/").partition("/")
    return any(
        fnmatch.fnmatchcase(name, owner) for name in (job.feed.name, job.feed.exchange)
    ) and (not slash or fnmatch.fnmatchcase(job.spec.name, dataset))
