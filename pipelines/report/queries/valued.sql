-- What every account owned and what it was worth, asked once. Grain: that of account_value().
CREATE TEMP TABLE valued AS FROM account_value($quote, $timeframe)
