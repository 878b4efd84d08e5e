"""``tidemark report``: the path of the page, or what stands in the way and how to fix it."""

import sys
from pathlib import Path

import pytest

from pipelines.cli import main
from tests.pipelines.report.conftest import HOSTILE
from tests.pipelines.report.reading import Page


def test_another_market_quote_and_file(
    filled: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("TIDEMARK_HOME", str(filled))
    out = tmp_path / "page.html"
    out.write_text("an older one")
    assert main(["report", "--market", HOSTILE.lower(), "--quote", "btc", "--out", str(out)]) == 0
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == (f"{out}\n", "")
    assert list(tmp_path.iterdir()) == [out]
    page = Page(out)
    assert page.data["candles"]["markets"][0]["symbol"] == HOSTILE
    assert "Account value and performance in BTC" in " ".join(page.words["value"].split())


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--market", "ETH-USD"], f"choose one that is: {HOSTILE}, BTC-USD"),
        (["--quote", "EUR"], "choose one of: "),
        (["--out", f"{__file__}/page.html"], "--out"),
        (["--until", "now"], "tidemark report --help"),
    ],
)
def test_mistakes_are_reported(
    arguments: list[str],
    part: str,
    filled: Path,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("TIDEMARK_HOME", str(filled))
    assert main(["report", *arguments]) == 2
    err = capsys.readouterr().err
    assert part in err
    assert "Fix: " in err
    assert list(Path().iterdir()) == []


def test_a_home_without_a_warehouse(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["report"]) == 1
    assert "tidemark pull" in capsys.readouterr().err
    assert list(home.iterdir()) == []


@pytest.mark.parametrize("package", ["jinja2", "markupsafe"])
def test_a_missing_extra_is_named(
    package: str, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, package, None)  # as if it were not installed
    assert main(["report"]) == 2
    assert capsys.readouterr().err == (
        f"tidemark: {package} is not installed\nFix: pip install 'tidemark[report]'\n"
    )
