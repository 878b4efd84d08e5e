"""A first look at a home: candles with volume, what the accounts were worth, what trading cost.

A notebook in plain text: VS Code and Jupyter (with jupytext) open it cell by cell, and
``.venv/bin/python examples/first_look.py`` runs it whole. Without ``TIDEMARK_HOME`` it begins with
nothing: the sandbox exchange fills a new home first. It draws with plotly, which ``make setup``
installs.
"""

# %%
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import plotly.express as px
import plotly.graph_objects as go
from plotly.subplots import make_subplots

import warehouse

# %% [markdown]
# ## A home with data
# Your own, or a new one that `tidemark demo` fills from the sandbox exchange in about a minute.

# %%
scratch = Path(tempfile.mkdtemp(prefix="first-look-"))
home = Path(os.environ.get("TIDEMARK_HOME") or scratch / "home")
if not warehouse.has_data(home):
    demo = [sys.executable, "-m", "pipelines", "demo"]
    subprocess.run(demo, env={**os.environ, "TIDEMARK_HOME": str(home)}, check=True)


def show(figure: go.Figure, name: str) -> None:
    """In a notebook below the cell; else as a page of its own that loads nothing from elsewhere."""
    if "ipykernel" in sys.modules:
        figure.show()
        return
    page = scratch / f"{name}.html"
    figure.write_html(page, include_plotlyjs=True)
    print(page)


# %% [markdown]
# ## What is held, and is it complete?
# Frames are Arrow-backed: decimals stay decimals.

# %%
held = warehouse.sql(
    """
    SELECT exchange, dataset, sum(rows)::BIGINT AS rows, min(oldest) AS since, max(newest) AS until,
        sum(gaps)::BIGINT AS gaps, sum(lost)::BIGINT AS lost
    FROM marts.health
    GROUP BY ALL
    ORDER BY ALL
    """,
    home=home,
    as_="pandas",
)
print(held.to_string(index=False))

# %% [markdown]
# ## Candles of the busiest market
# Of any length, built from the trades; the table `candles` holds the exchange's own.

# %%
busiest = warehouse.sql(
    "SELECT exchange, symbol FROM marts.vwap_daily GROUP BY ALL"
    " ORDER BY sum(trades) DESC, exchange, symbol LIMIT 1",
    home=home,
).to_pylist()[0]
candles = warehouse.sql(
    "FROM candles($symbol, '20m', exchange := $exchange)",
    params=busiest,
    home=home,
    as_="pandas",
)
# floats are for drawing only
drawn = candles.astype(dict.fromkeys(["open", "high", "low", "close", "volume"], "float64"))
rising = drawn["close"] >= drawn["open"]

candle_chart = make_subplots(
    rows=2, shared_xaxes=True, row_heights=[0.75, 0.25], vertical_spacing=0.04
)
candle_chart.add_candlestick(
    x=drawn["timestamp"],
    open=drawn["open"],
    high=drawn["high"],
    low=drawn["low"],
    close=drawn["close"],
    name="price",
)
candle_chart.add_bar(
    x=drawn["timestamp"],
    y=drawn["volume"],
    marker_color=rising.map({True: "seagreen", False: "firebrick"}),
    name="volume",
    row=2,
    col=1,
)
candle_chart.update_layout(
    title=f"{busiest['symbol']} at {busiest['exchange']}, 20 minutes a candle",
    xaxis_rangeslider_visible=False,
    showlegend=False,
)
show(candle_chart, "candles")

# %% [markdown]
# ## What the accounts were worth
# Holdings by the history and, since they were first observed, as reported, at the prices of that
# moment: hourly where there is at most a month of history.

# %%
days = warehouse.sql("SELECT count(DISTINCT timestamp) FROM marts.equity_daily", home=home)[0][
    0
].as_py()
equity = warehouse.sql(
    f"""
    SELECT exchange || '/' || account AS account, timestamp, sum(value) AS value
    FROM account_value('USD', '{"1h" if days <= 31 else "1d"}')
    GROUP BY ALL
    ORDER BY ALL
    """,
    home=home,
    as_="pandas",
)
equity_chart = px.line(
    equity.astype({"value": "float64"}),
    x="timestamp",
    y="value",
    color="account",
    line_shape="hv",
    title="Account value, USD",
)
show(equity_chart, "equity")

# %% [markdown]
# ## What trading cost
# To the last digit: fees that were taken in the base currency count at the price of their fill.

# %%
fees = warehouse.sql(
    """
    SELECT
        month,
        exchange,
        symbol,
        quote AS currency,
        sum(fills)::BIGINT AS fills,
        sum(fee_quote) AS fee,
        sum(turnover) AS turnover
    FROM marts.fees_monthly
    GROUP BY ALL
    ORDER BY ALL
    """,
    home=home,
    as_="pandas",
)
print(fees.to_string(index=False))
fee_chart = px.bar(
    fees.astype({"fee": "float64", "month": "str"}),
    x="month",
    y="fee",
    color="symbol",
    facet_row="currency",
    pattern_shape="exchange",
    title="Fees by month, in the market's quote currency",
)
fee_chart.update_xaxes(type="category").update_yaxes(matches=None)
show(fee_chart, "fees")
