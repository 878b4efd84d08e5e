"""The status of streams: what is covered, missing or lost, how fresh, what to do next.

``judged``     how grave the state of a stream is, and what to do about it
``selection``  of which streams
``text``       for people
``figures``    for programs
"""

from pipelines.status.figures import as_json
from pipelines.status.judged import keys
from pipelines.status.selection import never_pulled, select, symbols_of, uncollected
from pipelines.status.text import write_overview, write_status

__all__ = [
    "as_json",
    "keys",
    "never_pulled",
    "select",
    "symbols_of",
    "uncollected",
    "write_overview",
    "write_status",
]
