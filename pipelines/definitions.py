"""Dagster's code location. Everything is made from the feeds in ``pipelines/defs``."""

import dagster as dg

from pipelines.orchestration.code import all_definitions


@dg.definitions
def defs() -> dg.Definitions:
    """What ``dagster dev -m pipelines.definitions`` loads."""
    return all_definitions()
