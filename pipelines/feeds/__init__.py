"""Feeds: what to collect, as the ``defs.yaml`` of every folder in ``pipelines/defs`` says it.

The command line and Dagster read the same files through this package. A mistake is a
``ConfigError`` that begins with file and line.

``model``      what a feed is, and the jobs that it is made of
``document``   YAML, every value with its true line
``reading``    one file, every rule checked
``loading``    all files of a folder, nothing collected twice
``selection``  the jobs that a command line names
"""

from pipelines.feeds.loading import FEEDS_ROOT, feeds_root, load_feeds
from pipelines.feeds.model import DatasetSpec, Feed, Job, jobs
from pipelines.feeds.reading import COMPONENT_TYPE, FILE_NAME, load_feed
from pipelines.feeds.selection import select_jobs

__all__ = [
    "COMPONENT_TYPE",
    "FEEDS_ROOT",
    "FILE_NAME",
    "DatasetSpec",
    "Feed",
    "Job",
    "feeds_root",
    "jobs",
    "load_feed",
    "load_feeds",
    "select_jobs",
]
