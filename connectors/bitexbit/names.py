"""How BitexBit writes markets."""


def symbol_of(native: str) -> str:
    """``BTC_USD`` as Tidemark writes it: ``BTC-USD``."""
    return native.upper().replace("_", "-")


def native_of(symbol: str) -> str:
    """``BTC-USD`` as BitexBit writes it: ``BTC_USD``."""
    return symbol.upper().replace("-", "_")
