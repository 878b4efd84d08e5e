"""Dagster components: what ``type:`` in a ``defs.yaml`` can name."""

from pipelines.components.exchange_feed import ExchangeFeed

__all__ = ["ExchangeFeed"]
