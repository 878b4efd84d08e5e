"""Feeds: what to collect, declared in the ``defs.yaml`` of every folder in ``pipelines/defs``.

The command line and Dagster read the same files through this package. A mistake is a
``ConfigError`` that begins with file and line.

``document``  YAML, every value with its line
``cron``      what is wrong with a cron expression, and when it was last due
``feed``      what a feed is, and every rule of its file
``folder``    all files of a folder, nothing collected twice; the jobs that a command line names
"""

from pipelines.feeds.feed import (
    COMPONENT_TYPE,
    FILE_NAME,
    DatasetSpec,
    Feed,
    Job,
    jobs,
    load_feed,
)
from pipelines.feeds.folder import (
    FEEDS_ROOT,
    feeds_root,
    is_collected,
    load_feeds,
    of_markets,
    select_jobs,
)

__all__ = [
    "COMPONENT_TYPE",
    "FEEDS_ROOT",
    "FILE_NAME",
    "DatasetSpec",
    "Feed",
    "Job",
    "feeds_root",
    "is_collected",
    "jobs",
    "load_feed",
    "load_feeds",
    "of_markets",
    "select_jobs",
]
