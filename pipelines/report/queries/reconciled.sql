-- Every balance beside the one that the history gives, asked once. Grain: that of reconciliation.
CREATE TEMP TABLE reconciled AS FROM reconciliation
