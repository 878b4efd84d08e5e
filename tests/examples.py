"""How many examples a property test tries: ``HISTORIES=1000 pytest -m hypothesis`` for more."""

import os


def examples(usual: int) -> int:
    """``usual``, or what ``HISTORIES`` says for all property tests."""
    return int(os.environ.get("HISTORIES", usual))
