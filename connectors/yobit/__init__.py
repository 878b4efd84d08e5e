"""YoBit: the BTC-e dialect, alive. A second configuration of WEX's code."""

from connectors.yobit.endpoints import DIALECT

__all__ = ["DIALECT"]
