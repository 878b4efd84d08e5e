"""Rate limits and nonces of every process that uses one PostgreSQL; breakers of one home.

Where the metastore is in PostgreSQL, workers may run on several machines. What files of a machine
are for one (``limits``, ``nonces``, ``breaker``), rows of the database are for all. Limits and
nonces are shared by all homes of a database (schema ``tidemark_shared``): the limit is the
address's and the nonce the key's. All workers count as one address.

Moments are those of the server's clock, so that the clocks of the machines do not matter. A call
takes its moment from the server, waits for it at its own machine, asks whether it may still go, and
says when it left: those after it are spaced from then, so that calls do not bunch up on their way.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Final

import psycopg
from psycopg import sql

from connectors import pace
from connectors.pace import SECOND, Allowance, Pace, Step, Turns
from pipelines.exchanges.limits import FARTHEST, MARGIN
from warehouse.postgres import Connection, Pool, number_of

_READ: Final = sql.SQL(
    "BEGIN; SET LOCAL synchronous_commit = off; SELECT pg_advisory_xact_lock({key});"
    " SELECT free_at, quiet_until FROM tidemark_shared.paces WHERE bucket = {bucket};"
    " SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000000000 AS BIGINT)"
)
_WRITE: Final = sql.SQL(
    "INSERT INTO tidemark_shared.paces VALUES ({bucket}, {free_at}, {quiet_until}) ON CONFLICT"
    " (bucket) DO UPDATE SET free_at = excluded.free_at, quiet_until = excluded.quiet_until; COMMIT"
)
_NEXT: Final = """
INSERT INTO tidemark_shared.nonces AS held VALUES (%s, %s)
ON CONFLICT (name) DO UPDATE SET last = greatest(held.last + 1, excluded.last) RETURNING last
"""


class PostgresLimits:
    """``connectors.base.Limits`` of all workers. Raises ``StorageError`` without the server."""

    def __init__(self, pool: Pool, sleep: Callable[[float], None] = time.sleep) -> None:
        self._pool = pool
        self._sleep = sleep
        self._turns = Turns()

    def wait(self, bucket: str, allowance: Allowance, cost: float = 1.0) -> None:
        """Take the next free moment of ``bucket``, and wait for it."""
        spacing = allowance.spacing(cost, MARGIN)
        turn, update = self._turns.of(bucket), partial(self._update, bucket)
        pace.wait(turn, update, spacing, self._sleep)

    def sent(self, bucket: str, allowance: Allowance, cost: float = 1.0) -> None:
        """Count from now: a call of ``bucket`` left."""
        spacing = allowance.spacing(cost, MARGIN)
        self._update(bucket, lambda pace, now: (now, pace.sent(now, spacing)))

    def hold(self, bucket: str, seconds: float) -> None:
        """Let no call of ``bucket`` go for so long, from any worker."""
        self._update(bucket, lambda pace, now: (now, pace.hold(now + round(seconds * SECOND))))

    def _update(self, bucket: str, step: Step) -> tuple[int, int]:
        """Replace the pace of ``bucket`` in two round trips; the step's moment, and now."""
        key = sql.Literal(number_of(f"pace {bucket}"))

        def update(db: Connection) -> tuple[int, int]:
            try:
                found = db.execute(_READ.format(key=key, bucket=sql.Literal(bucket)))
                while found.description is None or found.description[0].name != "free_at":
                    found.nextset()
                row = found.fetchone()
                found.nextset()
                (now,) = found.fetchone() or (0,)
                known = row is not None and max(row) <= now + FARTHEST
                moment, made = step(Pace(*row) if row and known else Pace(), now)
                values = {"free_at": made.free_at, "quiet_until": made.quiet_until}
                numbers = {name: sql.Literal(value) for name, value in values.items()}
                db.execute(_WRITE.format(bucket=sql.Literal(bucket), **numbers))
            except BaseException:
                db.close()  # and with it the transaction
                raise
            return moment, now

        return self._pool.run(update)


class PostgresNonces:
    """``connectors.base.Nonces`` of the key that ``name`` stands for, of all workers.

    A number is recorded before it is used, and is never given again, whoever was stopped meanwhile.
    """

    def __init__(self, pool: Pool, name: str) -> None:
        self._pool = pool
        self._name = name
        self._key = number_of(f"nonces {name}")

    @contextmanager
    def next(self, at_least: int) -> Iterator[int]:
        """A number never returned before, ``>= at_least``; held for the whole request."""

        def begin(session: Connection) -> int:
            session.execute("SELECT pg_advisory_lock(%s)", (self._key,))
            (nonce,) = session.execute(_NEXT, (self._name, at_least)).fetchone() or (0,)
            return int(nonce)

        session, nonce = self._pool.held(begin)
        try:
            yield nonce
        finally:
            try:
                session.execute("SELECT pg_advisory_unlock(%s)", (self._key,))
                self._pool.give(session)
            except BaseException as error:
                session.close()  # and with it the lock
                if not isinstance(error, psycopg.Error):
                    raise


class PostgresTexts:
    """``pipelines.exchanges.breaker.Texts`` in the schema of the home."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool

    def read(self, name: str) -> bytes | None:
        """The text ``name``; ``None`` where there is none."""
        query = "SELECT state FROM breakers WHERE name = %s"
        row = self._pool.run(lambda db: db.execute(query, (name,)).fetchone())
        return None if row is None else str(row[0]).encode()

    def write(self, name: str, text: bytes) -> None:
        """Put ``text`` in place of what ``name`` was."""
        statement = (
            "INSERT INTO breakers VALUES (%s, %s)"
            " ON CONFLICT (name) DO UPDATE SET state = excluded.state"
        )
        self._pool.run(lambda db: db.execute(statement, (name, text.decode())))

    def remove(self, name: str) -> None:
        """Remove the text ``name``, if there is one."""
        self._pool.run(lambda db: db.execute("DELETE FROM breakers WHERE name = %s", (name,)))

    def names(self) -> list[str]:
        """The names of all, in order."""
        query = "SELECT name FROM breakers ORDER BY name"
        return [str(name) for (name,) in self._pool.run(lambda db: db.execute(query).fetchall())]
