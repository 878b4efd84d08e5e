"""The command line, ``tidemark COMMAND``: the topmost room, imported by nothing else.

``app``      the group of the commands, and from outcome to exit code and message
``commands`` the commands by name
``outcome``  the last lines of a command that stores rows

Every other module holds the command of its name; ``sandbox`` also ``demo``, ``verify`` also
``rebuild``. A command is imported when it is called, and imports what is slow (Dagster,
DuckDB) when it runs: tests/pipelines/cli/test_startup.py lists what each may load.
"""

from pipelines.cli.app import main

__all__ = ["main"]
