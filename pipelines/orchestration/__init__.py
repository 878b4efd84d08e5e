"""Dagster around the ingest engine: assets, jobs and schedules made from the feeds.

``specs``      what the asset graph shows: keys, descriptions, column schemas, kinds
``pulling``    the assets <exchange>/<dataset>: one step a feed, in the exchange's pool
``publishing`` the assets warehouse/<dataset> and marts/<name>: one step, a run publishes once
``marts``      what the asset graph shows of the views
``report``     the asset marts/report: the page on all of them
``schedules``  a job for every dataset, and a schedule for each that declares one
``checks``     what the stored data says of itself
``metadata``   what every materialisation tells
``code``       all of it together: what ``pipelines.definitions`` loads

Nothing is decided here about what to fetch or how to store it: that is the engine's.
"""
