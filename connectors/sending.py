"""How one request leaves: when the limits allow it, and where it needs a key fresh and signed.

A key's calls are fresh by nonces, which rise from call to call and are sent one at a time, or by a
time near the exchange's own, which is asked for once and again where an answer refuses it.
"""

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from typing import Final

from connectors.base import Connection, Credentials
from connectors.dialect import Answered, Asked, Dialect, NonceRule, ServerClock
from connectors.errors import AuthError, RateLimitedError
from connectors.http import Http, Request, Response
from connectors.pace import Allowance
from connectors.variables import key_variables, together

_LATE: Final = 0.02
"""Seconds after which a call has missed the moment that the rate limit gave it."""
_MINUTE: Final = 60.0
_NEARLY: Final = 0.96
"""Once so much of a minute's allowance is used, by whomever, its rest is left to others."""
_LONGEST_REST: Final = 120.0
"""Seconds that calls wait where an exchange asks for it; in a longer rest they fail at once."""


def _name_of(request: Request) -> str:
    """The limit of the dialect that a request falls under."""
    return request.bucket or ("private" if request.private else "public")


class Sender:
    """Sends the requests of one exchange. ``now``: seconds since 1970, this machine's clock."""

    def __init__(self, dialect: Dialect, connection: Connection, now: Callable[[], float]) -> None:
        self.key_settings = together(
            key_variables(dialect.name, connection.account, passphrase=dialect.has_passphrase)
        )
        """The settings that hold the key, as messages name them."""
        advice = (
            f"check {self.key_settings} (account '{connection.account}'), the key's right to read, "
        )
        rule = dialect.freshness
        if isinstance(rule, NonceRule):
            advice += (
                "and this machine's clock: the nonce follows it, and a key that another program "
                "uses may have a higher one."
            )
        elif rule.call is None:
            advice += "this machine's clock, and whether the key is bound to another address."
        else:
            advice += "and whether it is bound to another address."
        self.http = Http(dialect.name, connection, dialect.reads, advice)
        self._dialect = dialect
        self._connection = connection
        self._now = now
        self._banned_until = 0
        self._limits = dict(dialect.limits)
        self._buckets: dict[str, str] = {}
        self._latencies: dict[str, float] = {}
        """Of each limit: seconds from a call to its answer by what it costs, lately."""
        self._offset: int | None = None
        """The exchange's clock less this machine's, in microseconds, once it is measured."""
        self._offset_lock = threading.Lock()

    def send(self, request: Request) -> Response:
        """The answer to ``request``, signed where it is private and there is a key.

        Raises ``ExchangeError`` where none came.
        """
        credentials = self._connection.credentials
        if not request.private or credentials is None:
            return self._sent_openly(request, credentials)
        rule = self._dialect.freshness
        if isinstance(rule, NonceRule):
            return self._with_nonce(rule, request, credentials)
        return self._with_time(rule, request, credentials)

    def _sent_openly(self, request: Request, credentials: Credentials | None) -> Response:
        """Send without a key; once more with it where the answer asks for one."""
        self._limit(request)
        response = self._sent(request)
        if credentials is None:
            return response
        keyed = self._dialect.with_key(request, response, credentials)
        if keyed is None:
            return response
        self._limit(request)
        return self._sent(replace(keyed, secrets=credentials.parts))

    @property
    def called_for(self) -> float:
        """How many calls have to be under way at once for the rate limits to be used up."""
        return sum(self._limits[name].per_second * s for name, s in self._latencies.items())

    def _measure(self, name: str, seconds: float) -> None:
        before = self._latencies.get(name, seconds)
        self._latencies[name] = before + (seconds - before) / 8

    def now_us(self) -> int:
        """This machine's clock in microseconds since 1970."""
        return int(self._now() * 1_000_000)

    def exchange_now_us(self) -> int:
        """The exchange's clock in microseconds since 1970, where calls are fresh by it; else this
        machine's. Raises ``ExchangeError`` where it cannot be measured.
        """
        rule = self._dialect.freshness
        return self.now_us() + (self._measured(rule, None) if isinstance(rule, ServerClock) else 0)

    def _sent(self, request: Request) -> Response:
        """Send ``request`` now; where the answer asks for a rest, its bucket gets it."""
        bucket, allowance, cost = self._bucket(request)
        limits = self._connection.limits
        left = (self._banned_until - self.now_us()) / 1_000_000
        if left > 0:
            raise RateLimitedError(
                f"{self._dialect.name}: {request.label} not sent: the exchange asked for a rest "
                f"of {left:.0f} s more",
                left,
            )
        begun = self._now()
        response = self.http.send(request, partial(limits.sent, bucket, allowance, cost))
        self._measure(_name_of(request), max(0.0, self._now() - begun) / cost)
        at = self.now_us()
        for name, announced in self._dialect.announced(response).items():
            self._limits[name] = self._dialect.limits[name].lowered(announced)
        rest = self._dialect.rest(response)
        if rest is None and self._is_nearly_spent(response):
            rest = _MINUTE - (response.server_time or at) / 1_000_000 % _MINUTE
        if rest is not None and rest > _LONGEST_REST:
            self._banned_until = at + int(rest * 1_000_000)
        elif rest is not None and rest > 0:
            limits.hold(bucket, rest)
        return replace(response, at=at, retry_after=rest)

    def _is_nearly_spent(self, response: Response) -> bool:
        most = self._limits[_name_of(response.request)].most
        return most > 0 and (self._dialect.used(response) or 0) >= _NEARLY * most

    def _limit(self, request: Request) -> None:
        """Wait for the rate limit."""
        self._connection.limits.wait(*self._bucket(request))

    def _bucket(self, request: Request) -> tuple[str, Allowance, float]:
        """What is limited together, how, and what ``request`` takes of it.

        Together are calls of a host, some of them of an account there.
        """
        name = _name_of(request)
        allowance = self._limits[name]
        if name not in self._buckets:
            url = self.http.base_url
            parts = [self._dialect.name, name, url.host, str(url.port or "")]
            if allowance.per_account:
                parts.append(self._connection.account)
            bucket = "-".join(p for p in parts if p)
            self._buckets[name] = re.sub(r"[^A-Za-z0-9.-]", "_", bucket)
        return self._buckets[name], allowance, max(request.cost, allowance.least)

    def _signed(self, request: Request, credentials: Credentials, stamp: int) -> Request:
        addressed = replace(request, host=self.http.base_url.netloc.decode())
        signed = self._dialect.sign(addressed, credentials, stamp)
        return replace(signed, secrets=(*signed.secrets, *credentials.parts))

    # Fresh by nonces.

    def _with_nonce(self, rule: NonceRule, request: Request, credentials: Credentials) -> Response:
        """Send with the next nonce; again at once where the exchange refuses it."""
        at_least = rule.first(self.now_us())
        if at_least > rule.largest:  # before it is taken: nothing goes below it ever again
            raise AuthError(
                f"{self._dialect.name}: this machine's clock says {time.ctime(self._now())}, later "
                "than any nonce of a key; nothing was sent. Fix: set the clock"
            )
        for _ in range(rule.tries):
            with self._turn(request, at_least) as nonce:
                if nonce > rule.largest:
                    raise self._used_up(rule)
                response = self._sent(self._signed(request, credentials, nonce))
            following = rule.after(response, nonce)
            if following is None:
                return response
            if following > rule.largest:
                raise self._used_up(rule)
            at_least = following
        raise self.http.refused(response)

    @contextmanager
    def _turn(self, request: Request, at_least: int) -> Iterator[int]:
        """The next nonce, at a moment when one more private call is allowed."""
        self._limit(request)
        allowed = time.monotonic()
        with self._connection.nonces.next(at_least) as nonce:
            if time.monotonic() - allowed > _LATE and not self._bucket(request)[1].burst:
                # Another call held the nonce. Those that queued behind it must not go in a burst.
                self._limit(request)
            yield nonce

    def _used_up(self, rule: NonceRule) -> AuthError:
        return AuthError(
            f"{self._dialect.name}: the key of account '{self._connection.account}' has used up "
            f"its nonces (they end at {rule.largest}). "
            f"Fix: create a new key and set {self.key_settings}."
        )

    # Fresh by the exchange's time.

    def _with_time(self, rule: ServerClock, request: Request, credentials: Credentials) -> Response:
        """Send with the exchange's time; once more, measured anew, where it refuses that."""
        offset = self._measured(rule, None)
        self._limit(request)
        response = self._sent(self._signed(request, credentials, self.now_us() + offset))
        if not rule.refused(response):
            return response
        if rule.call is None and response.server_time is not None:
            self._offset = response.server_time - response.at
        offset = self._measured(rule, offset)
        self._limit(request)
        return self._sent(self._signed(request, credentials, self.now_us() + offset))

    def _measured(self, rule: ServerClock, refused: int | None) -> int:
        """The offset of the exchange's clock; measured again where it is the one ``refused``."""
        if rule.call is None:
            return self._offset or 0
        with self._offset_lock:
            if self._offset is None or self._offset == refused:
                request = rule.call.request(Asked(()))
                self._limit(request)
                asked = self.now_us()
                response = self._sent(request)
                self.http.check(response)
                # the clock was read somewhere on the way: half of it, as good as any
                middle = (asked + response.at) // 2
                content = self._dialect.content(response)
                theirs = rule.call.parse(content, Answered((), response.at, response.server_time))
                self._offset = theirs - middle
            return self._offset

    def close(self) -> None:
        """Close all connections."""
        self.http.close()
