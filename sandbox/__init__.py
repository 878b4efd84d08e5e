"""The sandbox: an exchange like the others, on this machine, speaking every dialect.

One seeded, self-consistent world (or recorded tapes) behind real HTTP, with the documented
authentication, nonces, limits and errors, and with everything that the documents leave open as
switches. It reads nothing of the project, so that tests against it are honest. It cannot trade
or move money: those calls do not exist here.
"""

from sandbox import tape
from sandbox.clock import Clock, ManualClock, wall_clock
from sandbox.dialect import keys
from sandbox.errors import SandboxError
from sandbox.exchange import Exchange
from sandbox.faults import Fault, Faults
from sandbox.keys import Key
from sandbox.paging import PagingProfile
from sandbox.rates import Limits
from sandbox.server import Served, environment, run, serve, write_dump
from sandbox.world import World

KEYS = keys()
"""Every key, by exchange for account ``main`` and as ``exchange:account`` for others."""

__all__ = [
    "KEYS",
    "Clock",
    "Exchange",
    "Fault",
    "Faults",
    "Key",
    "Limits",
    "ManualClock",
    "PagingProfile",
    "SandboxError",
    "Served",
    "World",
    "environment",
    "run",
    "serve",
    "tape",
    "wall_clock",
    "write_dump",
]
