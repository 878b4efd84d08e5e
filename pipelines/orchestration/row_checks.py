"""Checks that read the rows themselves: nightly, or when somebody starts them."""

from collections.abc import Sequence
from functools import partial
from typing import Final

import dagster as dg

import warehouse
from pipelines.feeds import Feed
from pipelines.orchestration.looking import (
    SHOWN_ROWS,
    CannotRunError,
    Check,
    Look,
    Metadata,
    Record,
    result,
    table,
)
from pipelines.orchestration.marts import mart_key
from pipelines.orchestration.specs import datasets_of, exchanges_of, lake_key, table_key
from pipelines.output.formatting import with_fix
from pipelines.publishing import Difference, reconcile
from schemas import DATASETS
from schemas.wording import count

_WARN: Final = dg.AssetCheckSeverity.WARN
_COMPARED: Final = f"""
SELECT symbol, timeframe, timestamp, verdict, open, rebuilt_open, high, rebuilt_high, low,
    rebuilt_low, close, rebuilt_close, volume, rebuilt_volume, trades
FROM marts.candles_compared
WHERE exchange = ? AND verdict IN ('different', 'missing', 'unfounded')
ORDER BY timestamp DESC, symbol, timeframe
LIMIT {SHOWN_ROWS}
"""
_IRREGULAR: Final = f"""
SELECT symbol, timeframe, timestamp, open, high, low, close, volume
FROM candles
WHERE exchange = ? AND is_irregular(timeframe, timestamp, open, high, low, close, volume)
ORDER BY timestamp DESC, symbol, timeframe
LIMIT {SHOWN_ROWS}
"""


def row_checks(feeds: Sequence[Feed]) -> list[Check]:
    """Keys of every table, candles, and ``tidemark verify``."""
    found = [
        Check(
            dg.AssetCheckSpec(
                "unique_keys",
                asset=table_key(dataset),
                description=f"No two rows have the same {', '.join(DATASETS[dataset].key)}.",
            ),
            partial(_unique_keys, dataset),
        )
        for dataset in datasets_of(feeds)
    ]
    for exchange in exchanges_of("candles", feeds):
        key = lake_key(exchange, "candles")
        if exchange in exchanges_of("trades", feeds):
            spec = dg.AssetCheckSpec(
                "candles_match_trades",
                asset=key,
                description="Finished candles equal those built from the trades held, where these "
                "are proved complete: marts.candles_compared.",
            )
            found.append(Check(spec, partial(_match_trades, exchange)))
        spec = dg.AssetCheckSpec(
            "candles_regular",
            asset=key,
            description="Open and close lie between low and high, and a candle opens on the UTC "
            "grid of its timeframe. Others are stored as sent.",
        )
        found.append(Check(spec, partial(_regular, exchange)))
    if datasets_of(feeds):
        found.append(Check(_VERIFY, _verify))
    return found


def balance_checks(feeds: Sequence[Feed]) -> list[Check]:
    """Whether balances agree with the history, where some feed collects balances.

    A run that pulls balances evaluates it too.
    """
    return [Check(RECONCILES, _reconciles)] if exchanges_of("balances", feeds) else []


def _unique_keys(dataset: str, look: Look) -> dg.AssetCheckResult:
    key = ", ".join(DATASETS[dataset].key)
    twice: list[Record] = [
        *look.rows(
            f'SELECT {key}, count(*) AS rows FROM "{dataset}" GROUP BY ALL'
            f" HAVING count(*) > 1 LIMIT {SHOWN_ROWS}"
        )
    ]
    more = " or more" if len(twice) == SHOWN_ROWS else ""
    return result(
        twice,
        "no key twice",
        with_fix(f"{count(len(twice), 'key')}{more} with more than one row", "tidemark verify"),
    )


def _match_trades(exchange: str, look: Look) -> dg.AssetCheckResult:
    differing: list[Record] = [*look.rows(_COMPARED, exchange)]
    more = " or more" if len(differing) == SHOWN_ROWS else ""
    return result(
        differing,
        "candles equal the trades wherever these are complete",
        f"{count(len(differing), 'candle')}{more} not as the trades make them: the exchange's "
        "own disagree with each other",
        _WARN,
    )


def _regular(exchange: str, look: Look) -> dg.AssetCheckResult:
    odd: list[Record] = [*look.rows(_IRREGULAR, exchange)]
    more = " or more" if len(odd) == SHOWN_ROWS else ""
    return result(
        odd,
        "every candle is regular",
        f"{count(len(odd), 'candle')}{more} irregular, stored as sent",
        _WARN,
    )


_VERIFY: Final = dg.AssetCheckSpec(
    "verify",
    asset=mart_key("health"),
    description="Lake, metastore and DuckDB agree, proved from the rows themselves: what "
    "`tidemark verify` does. What is safe to heal is healed.",
)


def _verify(look: Look) -> dg.AssetCheckResult:
    if not warehouse.has_data(look.settings.home):
        raise CannotRunError("nothing collected yet: nothing to verify")
    settings = look.settings
    found = warehouse.verify(
        settings.home, iceberg=settings.iceberg, views_above=settings.views_above
    )
    wrong: list[Record] = [
        {"where": f.where, "what": f.what, "fix": f.fix} for f in found.of("error")
    ]
    healed = found.of("healed")
    figures = found.figures["files"]
    held = f"{count(figures.get('rows', 0), 'row')} in {count(figures.get('files', 0), 'file')}"
    return result(
        wrong,
        f"everything agrees ({held})" + (f", after healing {len(healed)}" if healed else ""),
        with_fix(f"{count(len(wrong), 'thing')} wrong ({held})", "tidemark verify"),
        metadata={"healed": "\n".join(str(f) for f in healed[:SHOWN_ROWS])} if healed else None,
    )


RECONCILES: Final = dg.AssetCheckSpec(
    "reconciles",
    asset=table_key("balances"),
    description="The balance computed from trades, transactions, orders and fees is the one that "
    "the exchange reports, to the last digit: the view `reconciliation`. Fails where a difference "
    "has no likely cause.",
)


def _reconciles(look: Look) -> dg.AssetCheckResult:
    found = reconcile(look.settings)
    metadata: Metadata = {
        "compared": found.compared,
        "unexplained": len(found.unexplained),
        "explained": len(found.explained),
        "waiting for the next pull of the history": len(found.waiting),
    }
    if found.explained:
        explained = [_difference(row) for row in found.explained[-SHOWN_ROWS:]]
        metadata["with likely cause"] = table(explained)
    return result(
        [_difference(row) for row in found.unexplained[-SHOWN_ROWS:]],
        f"{count(found.compared, 'balance')} compared with the history",
        f"{len(found.unexplained):,} of {count(found.compared, 'balance')} not as the history "
        "has it, and nothing explains it: see `SELECT * FROM reconciliation WHERE NOT explained`",
        metadata=metadata,
    )


def _difference(row: Difference) -> Record:
    return {
        "account": f"{row.exchange}/{row.account}",
        "currency": row.currency,
        "observed_at": row.observed_at,
        "computed": f"{row.computed:f}",
        "reported": f"{row.reported:f}",
        "difference": f"{row.difference:f}",
        "cause": row.cause,
    }
