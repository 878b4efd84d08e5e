"""How a number of things is written, everywhere alike."""


def count(value: int, noun: str, plural: str = "") -> str:
    """``1 row``, ``12,345 rows``; ``plural`` where that is not the noun and an s."""
    return f"{value:,} {noun if value == 1 else plural or f'{noun}s'}"
