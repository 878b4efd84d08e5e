"""The top floor: settings, feeds, the ingest engine, Dagster around it, and the command line.

It may use every floor below (``warehouse``, ``connectors``, ``schemas``). Nothing imports it but
its own tests.
"""
