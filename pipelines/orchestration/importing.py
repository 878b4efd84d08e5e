"""The assets ``imports/<name>``: bulk files that appear in a watched folder are imported.

A sensor looks at the folder. A file that is new or changed, and stays the same between two looks,
is imported by a run; the run records one materialisation for each file.
"""

import json
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Final

import dagster as dg
from pydantic import Field

from pipelines import publishing
from pipelines.imports import FileImport, import_files
from pipelines.imports.sources import CHECKSUM
from pipelines.imports.watch import Watch
from pipelines.orchestration.metadata import Metadata, markdown_list, materialized
from pipelines.orchestration.pulling import python_name
from pipelines.orchestration.run_log import QUIET
from pipelines.orchestration.specs import OWNERS
from pipelines.output.formatting import instant, interval_text, visible
from pipelines.progress import PlainFiles
from pipelines.settings import load_settings
from schemas import TidemarkError
from schemas.times import to_datetime

IMPORTS: Final = "imports"
SECONDS: Final = 30
_LISTED: Final = 20


class ImportConfig(dg.Config):
    """Run configuration of an import, for the launchpad."""

    files: list[str] = Field(
        default=[],
        description="Files below the watched folder. Empty: all of them; those that are imported "
        "already change nothing.",
    )


def import_definitions(watch: Watch) -> dg.Definitions:
    """The asset of one watched folder, its job, and the sensor that looks at the folder."""
    asset = _asset(watch)
    name = f"import_{python_name(watch.name)}"
    # an op and a job of one name cannot be in one code location
    job = dg.define_asset_job(f"{name}_job", dg.AssetSelection.assets(_key(watch)), config=QUIET)

    @dg.sensor(
        name=f"{name}_files",
        job=job,
        minimum_interval_seconds=SECONDS,
        default_status=dg.DefaultSensorStatus.STOPPED,
        description=f"Imports files that appear or change below {watch.folder}.",
    )
    def look(context: dg.SensorEvaluationContext) -> dg.SensorResult | dg.SkipReason:
        if not watch.folder.is_dir():
            return dg.SkipReason(f"there is no folder {watch.folder}")
        before: dict[str, dict[str, list[int]]] = json.loads(context.cursor or "{}")
        now = _files(watch.folder)
        pending, done = before.get("pending", {}), before.get("done", {})
        new = [name for name, stat in now.items() if stat == pending.get(name)]
        kept = {name: stat for name, stat in done.items() if name in now}
        kept |= {name: now[name] for name in new}
        waiting = {name: stat for name, stat in now.items() if stat != kept.get(name)}
        cursor = json.dumps({"done": kept, "pending": waiting})
        runs = [dg.RunRequest(run_config=_config(name, new))] if new else []
        return dg.SensorResult(run_requests=runs, cursor=cursor)

    return dg.Definitions(assets=[asset], jobs=[job], sensors=[look])


def _key(watch: Watch) -> dg.AssetKey:
    return dg.AssetKey([IMPORTS, watch.name])


def _files(folder: Path) -> dict[str, list[int]]:
    """Size and time of change of each file below ``folder``, by its path there."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.name[0] != "." and not path.name.endswith(CHECKSUM):
            stat = path.stat()
            found[path.relative_to(folder).as_posix()] = [stat.st_size, stat.st_mtime_ns]
    return found


def _config(step: str, files: list[str]) -> Mapping[str, object]:
    return {**QUIET, "ops": {step: {"config": {"files": files}}}}


def _asset(watch: Watch) -> dg.AssetsDefinition:
    wish = watch.wish

    @dg.multi_asset(
        name=f"import_{python_name(watch.name)}",
        specs=[
            dg.AssetSpec(
                _key(watch),
                description=f"Bulk files of {wish.market} on {wish.exchange} that lie below "
                f"`{watch.folder}`, imported as `tidemark import` does.",
                group_name=IMPORTS,
                kinds={"python", "parquet"},
                owners=OWNERS,
            )
        ],
    )
    def run(
        context: dg.AssetExecutionContext, config: ImportConfig
    ) -> Iterator[dg.MaterializeResult[None]]:
        paths = [watch.folder / name for name in config.files] or [watch.folder]
        settings = load_settings()
        publish = partial(publishing.publish, settings)
        try:
            with publishing.periodic_publish(publish):
                report = import_files(paths, wish, settings, PlainFiles(write=context.log.info))
            publish()
        except TidemarkError as error:
            raise dg.Failure(visible(str(error)), allow_retries=False) from None
        for notice in report.notices:
            context.log.warning(visible(notice))
        found: list[Metadata] = [_metadata(one) for one in report.files]
        *others, last = found or [{"dagster/row_count": 0}]
        for metadata in others:
            context.log_event(dg.AssetMaterialization(_key(watch), metadata=metadata))
        yield materialized(context, _key(watch), last)
        if not report.ok:
            text = "\n".join(visible(error) for error in report.errors)
            raise dg.Failure(text, allow_retries=False)

    return run


def _metadata(one: FileImport) -> Metadata:
    """What one file held, and what it changed."""
    found: Metadata = {
        "file": dg.MetadataValue.path(one.path),
        "format": one.format or "unknown",
        "stream": f"{one.exchange}/{one.dataset} {one.stream}" if one.dataset else "none",
        "dagster/row_count": one.seen,
        "rows_added": one.added,
        "rows_held": one.held,
        "rows_contradicting": one.conflicts,
        "rows_rejected": one.rejected,
        "gaps": len(one.gaps),
        "sha256": one.digest or "not read",
        "checksum": "agrees" if one.verified else "none beside the file",
    }
    if one.span is not None:
        # Dagster shows its own times without the year
        found["first"], found["last"] = (instant(to_datetime(at)) for at in one.span)
    if one.gaps:
        found["missing"] = markdown_list([interval_text(gap, "id") for gap in one.gaps[:_LISTED]])
    if one.lines:
        found["rows_refused"] = markdown_list(one.lines[:_LISTED])
    if one.problems:
        found["problems"] = markdown_list(one.problems)
    return found
