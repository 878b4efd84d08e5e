"""The commands, assembled, and how each ends: exit code and message.

===========================  ====  ==========================================================
outcome                      code  on stderr
===========================  ====  ==========================================================
done                         0     nothing
``TidemarkError``            1     what is wrong, where, and the fix
``ConfigError``, wrong usage 2     the same
Ctrl-C                       130   one line
reader of a pipe went away   141   nothing
anything else                1     a traceback without secrets: a defect of Tidemark
===========================  ====  ==========================================================
"""

import os
import sys
import traceback
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import Annotated
from urllib.parse import unquote, urlsplit

import click
import typer

from pipelines.cli import completion
from pipelines.cli.commands import Commands
from pipelines.output.console import use_terminal, warn
from pipelines.output.exits import INTERRUPTED, PARTLY_FAILED, PIPE_CLOSED, WRONG_USAGE
from pipelines.output.formatting import with_fix
from pipelines.settings import SECRET_SUFFIXES
from schemas import ConfigError, TidemarkError
from warehouse.frames import spare_pandas

app = typer.Typer(
    name="tidemark",
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _show_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"tidemark {version('tidemark')}")
        raise typer.Exit


@app.callback()
def options(
    _version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Collect the history of crypto exchanges completely, exactly and incrementally into Parquet
    and DuckDB.
    """


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. ``arguments`` default to the process's own."""
    use_terminal()
    if arguments is None:
        spare_pandas()
        # httpx has a command line of its own, for which it imports rich and pygments: 0.06 s
        sys.modules.setdefault("httpx._main", ModuleType("httpx._main"))
    command = typer.main.get_command(app)
    completed = completion.answer(command)
    if completed is not None:
        return completed
    given = sys.argv[1:] if arguments is None else list(arguments)
    try:
        with command.make_context("tidemark", given) as context:
            code = command.invoke(context)
        sys.stdout.flush()
    except click.exceptions.Exit as done:  # --help, --version
        return done.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        warn(error.format_message())
        return WRONG_USAGE
    except click.ClickException as error:
        return _usage(error)
    except ConfigError as error:
        return _say(str(error), WRONG_USAGE)
    except TidemarkError as error:
        return _say(str(error), PARTLY_FAILED)
    except (KeyboardInterrupt, click.Abort):
        return _say("stopped; everything fetched so far is stored", INTERRUPTED, head="")
    except BrokenPipeError:
        # Python flushes stdout once more at exit, and would complain a second time.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    except Exception:
        return _defect()
    return code if isinstance(code, int) else 0


def _say(message: str, code: int, head: str = "tidemark: ") -> int:
    warn(scrub(f"{head}{message}", secrets()))
    return code


def _usage(error: click.ClickException) -> int:
    context = error.ctx if isinstance(error, click.UsageError) else None
    text = error.format_message()
    if context is not None:
        text = with_fix(text, f"{context.command_path} --help")
    return _say(text, WRONG_USAGE)


def _defect() -> int:
    text = traceback.format_exc()
    return _say(
        f"{text}\nThis is a defect of Tidemark, not of your usage: please report it with the lines "
        "above. What was stored before is intact.",
        PARTLY_FAILED,
        head="",
    )


def secrets(environment: Mapping[str, str] | None = None, file: Path | None = None) -> list[str]:
    """Every key, secret and address of alerts in environment and ``.env``, the longest first."""
    from dotenv import dotenv_values

    values: dict[str, str | None] = {**dotenv_values(file or Path(".env"), interpolate=False)}
    values.update(os.environ if environment is None else environment)
    found = {v for name, v in values.items() if v and name.endswith(SECRET_SUFFIXES) and len(v) > 3}
    for address in [v for v in found if "://" in v]:
        with suppress(ValueError):
            found.add(unquote(urlsplit(address).password or address))
    return sorted(found, key=len, reverse=True)


def scrub(text: str, hidden: Iterable[str]) -> str:
    """``text`` with every one of ``hidden`` replaced by ``***``."""
    for secret in hidden:
        text = text.replace(secret, "***")
    return text
