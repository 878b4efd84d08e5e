"""Exit codes of the commands."""

from typing import Final

PARTLY_FAILED: Final = 1
"""Something could not be fetched, stored or read; the rest was."""
WRONG_USAGE: Final = 2
"""Wrong usage or configuration; nothing was done."""
INTERRUPTED: Final = 130
PIPE_CLOSED: Final = 141
"""The reader of a pipe went away."""
