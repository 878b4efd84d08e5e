"""Tidemark's connector alone: every page fetched, checked and made canonical, then dropped.

``cost`` is not: who writes the rows works it out.

What it costs beyond ``fetch-and-parse`` is the price of checking; what Tidemark costs beyond this
is the price of proving and storing. Not part of the default round.
"""

from collections.abc import Mapping
from pathlib import Path

import pyarrow.compute as pc

import connectors
from bench.contestants.base import Totals
from connectors.base import Connection, Window
from connectors.local import NoLimits
from pipelines.exchanges.nonces import HomeNonces
from schemas import StreamId


class ConnectorAlone:
    def __init__(self, url: str, folder: Path) -> None:
        nonces = HomeNonces(folder, "bitexbit")
        connection = Connection(base_url=url, nonces=nonces, limits=NoLimits())
        self._connector = connectors.open_connector("bitexbit", connection)
        self._totals = Totals(0, 0)

    def pull(self) -> None:
        stream = StreamId("bitexbit", "trades", symbol="BTC-USD")
        rows = id_sum = 0
        upper = None
        while (page := self._connector.fetch(stream, Window(upper=upper))).received:
            rows += page.table.num_rows
            id_sum += pc.sum(page.positions).as_py()
            upper = pc.min(page.positions).as_py() - 1
        self._connector.close()
        self._totals = Totals(rows, id_sum)

    def stored(self) -> Mapping[str, Totals]:
        return {"parsed": self._totals}


RACER = ConnectorAlone
