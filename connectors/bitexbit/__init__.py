"""BitexBit, API v2 (``/api/v2/``): JSON over GET, HMAC-SHA256 in headers."""

from connectors.bitexbit.endpoints import DIALECT

__all__ = ["DIALECT"]
