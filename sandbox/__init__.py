"""The sandbox: an exchange like the others, on this machine, speaking both dialects.

One seeded, self-consistent world (or recorded tapes) behind real HTTP, with the documented
authentication, nonces, limits and errors, and with everything that the documents leave open as
switches. It reads nothing of the project, so that tests against it are honest. It cannot trade
or move money: those calls do not exist here.
"""

from sandbox import tape
from sandbox.clock import Clock, ManualClock, wall_clock
from sandbox.errors import SandboxError
from sandbox.exchange import Exchange
from sandbox.faults import Fault, Faults
from sandbox.keys import KEYS, Key
from sandbox.laws import Laws
from sandbox.rates import Limits
from sandbox.server import Served, environment, run, serve
from sandbox.world import World

__all__ = [
    "KEYS",
    "Clock",
    "Exchange",
    "Fault",
    "Faults",
    "Key",
    "Laws",
    "Limits",
    "ManualClock",
    "SandboxError",
    "Served",
    "World",
    "environment",
    "run",
    "serve",
    "tape",
    "wall_clock",
]
