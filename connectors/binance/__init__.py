"""Binance spot (``/api/v3``, histories of an account in ``/sapi/v1``): JSON over GET."""

from connectors.binance.endpoints import DIALECT

__all__ = ["DIALECT"]
