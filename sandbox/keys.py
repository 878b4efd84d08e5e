"""The API keys that the sandbox knows. They are invented and open nothing anywhere else."""

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Key:
    """``account``: the account's label, as in ``WEX_SECOND_API_KEY``; ``owner``: whose it is in the
    world (``alpha`` or ``beta``). ``env``: the settings that carry it.
    """

    exchange: str
    account: str
    owner: str
    key: str
    secret: str
    env: str
    rights: tuple[str, ...] = ("info",)
    passphrase: str | None = None

    @property
    def parts(self) -> dict[str, str]:
        """``key``, ``secret`` and, where it has one, ``passphrase``."""
        found = {"key": self.key, "secret": self.secret, "passphrase": self.passphrase}
        return {name: part for name, part in found.items() if part is not None}


def make_key(exchange: str, account: str, owner: str, rights: tuple[str, ...] = ("info",)) -> Key:
    """An invented key of ``account`` at ``exchange``."""
    tag = f"SANDBOX0-{exchange.upper()}-{account.upper()}-FAKE"
    env = exchange.upper() if account == "main" else f"{exchange}_{account}".upper()
    secret = f"{tag}-SECRET-not-a-real-one"
    return Key(exchange, account, owner, f"{tag}-KEY", secret, env, rights)


def find(keys: Sequence[Key], key: str) -> Key | None:
    """The one of ``keys`` with this public part, if any."""
    return next((known for known in keys if known.key == key), None)
