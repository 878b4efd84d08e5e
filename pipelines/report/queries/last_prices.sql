-- The newest price of every market, by trade, ticker, finished candle or own fill, asked once.
-- Grain: one row per exchange and symbol.
CREATE TEMP TABLE last_prices AS
WITH seen AS (
    SELECT exchange, symbol, timestamp AS moment, try_cast(trade_id AS BIGINT) AS id, price
    FROM trades
    SEMI JOIN (
        SELECT exchange, symbol, max(timestamp) AS timestamp FROM trades GROUP BY ALL
    ) USING (exchange, symbol, timestamp)
    UNION ALL
    SELECT exchange, symbol, observed_at, NULL, last
    FROM tickers
    WHERE last IS NOT NULL
    UNION ALL
    SELECT exchange, symbol, timestamp + to_microseconds(timeframe_us(timeframe) - 1), NULL, close
    FROM candles
    WHERE is_final
    UNION ALL
    SELECT exchange, symbol, timestamp, NULL, price
    FROM marts.fills
)
SELECT
    exchange, symbol, max(moment) AS moment,
    last(price ORDER BY moment, id NULLS FIRST, price) AS price
FROM seen
WHERE price > 0
GROUP BY ALL
