"""``tidemark backup``: a copy of the home, taken while pulls run."""

from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli.verify import showing
from pipelines.output.console import say, warn
from pipelines.output.exits import PARTLY_FAILED
from pipelines.output.formatting import with_fix
from schemas.wording import count

_LISTED = 20
"""How many lost files are named."""


def backup(
    folder: Annotated[
        Path, typer.Argument(help="Where the copy lies: an empty folder, or an earlier backup.")
    ],
) -> int:
    """Copy everything collected to another folder. Pulls go on meanwhile.

    The copy is whole at every moment. Only what changed since the backup before is copied. What the
    home has given up is moved to removed/ of the copy, never deleted. DuckDB is left out: after
    a restore `tidemark verify` builds it from the lake. Feeds, .env and Dagster's own storage are
    not part of a home: copy them yourself. Exit code 0: done. 1: something cannot be read or
    written, or the home has lost files (all else is copied). 2: the folder cannot take a backup of
    this home.

    \b
    Examples:
      tidemark backup /backup/tidemark
    """
    import warehouse
    from pipelines.settings import load_settings

    home = load_settings().home
    with showing("files") as progress:
        done = warehouse.backup(home, folder, progress)
    aside = f"; {count(done.removed, 'file')} that the home has given up moved to removed/"
    say(
        f"{home} copied to {folder}: {count(done.copied, 'file')} of {done.files:,} were new or "
        f"changed ({count(done.bytes, 'byte')}){aside if done.removed else ''}"
    )
    say("keep with it: the feeds, .env, and Dagster's storage")
    if not done.lost:
        return 0
    for path in done.lost[:_LISTED]:
        warn(f"lost: {path} {'(the backup has it)' if path in done.kept else ''}".rstrip())
    warn(
        with_fix(
            f"{count(len(done.lost), 'file')} of the lake of {home} should be there, "
            f"{'and is' if len(done.lost) == 1 else 'and are'} not; the backup has "
            f"{len(done.kept):,} of them",
            f"copy what is missing from {folder} to {home}, then tidemark verify",
        )
    )
    return PARTLY_FAILED
