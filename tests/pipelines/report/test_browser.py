"""The page in a real browser: charts are drawn, nothing complains, nothing is asked of anybody."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.pipelines.report.reading import Page

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")


@pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed (apt-get install chromium)")
def test_everything_is_drawn_and_nothing_is_asked(page: Page, tmp_path: Path) -> None:
    network = tmp_path / "network.json"
    done = subprocess.run(
        [
            str(BROWSER),
            *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
            *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
            "--host-resolver-rules=MAP * ~NOTFOUND",  # what the browser itself would like to ask
            "--enable-logging=stderr",
            f"--log-net-log={network}",
            f"--user-data-dir={tmp_path / 'profile'}",
            "--virtual-time-budget=15000",
            "--window-size=1400,2400",
            "--dump-dom",
            page.path.as_uri(),
        ],
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    )
    drawn = done.stdout
    assert re.search(r'<html[^>]* data-drawn="all"', drawn)
    counts = {kind: drawn.count(f'class="trace {kind}') for kind in ("boxes", "bars", "scatter")}
    # candles; volume, four states, fees of one account; value and profit
    assert counts == {"boxes": 1, "bars": 6, "scatter": 2}
    assert len(re.findall(r'<path class="box"', drawn)) > 100
    # the hostile name is in the list of markets and on the timeline, as text
    assert drawn.count("&lt;/SCRIPT&gt;&lt;SCRIPT&gt;ALERT(1)&lt;/SCRIPT&gt;-USD") >= 2
    assert "CONSOLE" not in done.stderr
    assert asked_by_a_page(network) == []


def asked_by_a_page(log: Path) -> list[str]:
    """Addresses that a page asked for, by the browser's own record of its network."""
    netlog = json.loads(log.read_text(encoding="utf-8"))
    begin = netlog["constants"]["logEventTypes"]["URL_REQUEST_START_JOB"]
    found = [e["params"] for e in netlog["events"] if e["type"] == begin and "params" in e]
    return [p["url"] for p in found if p.get("initiator") not in (None, "not an origin")]
