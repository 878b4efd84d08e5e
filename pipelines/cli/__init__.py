"""The command line, ``tidemark COMMAND``: the topmost room, imported by nothing else.

``app``      the commands assembled, and from outcome to exit code and message
``outcome``  the last lines of a command that stores rows

Every other module holds the command of its name; ``sandbox`` also ``demo``, ``verify`` also
``rebuild``. Commands import what is slow (Dagster, DuckDB) when they run, so that ``--help``
responds at once.
"""

from pipelines.cli.app import main

__all__ = ["main"]
