"""The component that watches a folder for bulk files."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import dagster as dg
from dagster_shared.yaml_utils.source_position import SourcePositionTree
from pydantic import BaseModel, PrivateAttr

import connectors
from pipelines.feeds import FILE_NAME, Environment
from pipelines.imports.formats import BY_NAME
from pipelines.imports.watch import watch_of
from pipelines.orchestration.importing import import_definitions
from pipelines.settings import load_settings


class Imports(dg.Component, dg.Model, dg.Resolvable):
    """Bulk files of one market that appear in a folder are imported, as `tidemark import` does.

    The asset `imports/<name>` has one materialisation for each file, with rows, span, missing ids
    and checksum. Its sensor looks at the folder once it is switched on.

    Example:

        type: pipelines.components.Imports
        attributes:
          folder: ~/dumps/binance
          exchange: binance
          market: BTC-USDT
    """

    folder: Annotated[
        str, dg.Resolver.default(description="Looked through with all folders in it.")
    ]
    exchange: Annotated[
        str,
        dg.Resolver.default(
            description=f"The exchange that the rows are of: {', '.join(connectors.names())}.",
            examples=["binance"],
        ),
    ]
    market: Annotated[
        str,
        dg.Resolver.default(
            description="BASE-QUOTE. Files of other markets are left out.", examples=["BTC-USDT"]
        ),
    ]
    dataset: Annotated[
        str | None,
        dg.Resolver.default(description="trades, candles or reference_trades; else by format."),
    ] = None
    format: Annotated[
        str | None,
        dg.Resolver.default(
            description=f"One of {', '.join(BY_NAME)}; else recognised, file by file."
        ),
    ] = None
    columns: Annotated[
        dict[str, str | int] | None,
        dg.Resolver.default(
            description="Of any other CSV: the file's column for each value.",
            examples=[{"trade_id": "id", "timestamp": "when", "price": "px", "amount": "qty"}],
        ),
    ] = None
    timeframe: Annotated[
        str | None,
        dg.Resolver.default(description="Of candles, where neither rows nor name say it."),
    ] = None

    _positions: SourcePositionTree | None = PrivateAttr(default=None)

    @classmethod
    def resolve_from_model(cls, context: dg.ResolutionContext, model: BaseModel) -> "Imports":
        """As Dagster does it; the lines are remembered for messages."""
        found: Imports = super().resolve_from_model(context, model)
        found._positions = context.source_position_tree
        return found

    @classmethod
    def get_spec(cls) -> dg.ComponentTypeSpec:
        return dg.ComponentTypeSpec(
            owners=["team:tidemark"], tags=["parquet", "crypto"], produces=["asset", "sensor"]
        )

    @classmethod
    def get_additional_scope(cls) -> Mapping[str, Any]:
        """``env`` reads the settings, as the command line's does."""
        return {"env": Environment(load_settings().variables)}

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """The asset, job and sensor. A mistake is a ``ConfigError`` with file and line."""
        path, positions = Path(context.path), self._positions

        def line(place: Sequence[str | int]) -> int:
            if positions is None:  # made in Python
                return 0
            return positions.lookup_closest_and_path(["attributes", *place], None)[0].start.line

        attributes = self.model_dump(exclude_unset=True)
        file = path / FILE_NAME if path.is_dir() else path
        return import_definitions(watch_of(file, attributes, line))
