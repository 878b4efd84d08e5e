"""Where a schedule saturates first: ``python -m bench.schedule``. A simulation: nothing is called.

Every minute the datasets that are due are queued at their exchanges, as the schedule ``collect``
does it: what still waits is not queued again, and counts as late. An exchange's queue is served,
shorter pauses first, as fast as its limit allows (from its connector), and all of them no faster
than cores and metastore allow. Trades arrive by chance, seeded: a few markets have most of them,
and exchanges have busy hours.

What calls, rows and commits cost is measured (docs/performance.md and ``Costs``); how busy the
markets are is assumed.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from math import ceil
from typing import Final

import numpy as np

import connectors
from connectors.base import Cursor
from connectors.ccxt.table import entries
from schemas.wording import count

MINUTE: Final = 60.0
PAUSES: Final = {"tickers": 1, "trades": 5, "candles": 5, "order_books": 15}
"""Minutes between two pulls of a dataset: those of a new feed."""
UNITS: Final = {"binance": {"trades": 25, "candles": 2, "tickers": 2, "order_books": 250}}
"""What a call costs where an exchange counts weights; elsewhere 1."""
TRADES: Final = 1e11
DAYS: Final = 3650
EXCHANGES: Final = 50
HEADROOM: Final = 0.8
_ALL: Final = 1_000_000


@dataclass(frozen=True)
class Costs:
    """Seconds. Processor time unless it says otherwise."""

    run: float = 3.4
    """To start a run."""
    step: float = 1.5
    """To start a step in a process of its own; one a core and tick."""
    stream: float = 0.008
    """A stream with nothing new, with its request and commit."""
    call: float = 0.001
    """One more call of a round of tickers or order books."""
    news: float = 0.0066
    """To store a stream's new rows …"""
    held: float = 0.8e-6
    """… and for each row of the day, whose file is written anew."""
    row: float = 7e-6
    """To decode, check and store one row."""
    commit: Mapping[str, float] = field(
        default_factory=lambda: {"sqlite": 0.00024, "postgresql": 0.00066}
    )
    """Of the metastore, one after the other."""
    publish: float = 0.12
    """By the clock, and …"""
    file: float = 0.0006
    """… for each file that changed."""


@dataclass(frozen=True)
class Exchange:
    """``per_second``: units of the limit. ``rows``: of a page of trades. ``batch``: markets a call.

    ``only_newest``: trades beyond one page between two pulls are lost.
    """

    name: str
    per_second: float
    units: Mapping[str, float]
    rows: int
    batch: Mapping[str, int]
    only_newest: bool


@dataclass(frozen=True)
class Setup:
    """What there is to collect with. ``addresses``: of an exchange, where it is not one."""

    cores: int = 2
    metastore: str = "sqlite"
    homes: int = 1
    addresses: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """How much of what there is the schedule wants (1 = all), by resource, and what comes of it."""

    limits: Mapping[str, float]
    workers: float
    metastore: float
    publish: float
    late: float
    """Of all rounds that were due, those left out because the one before had not ended."""
    losing: float
    """Of all markets, those that lost trades: more came than the exchange shows."""
    requests: float
    """A second, of all exchanges."""
    commits: float
    """A second."""

    @property
    def used(self) -> dict[str, float]:
        """By kind of resource; of the exchanges the busiest."""
        return {
            "limit": max(self.limits.values()),
            "workers": self.workers,
            "metastore": self.metastore,
            "publish": self.publish,
        }


def living(number: int = EXCHANGES) -> list[Exchange]:
    """The first ``number`` exchanges that can be called today, with the limits that are kept."""
    own = [name for name in connectors.names() if name not in ("bitexbit", "wex")]
    return [_exchange(name) for name in [*own, *(f"ccxt:{id_}" for id_ in sorted(entries()))]][
        :number
    ]


def _exchange(name: str) -> Exchange:
    dialect = connectors.dialect_of(name)
    offers = {
        dataset: paging
        for dataset, paging in dialect.offers.items()
        if dataset in PAUSES and paging.cursor is not Cursor.DERIVED
    }
    trades = offers.get("trades")
    return Exchange(
        name,
        dialect.limits["public"].per_second,
        dict.fromkeys(offers, 1.0) | UNITS.get(name, {}),
        trades.max_rows if trades else 1000,
        {dataset: paging.batch or _ALL for dataset, paging in offers.items()},
        trades is not None and trades.cursor is Cursor.NEWEST,
    )


