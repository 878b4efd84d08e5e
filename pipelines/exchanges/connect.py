"""Connect to an exchange for an account: with its key, nonces, limits and circuit breaker."""

from collections.abc import Collection, Mapping

import connectors
from connectors.base import Connection, Connector, Limits, Nonces, Recorder
from connectors.local import NoLimits
from pipelines.exchanges.breaker import HomeBreaker
from pipelines.exchanges.limits import SharedLimits
from pipelines.exchanges.nonces import HomeNonces
from pipelines.exchanges.state_dir import limits_folder, place_name, state_folder
from pipelines.settings import Settings
from warehouse.metastore_backend import is_postgres


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
    nonces: Nonces = HomeNonces(home, place_name(exchange, url, key), shared)
    usual: Limits = SharedLimits([limits_folder(f) for f in (shared, home) if f is not None])
    if is_postgres(home):
        from pipelines.exchanges.postgres_state import PostgresLimits, PostgresNonces
        from warehouse.leases import pool_of_home

        pool = pool_of_home(home)
        nonces = PostgresNonces(pool, place_name(exchange, url, key))
        usual = PostgresLimits(pool)
    if limits is None:
        limits = NoLimits() if settings.is_unpaced(exchange) else usual
    return connectors.open_connector(
        exchange,
        Connection(
            base_url=url,
            nonces=nonces,
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
