"""``tidemark report``: what a home holds, on one HTML page that needs nothing but a browser.

``query``        one read-only connection for the whole page, and the queries in ``queries/``
``figures``      how numbers and times are written in HTML: short to read, exact on hover
``warnings``     what needs attention
``candles``      the candle chart
``comparison``   one market at several exchanges
``timeline``     what of every stream is held, missing and lost
``account``      value over time, balances, fees, profit
``performance``  what an account gained, without deposits and withdrawals
``page``         everything together, rendered by ``templates/`` and written as one file
``serving``      the page over HTTP, for a link in Dagster

Amounts become floats only in the browser, where they are drawn, and nothing that is drawn is
unbounded. ``page`` and ``figures`` need the extra ``report``.
"""

from typing import Final

REPORT: Final = "report.html"
"""The page's name in the home."""
