-- How fresh, how whole and how clean the data is, stream by stream.
--
-- grain: one row per exchange, dataset and stream
-- sources: {{held_tables}}, coverage, quarantine, is_irregular()
-- columns:
--   exchange       VARCHAR                     of which exchange
--   dataset        VARCHAR                     table
--   stream         VARCHAR                     symbol or account, with :timeframe for candles, and
--                                              /symbol for an account that is asked market by market;
--                                              empty for markets and currencies
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
--   irregular      BIGINT                      candles of the stream that are stored as sent though
--                                              open or close lies outside of low and high, the volume
--                                              is negative or the opening time is off the grid (see
--                                              is_irregular); 0 for other datasets
WITH held AS (
    {{held_rows}}
),
by_market AS (
    SELECT
        exchange,
        dataset,
        stream,
        market,
        count(*) AS rows,
        min(moment) AS oldest,
        max(moment) AS newest,
        max(ingested_at) AS stored_at
    FROM held
    GROUP BY ALL
),
streams AS (
    SELECT
        h.exchange,
        h.dataset,
        coalesce(c.stream, h.stream) AS stream,
        sum(h.rows)::BIGINT AS rows,
        min(h.oldest) AS oldest,
        max(h.newest) AS newest,
        max(h.stored_at) AS stored_at
    FROM by_market AS h
    LEFT JOIN (SELECT DISTINCT exchange, dataset, stream FROM main.coverage) AS c
        ON h.exchange = c.exchange AND h.dataset = c.dataset
        AND h.stream || '/' || h.market = c.stream
    GROUP BY 1, 2, 3
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
odd AS (
    SELECT exchange, 'candles' AS dataset, symbol || ':' || timeframe AS stream, count(*) AS irregular
    FROM main.candles
    WHERE main.is_irregular(timeframe, timestamp, open, high, low, close, volume)
    GROUP BY ALL
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
    coalesce(quarantined, 0) AS quarantined,
    coalesce(irregular, 0) AS irregular
FROM joined
LEFT JOIN rejected USING (exchange, dataset)
LEFT JOIN odd USING (exchange, dataset, stream)