def rates(exchanges: int, markets: int) -> np.ndarray:
    """Trades a day of every market, by exchange: as many in all as 50 x 1,000 markets have in ten
    years. The second market has half of the first's, the third a third, and so have exchanges.
    """
    of_exchange, of_market = 1 / np.arange(1, EXCHANGES + 1), 1 / np.arange(1, 1001)
    shares = np.outer(of_exchange / of_exchange.sum(), of_market / of_market.sum())
    found: np.ndarray = shares[:exchanges, :markets] * (TRADES / DAYS)
    return found


def simulate(
    exchanges: Sequence[Exchange],
    markets: int,
    setup: Setup,
    hours: int = 24,
    seed: int = 1,
    slower: int = 1,
    costs: Costs | None = None,
) -> Outcome:
    """``hours`` of the schedule, ``markets`` of each exchange. The same for the same arguments.

    ``slower``: all pauses are so many times as long.
    """
    costs = costs or Costs()
    rng = np.random.default_rng(seed)
    daily = rates(len(exchanges), markets)
    addresses = [setup.addresses.get(one.name, 1) for one in exchanges]
    queues: list[dict[str, list[float]]] = [{} for _ in exchanges]
    asked = np.zeros(len(exchanges))
    cpu = commits = published = requests = 0.0
    due = late = 0
    losing = np.zeros(daily.shape, dtype=bool)
    for minute in range(hours * 60):
        if minute % 60 == 0:
            busy = rng.lognormal(-0.5, 1.0, (len(exchanges), 1))
        changed = 0.0
        for index, one in enumerate(exchanges):
            for dataset in one.units:
                pause = PAUSES[dataset] * slower
                if minute % pause:
                    continue
                came = rng.poisson(daily[index] * busy[index] * pause / 1440)
                calls, work, stored, files = _round(one, dataset, came, daily[index], costs)
                if dataset == "trades" and one.only_newest:
                    losing[index] |= came > one.rows
                seconds = calls * one.units[dataset] / one.per_second
                asked[index] += seconds
                cpu += work
                commits += stored
                changed += files
                requests += calls
                due += 1
                late += dataset in queues[index]
                queues[index].setdefault(dataset, [seconds, work, stored])
        published += costs.publish + costs.file * changed / setup.homes
        cpu += costs.run + costs.step * setup.cores
        _serve(queues, addresses, setup, costs)
    time = hours * 3600
    used = asked / (np.array(addresses) * time)
    return Outcome(
        limits={one.name: float(part) for one, part in zip(exchanges, used, strict=True)},
        workers=cpu / (setup.cores * time),
        metastore=commits * costs.commit[setup.metastore] / (setup.homes * time),
        publish=published / time,
        late=late / due,
        losing=float(losing.mean()),
        requests=requests / time,
        commits=commits / time,
    )


def _round(
    one: Exchange, dataset: str, came: np.ndarray, daily: np.ndarray, costs: Costs
) -> tuple[float, float, float, float]:
    """Calls, processor time, commits and changed files of one pull of a dataset of all markets."""
    number, active = len(came), int((came > 0).sum())
    if dataset in ("tickers", "order_books"):
        calls = ceil(number / one.batch[dataset])
        rows = active * (1 if dataset == "tickers" else 200)
        return calls, calls * costs.call + costs.news + rows * costs.row, 1, 1
    if dataset == "candles":
        work = number * costs.stream + active * costs.news + came.clip(max=5).sum() * costs.row
        return number, work, number + active, active
    pages = np.ones(number) if one.only_newest else np.maximum(1, np.ceil(came / one.rows))
    held = daily[came > 0].sum() / 2
    work = number * costs.stream + active * costs.news
    work += held * costs.held + came.sum() * costs.row
    return float(pages.sum()), work, number + active, active


def _serve(
    queues: Sequence[dict[str, list[float]]],
    addresses: Sequence[int],
    setup: Setup,
    costs: Costs,
) -> None:
    """One minute of each exchange's queue, all slowed where something is full."""
    served: list[tuple[dict[str, list[float]], str, float]] = []
    work = stored = 0.0
    for queue, number in zip(queues, addresses, strict=True):
        left = MINUTE * number
        for dataset in sorted(queue, key=PAUSES.__getitem__):
            seconds, cpu, commits = queue[dataset]
            part = min(1.0, left / seconds) if seconds else 1.0
            left -= part * seconds
            work += part * cpu
            stored += part * commits
            served.append((queue, dataset, part))
    slowed = min(
        1.0,
        max(0.0, MINUTE * setup.cores - costs.run - costs.step * setup.cores) / (work or 1),
        MINUTE * setup.homes / (stored * costs.commit[setup.metastore] or 1),
    )
    for queue, dataset, part in served:
        rest = 1 - part * slowed
        if rest < 1e-9:
            del queue[dataset]
        else:
            queue[dataset] = [value * rest for value in queue[dataset]]


