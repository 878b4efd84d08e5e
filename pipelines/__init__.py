"""The top floor: settings, feeds, the ingest engine, Dagster around it, and the command line.

It may use every floor below (``warehouse``, ``connectors``, ``schemas``). Nothing imports it but
its own tests. Its rooms are ordered; each imports only rooms above it in this list::

    output                    text, tables, files and exit codes of commands
    settings, spans           environment and .env; spans of time as the user writes them
    feeds                     what to collect
    exchanges                 an exchange opened for an account: limits, nonces, breaker, key rights
    ingest                    the engine: plan, fetch, assess, commit
    replay, imports           archived responses parsed again; bulk files
    publishing                lake to DuckDB, reconciliation of balances
    progress, status          how far a pull is, what is held: as text
    health                    what needs somebody now
    report, export            the HTML page, files for other programs
    orchestration             Dagster assets, jobs, schedules and checks
    components, definitions   what Dagster loads
    ui                        Dagster's pages and daemon on one home
    demo                      the definitions fed by the sandbox exchange
    cli                       the commands; no room imports it
"""

import os

# Arrow reads this once, when it is first imported. Its usual allocator asks for huge pages; where
# those are expensive, as on many virtual machines, some pulls took half as long again.
os.environ.setdefault("ARROW_DEFAULT_MEMORY_POOL", "system")
# numpy starts threads for linear algebra, of which there is none here: they spin for 0.1 s of every
# command.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
