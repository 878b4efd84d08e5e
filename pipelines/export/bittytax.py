"""Events as transaction records of BittyTax (https://github.com/BittyTax/BittyTax).

A fee is in the currency that the exchange took it in, mostly what was bought. Credits and debits
are written like transfers, which are not taxed, with the exchange's words in the note: only their
owner knows whether one was income, a gift or a payment.
"""

from typing import IO

import duckdb

from pipelines.export import sql
from pipelines.export.events import Scope, prepare
from pipelines.export.tables import line, write_lines


def write(db: duckdb.DuckDBPyConnection, scope: Scope, out: IO[str]) -> int:
    """Write the records; returns how many."""
    prepare(db, scope)
    db.execute(sql.text("csv"))
    db.execute(sql.text("bittytax"))
    described = db.execute("DESCRIBE records").fetchall()
    columns = {name: type_ for name, type_, *_ in described if name[0].isupper()}
    query = f"SELECT {line(columns)} FROM records ORDER BY exchange, account, entry, part"
    return write_lines(columns, db.sql(query).to_arrow_reader(), out)
