"""How WEX writes markets."""


def symbol_of(native: str) -> str:
    """``btc_usd`` as Tidemark writes it: ``BTC-USD``."""
    return native.upper().replace("_", "-")


def native_of(symbol: str) -> str:
    """``BTC-USD`` as WEX writes it: ``btc_usd``."""
    return symbol.lower().replace("-", "_")
