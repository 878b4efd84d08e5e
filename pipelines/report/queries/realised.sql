-- Realised profit by lot, asked once. Grain: that of realised_profit().
CREATE TEMP TABLE realised AS FROM realised_profit('fifo')
