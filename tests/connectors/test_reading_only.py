"""The connectors read. There is no way in them to trade, to cancel, or to move money."""

import re
from pathlib import Path

import pytest

FORBIDDEN = [
    r"order/create",
    r"/cancel\b",
    r"CancelOrders?",
    r"method.{0,3}Trade[\"']",
    r"[\"']Trade[\"']",
    r"WithdrawCoin",
    r"CreateCoupon",
    r"RedeemCoupon",
    r"coupon",
    r"/withdraw",
    r"\.(post|put|patch|delete)\(",
]


@pytest.mark.parametrize("pattern", FORBIDDEN)
def test_no_call_that_moves_anything(repo_root: Path, pattern: str) -> None:
    files = sorted((repo_root / "connectors").rglob("*.py"))
    assert len(files) > 10
    for file in files:
        found = re.search(pattern, file.read_text("utf-8"), re.IGNORECASE)
        assert not found, f"{file.relative_to(repo_root)}: {found and found[0]}"


def test_the_only_signed_post_reads(repo_root: Path) -> None:
    """POST exists for /tapi alone, with the documented methods that only tell something."""
    posts = [
        file
        for file in (repo_root / "connectors").rglob("*.py")
        if '"POST"' in file.read_text("utf-8")
    ]
    assert [file.name for file in posts] == ["client.py"]
    source = posts[0].read_text("utf-8")
    assert posts[0].parent.name == "wex"
    methods = set(re.findall(r'"((?:get|[A-Z][a-z]+)(?:[A-Z][a-z]+)+)"', source))
    histories = {"TradeHistory", "TransHistory"}
    assert methods == histories | {"ActiveOrders", "OrderInfo", "getInfo", "CoinDepositAddress"}
