"""Dagster components: what ``type:`` in a ``defs.yaml`` can name."""

from pipelines.components.exchange_feed import ExchangeFeed
from pipelines.components.imports import Imports

__all__ = ["ExchangeFeed", "Imports"]
