-- How fresh, how whole and how clean the data is, stream by stream.
--
-- grain: one row per exchange, dataset and stream
-- sources: trades, candles, tickers, order_books, public_orders, account_trades,
--          account_transactions, account_orders, balances, trading_fees, markets, currencies,
--          coverage, quarantine
-- columns:
--   exchange       VARCHAR                     of which exchange
--   dataset        VARCHAR                     table
--   stream         VARCHAR                     symbol or account, with :timeframe for candles; empty
--                                              for markets and currencies
--   rows           BIGINT                      rows held
--   oldest         TIMESTAMP WITH TIME ZONE    time of the oldest row (UTC); null for markets and
--                                              currencies
--   newest         TIMESTAMP WITH TIME ZONE    time of the newest row (UTC)
--   stored_at      TIMESTAMP WITH TIME ZONE    when a row was last stored (UTC)
--   lag_seconds    BIGINT                      from newest (else stored_at) until now
--   complete       BIGINT                      spans proved complete
--   gaps           BIGINT                      spans wanted and not yet fetched
--   lost           BIGINT                      spans that the exchange does not show
--   quarantined    BIGINT                      rejected rows of this exchange and dataset, all streams
WITH held AS (
    SELECT exchange, 'trades' AS dataset, symbol AS stream, timestamp AS moment, ingested_at
    FROM main.trades
    UNION ALL
    SELECT exchange, 'candles', symbol || ':' || timeframe, timestamp, ingested_at
    FROM main.candles
    UNION ALL
    SELECT exchange, 'tickers', symbol, observed_at, ingested_at FROM main.tickers
    UNION ALL
    SELECT exchange, 'order_books', symbol, observed_at, ingested_at FROM main.order_books
    UNION ALL
    SELECT exchange, 'public_orders', symbol, timestamp, ingested_at FROM main.public_orders
    UNION ALL
    SELECT exchange, 'account_trades', account, timestamp, ingested_at FROM main.account_trades
    UNION ALL
    SELECT exchange, 'account_transactions', account, timestamp, ingested_at
    FROM main.account_transactions
    UNION ALL
    SELECT exchange, 'account_orders', account, timestamp, ingested_at FROM main.account_orders
    UNION ALL
    SELECT exchange, 'balances', account, observed_at, ingested_at FROM main.balances
    UNION ALL
    SELECT exchange, 'trading_fees', account, observed_at, ingested_at FROM main.trading_fees
    UNION ALL
    SELECT exchange, 'markets', '', NULL, ingested_at FROM main.markets
    UNION ALL
    SELECT exchange, 'currencies', '', NULL, ingested_at FROM main.currencies
),
streams AS (
    SELECT
        exchange,
        dataset,
        stream,
        count(*) AS rows,
        min(moment) AS oldest,
        max(moment) AS newest,
        max(ingested_at) AS stored_at
    FROM held
    GROUP BY ALL
),
known AS (
    SELECT
        exchange,
        dataset,
        stream,
        count_if(state = 'complete')::BIGINT AS complete,
        count_if(state = 'gap')::BIGINT AS gaps,
        count_if(state = 'lost')::BIGINT AS lost
    FROM main.coverage
    GROUP BY ALL
),
rejected AS (
    SELECT exchange, dataset, count(*) AS quarantined FROM main.quarantine GROUP BY ALL
),
joined AS (
    SELECT
        exchange,
        dataset,
        stream,
        coalesce(rows, 0) AS rows,
        oldest,
        newest,
        stored_at,
        coalesce(complete, 0) AS complete,
        coalesce(gaps, 0) AS gaps,
        coalesce(lost, 0) AS lost
    FROM streams
    FULL JOIN known USING (exchange, dataset, stream)
)
SELECT
    exchange,
    dataset,
    stream,
    rows,
    oldest,
    newest,
    stored_at,
    date_diff('second', coalesce(newest, stored_at), now()) AS lag_seconds,
    complete,
    gaps,
    lost,
    coalesce(quarantined, 0) AS quarantined
FROM joined
LEFT JOIN rejected USING (exchange, dataset)
