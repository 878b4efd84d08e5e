"""Replay: read the recorded responses again and put their rows into the lake.

``archive``       which responses are recorded, which are asked for, and their pages read again
``dedup``         which rows were met before
``quarantine``    which rows can leave the quarantine
``report``        what a replay did
``run``           the replay itself

It uses the store and the connectors; no exchange is asked.
"""

from pipelines.replay.archive import select
from pipelines.replay.report import DatasetReplay, ReplayReport
from pipelines.replay.run import replay

__all__ = ["DatasetReplay", "ReplayReport", "replay", "select"]
