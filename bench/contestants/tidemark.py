"""Tidemark itself: a feed file, an empty home, one pull and one publish, as ``tidemark pull`` does.

The only thing changed is the client's rate limit (100 calls a second as documented), which is
lifted: no contestant is held to it.
"""

from collections.abc import Mapping
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Final

from bench.contestants.base import Totals, read_back
from bench.races import TRADES, Race
from connectors.local import NoLimits
from connectors.variables import base_url_variable, key_variables
from pipelines.feeds import load_feeds, select_jobs
from pipelines.ingest import pull
from pipelines.publishing import periodic_publish, publish
from pipelines.settings import load_settings
from schemas import dataset
from warehouse.frames import spare_pandas

spare_pandas()  # as the command line does
# Imports are no part of a pull: the other contestants have made theirs by now.
for name in ("connectors.client", "connectors.transport", "warehouse.loading"):
    import_module(name)


FEED: Final = """\
type: pipelines.components.ExchangeFeed
attributes:
  exchange: {race.exchange}
  markets: [BTC-USD]
  start: 2016-01-01
  datasets:
    {race.dataset}: {race.options}
"""


class Tidemark:
    def __init__(self, url: str, folder: Path, race: Race = TRADES) -> None:
        self._race = race
        self._home = folder / "home"
        feed = folder / "defs" / "bench"
        feed.mkdir(parents=True)
        (feed / "defs.yaml").write_text(FEED.format(race=race))
        environment = {base_url_variable(race.exchange): url, "TIDEMARK_HOME": str(self._home)}
        if dataset(race.dataset).is_account:
            environment |= dict.fromkeys(key_variables(race.exchange, "main"), "bench")
        self._settings = load_settings(environment, dotenv=None)
        self._jobs = select_jobs(load_feeds(folder / "defs"), [])

    def pull(self) -> None:
        with periodic_publish(partial(publish, self._settings)):
            report = pull(self._jobs, self._settings, limits=NoLimits())
        if not report.ok:
            raise RuntimeError("; ".join(str(error) for error in report.errors))
        publish(self._settings)

    def stored(self) -> Mapping[str, Totals]:
        return read_back(
            self._race.dataset,
            self._race.id,
            self._home / "warehouse.duckdb",
            str(self._home / "lake" / self._race.dataset / "**" / "*.parquet"),
        )


RACER = Tidemark
