"""WEX, the BTC-e dialect: public API v3 over GET, ``/tapi`` over POST with HMAC-SHA512."""

from connectors.wex.endpoints import DIALECT

__all__ = ["DIALECT"]