def saturated(outcome: Outcome) -> str | None:
    """What was asked for most beyond what there is; ``None`` where all suffices."""
    name, part = max(outcome.used.items(), key=lambda item: item[1])
    return name if part >= 1 else None


def extended(setup: Setup, outcome: Outcome, what: str) -> tuple[Setup, str]:
    """``setup`` with what ends the shortage of ``what``, and that in words."""
    if what == "limit":
        more = {
            name: ceil(part * setup.addresses.get(name, 1) / HEADROOM)
            for name, part in outcome.limits.items()
            if part >= 1
        }
        total = sum(more.values())
        addresses = count(total, "address", "addresses")
        text = f"{addresses} for {count(len(more), 'exchange')}, or longer pauses"
        return replace(setup, addresses={**setup.addresses, **more}), text
    if what == "workers":
        # the start of a step costs each core as much as before
        cores = max(setup.cores + 1, ceil(outcome.workers * setup.cores / HEADROOM))
        return replace(setup, cores=cores), f"{cores} cores: shards and workers"
    homes = max(setup.homes + 1, ceil(outcome.used[what] * setup.homes / HEADROOM))
    return replace(setup, homes=homes), f"{homes} homes, each with some of the exchanges"


def history_days(one: Exchange, markets: int, daily: np.ndarray) -> float:
    """Days until the trades of ten years are fetched, if the limit is used for nothing else."""
    pages = np.ceil(daily[:markets] * DAYS / one.rows).sum()
    return float(pages * one.units.get("trades", 1) / one.per_second / 86400)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print by how many markets what is used up, and what to add at full size."""
    parser = argparse.ArgumentParser(prog="python -m bench.schedule", description=__doc__)
    parser.add_argument("--exchanges", type=int, default=EXCHANGES)
    parser.add_argument("--markets", type=int, nargs="*", default=[10, 50, 100, 300, 1000])
    parser.add_argument("--hours", type=int, default=24)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--slower", type=int, default=1, help="pauses so many times as long")
    parser.add_argument("--cores", type=int, default=2)
    parser.add_argument("--metastore", choices=list(Costs().commit), default="sqlite")
    parser.add_argument("--json", action="store_true", help="the last outcome as JSON")
    options = parser.parse_args(arguments)
    exchanges = living(options.exchanges)
    chosen = options.hours, options.seed, options.slower
    setup = Setup(cores=options.cores, metastore=options.metastore)
    print(_HEAD.format("exchanges x markets", "full first"))
    for markets in options.markets:
        outcome = simulate(exchanges, markets, setup, *chosen)
        print(_line(f"{len(exchanges)} x {markets:,}", outcome))
    print(f"\n{_HEAD.format('added', 'full next')}")
    while (what := saturated(outcome)) is not None:
        setup, text = extended(setup, outcome, what)
        outcome = simulate(exchanges, markets, setup, *chosen)
        print(_line(text, outcome))
    daily = rates(len(exchanges), markets)
    days = {one.name: history_days(one, markets, daily[i]) for i, one in enumerate(exchanges)}
    whole = {
        one.name: days[one.name]
        for one in exchanges
        if "trades" in one.units and not one.only_newest
    }
    print(f"\n{outcome.losing:.1%} of the markets lose trades: pull these more often.")
    print("Days for the trades of ten years, by one address, where the exchange shows them all:")
    print(", ".join(f"{name} {value:,.1f}" for name, value in whole.items()))
    if options.json:
        print(json.dumps({"setup": asdict(setup), "outcome": asdict(outcome)}))
    return 0


_HEAD: Final = (
    "| {} | calls/s | commits/s | limit | workers | metastore | publish | late | {} |\n"
    "|---|---|---|---|---|---|---|---|---|"
)


def _line(name: str, outcome: Outcome) -> str:
    parts = " | ".join(f"{part:.0%}" for part in outcome.used.values())
    numbers = f"{outcome.requests:,.0f} | {outcome.commits:,.0f}"
    first = saturated(outcome) or "–"
    return f"| {name} | {numbers} | {parts} | {outcome.late:.0%} | {first} |"


if __name__ == "__main__":
    sys.exit(main())
