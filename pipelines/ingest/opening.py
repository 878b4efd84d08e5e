"""Open an exchange for an account: with its key, its nonces, its limits, and behind its breaker."""

import connectors
from connectors.base import Connection, Connector, Limits, Recorder
from pipelines.ingest.breaker import Breaker, Guarded
from pipelines.ingest.limits import SharedLimits
from pipelines.ingest.nonces import HomeNonces
from pipelines.ingest.shared import limits_folder, place_name, state_folder
from pipelines.settings import Settings


def open_exchange(
    settings: Settings,
    exchange: str,
    account: str,
    limits: Limits | None = None,
    recorder: Recorder | None = None,
) -> Connector:
    """The connector of ``exchange``; close it after use. Raises ``ConfigError``.

    ``limits`` replaces those of the machine; ``recorder`` keeps answers.
    """
    home, url = settings.home, settings.base_url(exchange)
    credentials = settings.credentials(exchange, account)
    key = credentials.key if credentials else ""
    shared = state_folder()
    if limits is None:
        limits = SharedLimits([limits_folder(f) for f in (shared, home) if f is not None])
    connector = connectors.open_connector(
        exchange,
        Connection(
            base_url=url,
            nonces=HomeNonces(home, place_name(exchange, url, key), shared),
            limits=limits,
            account=account,
            credentials=credentials,
            recorder=recorder,
        ),
    )
    return Guarded(connector, Breaker(home, exchange, place_name(exchange, url)))
