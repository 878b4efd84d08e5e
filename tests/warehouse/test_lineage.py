"""The lineage of columns that is kept is that of the views as they are."""

from pathlib import Path

import pytest

from tests.lineage import derive
from warehouse.lineage import _all, column_lineage, digest
from warehouse.views import View, parse, views

VIEWS = {key: view for key, view in views().items() if not view.is_macro}
UNKNOWN = {"marts.account_value_daily"}
"""It calls a table macro, which sqlglot does not look into."""


def test_it_is_of_the_views_as_they_are() -> None:
    outdated = [k for k, v in VIEWS.items() if k not in _all() or _all()[k].digest != digest(v)]
    assert not outdated, "run: python -m tests.lineage"
    assert set(_all()) == set(VIEWS), "run: python -m tests.lineage"


def test_nearly_every_column_has_its_sources() -> None:
    assert {key for key, view in VIEWS.items() if not column_lineage(view)} == UNKNOWN
    columns = [(k, c.name) for k, v in VIEWS.items() if k not in UNKNOWN for c in v.columns]
    without = [(k, c) for k, c in columns if c not in column_lineage(VIEWS[k])]
    assert len(without) < len(columns) / 10  # counts, constants


def test_sources_are_those_that_the_view_names() -> None:
    for view in VIEWS.values():
        named = {source for made_of in column_lineage(view).values() for source, _ in made_of}
        assert named <= {*view.sources}, view.key


@pytest.mark.parametrize("key", ["marts.vwap_daily", "marts.fees_monthly", "marts.fee_rates"])
def test_it_is_what_is_derived(key: str) -> None:
    assert derive([VIEWS[key]])[key] == _all()[key]


def test_of_a_changed_view_nothing_is_said(repo_root: Path) -> None:
    text = (repo_root / "warehouse" / "sql" / "marts" / "vwap_daily.sql").read_text()
    changed: View = parse("marts", "vwap_daily", f"{text}\n-- changed")
    assert column_lineage(changed) == {}
    assert column_lineage(parse("marts", "vwap_daily", text))["turnover"] == [["trades", "cost"]]
