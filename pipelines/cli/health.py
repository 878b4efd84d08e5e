"""``tidemark health``: one line per problem, and an exit code for whoever watches."""

import json
import re
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

import typer

from pipelines.output.console import say
from pipelines.output.exits import PARTLY_FAILED
from pipelines.output.formatting import with_fix
from schemas import ConfigError

_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days"}


def health(
    max_age: Annotated[
        str | None,
        typer.Option(
            "--max-age",
            metavar="TIME",
            help="How old a pull may be: 90m, 2h, 3d; else half more than the schedule's pause.",
            show_default=False,
        ),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Write the problems as one JSON array.")
    ] = False,
) -> int:
    """Write one line per problem: what is stale, missing, lost, in quarantine; keys, disk, runs.

    Quick enough for every minute: it reads records, not rows. History that was never fetched yet is
    no problem here, nor is what an exchange did not show at the first contact; losses are named for
    a week. Exit code 0: all is well. 1: there are problems. 2: wrong configuration.

    \b
    Examples:
      tidemark health
      tidemark health --max-age 2h || mail -s "Tidemark" me@example.org
      tidemark health --json
    """
    from pipelines.feeds import load_feeds
    from pipelines.health import problems
    from pipelines.settings import load_settings

    oldest = None if max_age is None else _span(max_age)
    found = problems(load_settings(), load_feeds(), datetime.now(UTC), oldest)
    if as_json:
        say(json.dumps([asdict(problem) for problem in found], indent=2))
    else:
        for problem in found:
            say(f"{problem.kind}: {' '.join(problem.what.split())}. Fix: {problem.fix}")
        if not found:
            say("all is well")
    return PARTLY_FAILED if found else 0


def _span(text: str) -> timedelta:
    matched = re.fullmatch("([1-9][0-9]{0,4})([mhd])", text.strip())
    if matched is None:
        problem = f"--max-age {text!r} is no time like 90m, 2h or 3d"
        raise ConfigError(with_fix(problem, "--max-age 2h"))
    return timedelta(**{_UNITS[matched[2]]: int(matched[1])})
