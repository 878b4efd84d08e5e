"""Dagster around the ingest engine: assets, jobs and schedules made from the feeds.

``specs``       what the asset graph shows: keys, descriptions, column schemas, kinds
``lake``        the assets <exchange>/<dataset>: one step a feed or shard, in the exchange's pool
``pulling``     what those steps pull
``publishing``  the assets warehouse/<dataset> and marts/<name>: one step, a run publishes once
``marts``       what the asset graph shows of the views, and the asset marts/report
``run_log``     how far a pull is, in the log of its run
``side_by_side``  the exchanges of one run pulled at once
``schedules``   the job and schedule ``collect``: one run a tick for everything that is due
``executors``   what executes the steps of a run: one process, several, or Celery's workers
``ghosts``      runs whose process was killed are found and recorded as failed
``dev_servers``  a second development server on the same storage is refused
``maintenance``  old runs, events, logs and versions of the warehouse are deleted
``pruning``     old results of checks, and room that SQLite does not need
``measuring``   rows, previews and column lineage of the views
``accounts``    one account's unusable key costs that account only
``broken_feeds``  what stands for a feed whose file has a mistake
``freshness``   how old an asset may get
``looking``, ``quick_checks``, ``row_checks``  what checks look at
``checks``      all asset checks, their sensor and their nightly job
``delivery``, ``alerts``  messages to a webhook or mailbox, and the sensors that send them
``metadata``    the metadata of every materialisation
``code``        everything together: what ``pipelines.definitions`` loads

Nothing is decided here about what to fetch or how to store it: that is the engine's part.
"""
