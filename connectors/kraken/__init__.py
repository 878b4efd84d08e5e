"""Kraken spot, REST: public calls over GET, private ones over POST with HMAC-SHA512."""

from connectors.kraken.endpoints import DIALECT

__all__ = ["DIALECT"]
