"""The top floor: settings, feeds, the ingest engine, Dagster around it, and the command line.

It may use every floor below (``warehouse``, ``connectors``, ``schemas``). Nothing imports it but
its own tests.
"""

import os

# Arrow reads this once, when it is first imported. Its usual allocator asks for huge pages; where
# those are dear, as on many virtual machines, a pull took half as long again, by chance.
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
# numpy starts threads for linear algebra, of which there is none here: they spin for 0.1 s of every
# command.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
