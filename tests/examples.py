"""How many examples a property test tries: ``HISTORIES=1000 pytest -m hypothesis`` for more."""

import os

SHARE = 0.5
"""Of the usual number, for ``make test``."""


def examples(usual: int) -> int:
    """A share of ``usual``, or what ``HISTORIES`` says for all property tests."""
    return int(os.environ.get("HISTORIES", max(2, round(usual * SHARE))))
