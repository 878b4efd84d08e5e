"""The command line, ``tidemark COMMAND``: one file per command, and what they share.

``app``       the commands, assembled
``run``       from outcome to exit code and message: 0 stored, 1 partly failed, 2 wrong usage
``outcome``   the last lines of a command that stores
``output``    consoles, and how numbers, times and tables are written
``progress``  bars in a terminal, plain lines elsewhere

Commands import what is slow (Dagster, DuckDB) when they run, so that ``--help`` answers at once.
"""

from pipelines.cli.run import main

__all__ = ["main"]
