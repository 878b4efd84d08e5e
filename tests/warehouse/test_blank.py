"""The empty DuckDB file: kept from process to process, and made anew where that fails."""

from pathlib import Path

import duckdb
import pytest

from warehouse import blank, catalog


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache that nobody else uses."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def _never(*_: object) -> bytes:
    raise AssertionError("made again")


def test_it_is_made_once(kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = blank.blank(tmp_path)
    monkeypatch.setattr(blank, "_make", _never)
    assert blank.blank(tmp_path) == made
    (tmp_path / "some.duckdb").write_bytes(made)
    with duckdb.connect(str(tmp_path / "some.duckdb"), read_only=True) as db:
        assert catalog.is_current(db)
        assert not catalog.has_other_columns(db)
        assert db.execute("SELECT count(*) FROM marts.health").fetchone() == (0,)


@pytest.mark.parametrize("harm", [b"", b"torn", None])
def test_a_torn_one_is_made_anew(harm: bytes | None, kept: Path, tmp_path: Path) -> None:
    made = blank.blank(tmp_path)
    (file,) = kept.rglob("blank-*.duckdb")
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) // 2] if harm is None else harm)
    again = blank.blank(tmp_path)
    assert len(again) == len(made)
    assert len(file.read_bytes()) == len(whole)


def test_other_views_make_another(
    kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blank.blank(tmp_path)
    (before,) = kept.rglob("blank-*.duckdb")
    monkeypatch.setattr(catalog, "digest", lambda: "of other views")
    blank.blank(tmp_path)
    (after,) = kept.rglob("blank-*.duckdb")
    assert after != before


@pytest.mark.parametrize("why", ["no home", "a file in the way"])
def test_where_nothing_can_be_kept_it_is_made_each_time(
    why: str, kept: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if why == "no home":
        monkeypatch.setattr(blank, "user_folder", lambda *_: None)
    else:
        kept.write_text("")
    assert blank.blank(tmp_path)
    assert not [*tmp_path.rglob("blank*")]
