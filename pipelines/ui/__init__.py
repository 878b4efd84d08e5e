"""Dagster's pages and daemon on one home.

``instance``  the Dagster storage of a home, and its settings
``server``    start, one at a time on a home, and stop
``dev``       ``dagster dev`` as ``server`` starts it
"""
