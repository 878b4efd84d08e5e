"""Every market lies in exactly one shard."""

from hypothesis import given
from hypothesis import strategies as st

from pipelines.feeds import Shard

NAMES = st.lists(st.text("ABCDEFGHIJ", min_size=1, max_size=6), max_size=60, unique=True)


@given(NAMES, st.integers(1, 12))
def test_every_market_lies_in_exactly_one(names: list[str], of: int) -> None:
    shards = [Shard(number, of) for number in range(1, of + 1)]
    assert sorted(n for s in shards for n in s.of_named(names)) == sorted(names)
    assert sorted(n for s in shards for n in s.of_listed(names)) == sorted(names)
    sizes = [len(shard.of_named(names)) for shard in shards]
    assert max(sizes) - min(sizes) <= 1


def test_a_market_listed_anew_moves_no_other() -> None:
    """The same in every process, too: no hash of Python's, which begins anew in each."""
    shard = Shard(2, 3)
    names = ["BTC-USD", "ETH-USD", "LTC-BTC", "XRP-BTC", "DOGE-BTC"]
    assert shard.of_listed(names) == ["LTC-BTC", "DOGE-BTC"]
    assert [n for n in shard.of_listed(["NEW-USD", *names]) if n in names] == [
        "LTC-BTC",
        "DOGE-BTC",
    ]


def test_a_thousand_markets_make_parts_of_about_the_same_size() -> None:
    sizes = [len(Shard(n, 8).of_listed(f"C{i}-USD" for i in range(1000))) for n in range(1, 9)]
    assert sum(sizes) == 1000 and min(sizes) >= 100 and max(sizes) <= 150
