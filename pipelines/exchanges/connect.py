"""Connect to an exchange for an account: with its key, nonces, limits and circuit breaker."""

from collections.abc import Collection, Mapping

import connectors
from connectors.base import Connection, Connector, Limits, Recorder
from connectors.local import NoLimits
from pipelines.exchanges.breaker import HomeBreaker
from pipelines.exchanges.limits import SharedLimits
from pipelines.exchanges.nonces import HomeNonces
from pipelines.exchanges.state_dir import limits_folder, place_name, state_folder
from pipelines.settings import Settings


def open_exchange(
    settings: Settings,
    exchange: str,
    account: str,
    limits: Limits | None = None,
    recorder: Recorder | None = None,
    names: Mapping[str, str] | None = None,
    codes: Collection[str] = (),
) -> Connector:
    """The connector of ``exchange``; close it after use. Raises ``ConfigError``.

    ``limits`` replaces those of the machine, which are none where the setting says so; ``recorder``
    keeps answers; ``names`` (of markets) and ``codes`` (of currencies): those that the home
    remembers.
    """
    home, url = settings.home, settings.base_url(exchange)
    credentials = settings.credentials(exchange, account)
    key = credentials.key if credentials else ""
    shared = state_folder()
    if limits is None and settings.is_unpaced(exchange):
        limits = NoLimits()
    if limits is None:
        limits = SharedLimits([limits_folder(f) for f in (shared, home) if f is not None])
    return connectors.open_connector(
        exchange,
        Connection(
            base_url=url,
            nonces=HomeNonces(home, place_name(exchange, url, key), shared),
            limits=limits,
            breaker=HomeBreaker(home, exchange, place_name(exchange, url)),
            account=account,
            credentials=credentials,
            recorder=recorder,
            allow_http=settings.allows_http,
            names=names or {},
            codes=codes,
        ),
    )
