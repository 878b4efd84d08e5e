"""The component that watches a folder: Dagster and our own reader make the same of its file."""

from pathlib import Path

import pytest
from dagster.components.testing import create_defs_folder_sandbox

from pipelines.imports.watch import watches

pytestmark = [
    pytest.mark.filterwarnings("ignore::pydantic.PydanticDeprecatedSince20"),
    pytest.mark.filterwarnings("ignore::dagster.BetaWarning"),
]
"""Of Dagster, about itself."""

FILE = """\
type: pipelines.components.Imports
attributes:
  folder: "{{ env.DUMPS }}"
  exchange: kraken
  market: %s
  columns: {timestamp: '1', price: '2', amount: '3'}
"""


def test_dagster_loads_it(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Path(".env").write_text("DUMPS=dumps\n")
    with create_defs_folder_sandbox() as project:
        monkeypatch.setenv("TIDEMARK_FEEDS", str(project.defs_folder_path))
        file = project.defs_folder_path / "xbt" / "defs.yaml"
        file.parent.mkdir()
        file.write_text(FILE % "BTC-USD")
        with project.build_component_tree() as tree:
            found = tree.build_defs(file.parent)
        assert {k.to_user_string() for k in found.resolve_all_asset_keys()} == {"imports/xbt"}
        assert [s.name for s in found.sensors or ()] == ["import_xbt_files"]
        found.get_repository_def().load_all_definitions()  # as a code server does
        (watch,), broken = watches()
        assert broken == []
        assert watch.folder == Path("dumps")
        assert watch.wish.columns == ("timestamp=1", "price=2", "amount=3")

        file.write_text((FILE % "BTC-USD") + "  timeframe: 7m\n")
        (broken_file,) = [one.error for one in watches()[1]]
        assert "defs.yaml:3: --timeframe 7m: unknown" in str(broken_file)
