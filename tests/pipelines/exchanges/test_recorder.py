"""The raw response archive holds a response by its fields, and nothing else of the call."""

import json

from connectors import RecordedResponse, StreamId
from pipelines.exchanges.recorder import from_raw, to_raw
from warehouse.raw import RawResponse


def test_a_response_comes_back_as_it_was_recorded() -> None:
    streams = (
        (StreamId("wex", "tickers", "BTC-USD"), StreamId("wex", "tickers", "LTC-USD")),
        (StreamId("bitexbit", "candles", "BTC-USD", timeframe="5m"),),
        (StreamId("wex", "account_trades", account="desk"),),
        (StreamId("bitexbit", "markets"),),
    )
    for asked in streams:
        for server_time in (None, 1_768_000_000_000_000):
            response = RecordedResponse(
                asked, "GET", "/x", "a=1", 200, 1_768_000_000_250_000, server_time, b"[1.50]"
            )
            raw = to_raw(response)
            stored = RawResponse(raw.at, json.loads(json.dumps(raw.about)), raw.body)
            assert from_raw(stored) == response
