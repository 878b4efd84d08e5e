"""What races beyond BitexBit's trades: one list of an exchange each, from empty to SQL."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Race:
    """One list. ``options``: of its dataset in the feed, as YAML.

    ``id``: an SQL expression of Tidemark's columns. Its sum is what the server says of its rows.
    """

    name: str
    title: str
    exchange: str
    dataset: str
    options: str = "{}"
    id: str = "trade_id"


TRADES: Final = Race("bitexbit-trades", "BitexBit trades", "bitexbit", "trades")
"""The race of ``python -m bench``."""

RACES: Final[dict[str, Race]] = {
    race.name: race
    for race in (
        Race("wex-account-trades", "WEX account trades", "wex", "account_trades"),
        Race(
            "wex-transactions",
            "WEX account transactions",
            "wex",
            "account_transactions",
            id="transaction_id",
        ),
        Race(
            "bitexbit-candles",
            "BitexBit candles of 5 minutes",
            "bitexbit",
            "candles",
            "{timeframes: [5m]}",
            id="epoch_ms(timestamp)",
        ),
        Race("binance-trades", "Binance spot trades", "binance", "trades"),
        Race("kraken-trades", "Kraken trades", "kraken", "trades"),
    )
}
"""Those of ``python -m bench.dialects``, by name."""
