"""The examples, run as they are: what they show is what SQL says."""

import runpy
import tempfile
from pathlib import Path
from typing import Any

import pytest

from tests.pulled import Pulled


@pytest.mark.slow
def test_first_look(
    pulled: Pulled,
    repo_root: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("TIDEMARK_HOME", str(pulled.home))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    made = runpy.run_path(str(repo_root / "examples" / "first_look.py"))

    def column(rows: list[dict[str, Any]], name: str) -> list[float]:
        return [float(row[name]) for row in rows]

    candles, volume = made["candle_chart"].data
    wanted = pulled.rows(
        "FROM candles('BTC-USD', '20m', exchange := 'bitexbit') ORDER BY timestamp"
    )
    assert len(wanted) > 150
    opening = [row["timestamp"].replace(tzinfo=None) for row in wanted]
    assert candles.x.astype("datetime64[us]").tolist() == opening
    for name in ("open", "high", "low", "close"):
        assert list(candles[name]) == column(wanted, name)
    assert list(volume.y) == column(wanted, "volume")

    equity = {line.name: list(line.y) for line in made["equity_chart"].data}
    assert equity == {
        f"{exchange}/main": column(
            pulled.rows(
                f"FROM marts.equity_daily WHERE exchange = '{exchange}' ORDER BY timestamp"
            ),
            "value",
        )
        for exchange in ("bitexbit", "wex")
    }
    assert all(min(line) > 1_000_000 for line in equity.values())

    fees = made["fees"]
    query = "SELECT sum(fee_quote) AS fee FROM marts.fills WHERE symbol LIKE '%-USD'"
    (paid,) = pulled.rows(query)
    assert sum(fees[fees["currency"] == "USD"]["fee"]) == paid["fee"]  # decimals all the way
    drawn = sum(sum(bar.y) for bar in made["fee_chart"].data)
    assert drawn == pytest.approx(float(sum(fees["fee"])))

    pages = [Path(line) for line in capsys.readouterr().out.split() if line.endswith(".html")]
    assert [page.stem for page in pages] == ["candles", "equity", "fees"]
    for page in pages:
        text = page.read_text(encoding="utf-8")
        assert "Plotly.newPlot" in text
        assert "<script src=" not in text and "<link" not in text
