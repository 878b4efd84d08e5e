"""The API keys that the sandbox knows. They are invented and open nothing anywhere else."""

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Key:
    """``account``: whose it is (``alpha`` or ``beta``). ``env``: the settings that carry it."""

    exchange: str
    account: str
    key: str
    secret: str
    env: str
    rights: tuple[str, ...] = ("info",)


def _key(exchange: str, name: str, account: str, env: str, rights: tuple[str, ...]) -> Key:
    tag = f"SANDBOX0-{exchange.upper()}-{name.upper()}-FAKE"
    return Key(exchange, account, f"{tag}-KEY", f"{tag}-SECRET-not-a-real-one", env, rights)


KEYS: Final[dict[str, Key]] = {
    "bitexbit": _key("bitexbit", "main", "alpha", "BITEXBIT", ("info",)),
    "wex": _key("wex", "main", "beta", "WEX", ("info",)),
    # The other account of each dialect; the WEX one may trade, which is more than reading needs.
    "bitexbit:second": _key("bitexbit", "second", "beta", "BITEXBIT_SECOND", ("info",)),
    "wex:second": _key("wex", "second", "alpha", "WEX_SECOND", ("info", "trade")),
    "wex:norights": _key("wex", "norights", "beta", "WEX_NORIGHTS", ()),
}
"""By name: ``bitexbit`` and ``wex`` are the keys of each exchange's account ``main``."""


def by_key(exchange: str, key: str) -> Key | None:
    """The known key with this public part, if any."""
    return next((k for k in KEYS.values() if k.exchange == exchange and k.key == key), None)
