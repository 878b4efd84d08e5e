"""The names of the settings of an exchange: its host root and its keys."""

import re
from collections.abc import Sequence


def base_url_variable(exchange: str) -> str:
    """The setting that holds the host root of ``exchange``."""
    return f"{_prefix(exchange)}_BASE_URL"


def _prefix(name: str) -> str:
    """``ccxt:okx`` as ``CCXT_OKX``."""
    return re.sub(r"[^A-Za-z0-9]", "_", name).upper()


def key_variables(exchange: str, account: str, *, passphrase: bool = False) -> tuple[str, ...]:
    """The settings that hold the parts of ``account``'s key: key, secret and any passphrase."""
    prefix = _prefix(exchange if account == "main" else f"{exchange}_{account}")
    parts = ("KEY", "SECRET", "PASSPHRASE") if passphrase else ("KEY", "SECRET")
    return tuple(f"{prefix}_API_{part}" for part in parts)


def together(names: Sequence[str]) -> str:
    """``A, B and C``."""
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last
