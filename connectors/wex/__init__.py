"""WEX, the BTC-e dialect: public API v3 over GET, ``/tapi`` over POST with HMAC-SHA512."""

from connectors.wex.client import Wex as Connector
from connectors.wex.urls import DEFAULT_BASE_URL, OFFERS

__all__ = ["DEFAULT_BASE_URL", "OFFERS", "Connector"]
