"""``docs/data-dictionary.md`` is what the declarations and the SQL files say."""

from pathlib import Path

from schemas import DATASETS
from warehouse.dictionary import dictionary
from warehouse.views import views


def test_the_document_is_up_to_date(repo_root: Path) -> None:
    held = (repo_root / "docs" / "data-dictionary.md").read_text(encoding="utf-8")
    assert held == dictionary() + "\n", (
        "Fix: python -m warehouse.dictionary > docs/data-dictionary.md"
    )


def test_everything_is_in_it() -> None:
    text = dictionary()
    for name in (*DATASETS, "coverage", *views()):
        assert f"\n### {name}\n" in text
