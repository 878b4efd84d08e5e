"""``tidemark report``: what a home holds, on one HTML page that needs nothing but a browser.

``asking``     one read-only connection for the whole page, and the queries in ``queries/``
``figures``    how exact numbers and times are written
``head``       what the page begins with: what is held, and warnings
``candles``    the candle chart
``timeline``   what of every stream is held, missing and lost
``account``    value over time, balances, fees, profit, reconciliation
``page``       all of it together, rendered by ``templates/`` and written at once

Amounts become floats only where they are drawn, and nothing that is drawn is unbounded.
"""

from pipelines.report.page import REPORT, Written, write

__all__ = ["REPORT", "Written", "write"]
