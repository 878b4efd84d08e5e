"""BitexBit, API v2 (``/api/v2/``): JSON over GET, HMAC-SHA256 in headers."""

from connectors.bitexbit.client import BitexBit as Connector
from connectors.bitexbit.urls import DEFAULT_BASE_URL, OFFERS

__all__ = ["DEFAULT_BASE_URL", "OFFERS", "Connector"]
