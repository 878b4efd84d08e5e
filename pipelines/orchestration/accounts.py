"""A pull in which one account's unusable key costs that account only."""

from collections.abc import Callable, Sequence

from pipelines.feeds import Job
from pipelines.ingest import PullReport, StreamReport
from pipelines.settings import Settings
from schemas import DATASETS, ConfigError

Pull = Callable[[Sequence[Job]], PullReport]


def pull_usable(pull: Pull, settings: Settings, wanted: Sequence[Job]) -> PullReport:
    """``pull`` of the jobs whose account has a usable key or none, and an error for each other.

    Raises the ``ConfigError`` where no job is left, and what ``pull`` raises. ``tidemark pull``
    ends before any request instead: there, somebody reads the message.
    """
    wrong: dict[tuple[str, str], ConfigError] = {}
    for job in wanted:
        try:
            settings.credentials(job.exchange, job.feed.account)
        except ConfigError as error:
            wrong[job.exchange, job.feed.account] = error
    usable = [job for job in wanted if (job.exchange, job.feed.account) not in wrong]
    if wrong and not usable:
        raise next(iter(wrong.values()))
    report = pull(usable)
    for job in wanted:
        account = job.feed.account
        problem = wrong.get((job.exchange, account))
        if problem is not None:
            stream = account if DATASETS[job.dataset].is_account else ""
            failed = StreamReport(job.exchange, job.dataset, stream, error=str(problem))
            report.streams.append(failed)
    return report
