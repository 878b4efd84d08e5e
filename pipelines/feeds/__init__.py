"""Feeds: what to collect, declared in the ``defs.yaml`` of every folder of ``TIDEMARK_FEEDS``.

The command line and Dagster read the same files through this package. A mistake is a
``ConfigError`` that begins with file and line.

``document``  YAML, every value with its line
``template``  ``{{ env.NAME }}`` in a value
``cron``      what is wrong with a cron expression, when it was last due, its longest pause
``feed``      what a feed is, and every rule of its file
``shard``     parts of a feed's markets, for several workers
``selection`` what a command line names: feeds, datasets, streams
``folder``    all files of a folder, nothing collected twice; the jobs that a command line names
``scaffold``  the text of a new feed's file
"""

from pipelines.feeds.feed import (
    COMPONENT_TYPE,
    FILE_NAME,
    MOST_SHARDS,
    DatasetSpec,
    Feed,
    Job,
    feed_of,
    jobs,
    load_feed,
)
from pipelines.feeds.folder import (
    FEEDS_ROOT,
    BrokenFeed,
    check_no_overlap,
    feeds_root,
    is_collected,
    load_feeds,
    of_markets,
    readable_feeds,
    select_jobs,
)
from pipelines.feeds.scaffold import new_feed
from pipelines.feeds.shard import Shard
from pipelines.feeds.template import Environment

__all__ = [
    "COMPONENT_TYPE",
    "FEEDS_ROOT",
    "FILE_NAME",
    "MOST_SHARDS",
    "BrokenFeed",
    "DatasetSpec",
    "Environment",
    "Feed",
    "Job",
    "Shard",
    "check_no_overlap",
    "feed_of",
    "feeds_root",
    "is_collected",
    "jobs",
    "load_feed",
    "load_feeds",
    "new_feed",
    "of_markets",
    "readable_feeds",
    "select_jobs",
]
