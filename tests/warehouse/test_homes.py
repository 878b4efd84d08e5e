"""Homes of any name: DuckDB takes some characters of a path for patterns and separators."""

import shutil
from pathlib import Path

import pytest

import warehouse
from tests.matrix import thinned
from tests.warehouse.healthy import assert_clean
from tests.warehouse.tools import assert_published

NAMES = ["a?b", "a*b[c]", "a\\b", "a\\b*c", "it's ö", "a#b=%20"]
COUNT = "SELECT count(*) AS n FROM trades"


@pytest.mark.parametrize("name", thinned(NAMES, 2))
def test_a_home_of_any_name_is_published_and_verified(
    name: str, tmp_path: Path, healthy: Path
) -> None:
    rows = warehouse.sql(COUNT, home=healthy).to_pylist()
    for other in ("axb", "ab"):  # what a pattern would match as well
        shutil.copytree(healthy / "lake", tmp_path / "by" / other / "lake")
    home = healthy.rename(tmp_path / "by" / name)
    warehouse.publish(home, rebuild=True)
    assert warehouse.sql(COUNT, home=home).to_pylist() == rows
    assert_published(home)
    assert_clean(home)
