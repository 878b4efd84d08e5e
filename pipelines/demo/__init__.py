"""Trying it out: the real definitions, fed by the sandbox exchange.

``exchange``  a sandbox whose world belongs to one home and goes on between runs
``run``       ``tidemark demo``: one pull through Dagster
``report``    what the demo shows of it
``ui``        ``make ui``: Dagster's own page with the sandbox feeding it
``queries/``  the queries that the demo asks, each with its question in the first line
"""
