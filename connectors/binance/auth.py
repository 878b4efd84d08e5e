"""Signing, as documented: HMAC-SHA256 over the query as it is sent, hexadecimal, at its end.

There is no nonce. ``timestamp`` is near the exchange's own clock: less than a second ahead of it,
and no more than ``recvWindow`` behind. Keys of the kinds RSA and Ed25519 sign in other ways.
"""

import hashlib
import hmac
from dataclasses import replace
from typing import Final

from connectors.base import Credentials
from connectors.http import Request, Response

RECEIVED_WITHIN_MS: Final = 10_000
KEY_HEADER: Final = "X-MBX-APIKEY"


def signature(secret: str, payload: str) -> str:
    """``signature`` of a query (and body)."""
    return hmac.new(secret.encode(), payload.encode(), hashlib.sha256).hexdigest()


def sign(request: Request, credentials: Credentials, now_us: int) -> Request:
    """``request``, a GET, signed at the exchange's time ``now_us`` (microseconds)."""
    added = f"recvWindow={RECEIVED_WITHIN_MS}&timestamp={now_us // 1000}"
    payload = f"{request.query}&{added}" if request.query else added
    made = signature(credentials.secret, payload)
    headers = {KEY_HEADER: credentials.key}
    return replace(request, proof=f"{added}&signature={made}", headers=headers, secrets=(made,))


def with_key(request: Request, response: Response, credentials: Credentials) -> Request | None:
    """``request``, a public one that was refused for want of a key, with the key.

    ``historicalTrades`` needed one until 2023, and some have reported it since.
    """
    if response.status not in (400, 401) or request.headers is not None:
        return None
    wants_key = response.status == 401 or b"-2014" in response.body or b"-2015" in response.body
    return replace(request, headers={KEY_HEADER: credentials.key}) if wants_key else None
