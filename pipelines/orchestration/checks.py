"""Asset checks of balances and of the keys that read them."""

from collections.abc import Sequence
from typing import Final

import dagster as dg

from pipelines.exchanges.rights import key_rights
from pipelines.feeds import Feed
from pipelines.orchestration.specs import exchanges_of, table_key
from pipelines.output.formatting import with_fix
from pipelines.publishing import Difference, reconcile
from pipelines.settings import load_settings

_SHOWN: Final = 50


def account_checks(feeds: Sequence[Feed]) -> list[dg.AssetChecksDefinition]:
    """The checks of balances and of the keys that read them, where some feed collects balances."""
    return [_reconciles(), _keys_only_read()] if exchanges_of("balances", feeds) else []


def _reconciles() -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=table_key("balances"),
        name="reconciles",
        description="The balance computed from trades, transactions, orders and fees is the one "
        "that the exchange reports, to the last digit: the view `reconciliation`. Fails where a "
        "difference has no likely cause.",
    )
    def reconciles() -> dg.AssetCheckResult:
        found = reconcile(load_settings())
        differing = len(found.unexplained)
        return dg.AssetCheckResult(
            passed=not found.unexplained,
            description=(
                f"{differing:,} of {found.compared:,} balances differ from the history and nothing "
                "explains it: see `SELECT * FROM reconciliation WHERE NOT explained`"
                if differing
                else f"{found.compared:,} balances compared with the history"
            ),
            metadata={
                "compared": found.compared,
                "unexplained": differing,
                "explained": len(found.explained),
                "waiting for the next pull of the history": len(found.waiting),
                **({"differences": _table(found.unexplained)} if differing else {}),
                **({"with likely cause": _table(found.explained)} if found.explained else {}),
            },
        )

    return reconciles


def _keys_only_read() -> dg.AssetChecksDefinition:
    @dg.asset_check(
        asset=table_key("balances"),
        name="keys_only_read",
        description="No key may have more rights than collecting needs. An exchange that reports a "
        "key's rights (WEX) reports them with the balances; other exchanges are not checked.",
    )
    def keys_only_read() -> dg.AssetCheckResult:
        keys = key_rights(load_settings())
        excessive = [key for key in keys if key.excess]
        return dg.AssetCheckResult(
            passed=not excessive,
            severity=dg.AssetCheckSeverity.WARN,
            description="\n".join(with_fix(f"{key.finding}.", key.fix) for key in excessive)
            or f"keys with reported rights: {len(keys)}; none may do more than read",
            metadata={f"{key.exchange}/{key.account}": ", ".join(key.rights) for key in keys},
        )

    return keys_only_read


def _table(rows: Sequence[Difference]) -> dg.MetadataValue:
    records = [
        dg.TableRecord(
            {
                "account": f"{row.exchange}/{row.account}",
                "currency": row.currency,
                "observed_at": row.observed_at.isoformat(),
                "computed": f"{row.computed:f}",
                "reported": f"{row.reported:f}",
                "difference": f"{row.difference:f}",
                "cause": row.cause or "",
            }
        )
        for row in rows[-_SHOWN:]
    ]
    columns = [dg.TableColumn(name) for name in records[0].data]
    return dg.MetadataValue.table(records, schema=dg.TableSchema(columns))
