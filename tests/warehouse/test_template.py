"""The template database: cached from process to process, and made again where that fails."""

from pathlib import Path

import duckdb
import pytest

from tests.matrix import thinned
from warehouse import catalog, template


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache that no other test uses."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def _never(*_: object) -> bytes:
    raise AssertionError("made again")


def test_it_is_made_once(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = template.template_database(tmp_path)
    monkeypatch.setattr(template, "_make", _never)
    assert template.template_database(tmp_path) == made
    (tmp_path / "some.duckdb").write_bytes(made)
    with duckdb.connect(str(tmp_path / "some.duckdb"), read_only=True) as db:
        assert catalog.is_current(db)
        assert not catalog.has_other_columns(db)
        assert db.execute("SELECT count(*) FROM marts.health").fetchone() == (0,)


@pytest.mark.parametrize("harm", thinned([b"", b"torn", None], 2))
def test_a_torn_one_is_made_again(harm: bytes | None, cache: Path, tmp_path: Path) -> None:
    made = template.template_database(tmp_path)
    (file,) = cache.rglob("template-*.duckdb")
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2] if harm is None else harm)
    again = template.template_database(tmp_path)
    assert len(again) == len(made)
    assert len(file.read_bytes()) == len(whole)


def test_other_views_make_another(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    template.template_database(tmp_path)
    (before,) = cache.rglob("template-*.duckdb")
    monkeypatch.setattr(catalog, "digest", lambda: "of other views")
    template.template_database(tmp_path)
    (after,) = cache.rglob("template-*.duckdb")
    assert after != before


@pytest.mark.parametrize("why", ["no home", "a file in the way"])
def test_where_nothing_can_be_kept_it_is_made_each_time(
    why: str, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if why == "no home":
        monkeypatch.setattr(template, "user_folder", lambda *_: None)
    else:
        cache.write_text("")
    assert template.template_database(tmp_path)
    assert not [*tmp_path.rglob("template*")]
