"""Coinbase Exchange (once GDAX, then Coinbase Pro): JSON over GET, HMAC-SHA256 in headers."""

from connectors.coinbase.endpoints import DIALECT

__all__ = ["DIALECT"]
