"""Bitstamp, API v2: public calls over GET, an account's over POST with HMAC-SHA256 in headers."""

from connectors.bitstamp.endpoints import DIALECT

__all__ = ["DIALECT"]
