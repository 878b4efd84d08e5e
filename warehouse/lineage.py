"""Which columns of tables and views each column of a view is made of.

Kept in ``sql/lineage.json``, which a tool of the developers derives from the SQL (see
CONTRIBUTING.md); so nothing parses SQL at run time. It holds for the statement that it was derived
from, and of another nothing is said.
"""

import hashlib
from collections.abc import Mapping
from functools import cache
from typing import Final

import msgspec

from warehouse.views import FOLDER, View

FILE: Final = FOLDER / "lineage.json"


class Lineage(msgspec.Struct, frozen=True):
    """Of one view. ``columns``: by column, the source (as views name it) and its column."""

    digest: str
    columns: dict[str, list[list[str]]]


def digest(view: View) -> str:
    """Of the statement that creates ``view``."""
    return hashlib.sha256(view.statement().encode()).hexdigest()[:12]


def column_lineage(view: View) -> Mapping[str, list[list[str]]]:
    """The sources of each column; empty where they are not known."""
    found = _all().get(view.key)
    return found.columns if found and found.digest == digest(view) else {}


@cache
def _all() -> dict[str, Lineage]:
    return msgspec.json.decode(FILE.read_bytes(), type=dict[str, Lineage])
