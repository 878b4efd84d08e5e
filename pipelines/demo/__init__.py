"""The demo: the real definitions on three exchanges, all of them the sandbox.

``exchange``  a sandbox whose world belongs to one home and continues between runs
``progress``  what the run does now
``run``       ``tidemark demo``: one pull through Dagster
``summary``   what the demo shows of it
``feeds/``    what it collects
``queries/``  the queries of the summary, each with its question in the first line
"""
