"""From a command's outcome to an exit code and one message.

===========================  ====  ==========================================================
outcome                      code  on stderr
===========================  ====  ==========================================================
done                         0     nothing
``TidemarkError``            1     what, where, how to mend
``ConfigError``, wrong usage 2     the same
Ctrl-C                       130   one calm line
reader of a pipe went away   141   nothing
anything else                1     a traceback without secrets: that one is a defect of ours
===========================  ====  ==========================================================
"""

import os
import sys
import traceback
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import click
import typer
from dotenv import dotenv_values

from schemas import ConfigError, TidemarkError

PARTLY_FAILED = 1
WRONG_USAGE = 2
INTERRUPTED = 130
PIPE_CLOSED = 141

_SECRET_NAMES = ("_API_KEY", "_API_SECRET")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. ``arguments`` default to the process's own."""
    from pipelines.cli.app import app

    command = typer.main.get_command(app)
    given = sys.argv[1:] if arguments is None else list(arguments)
    try:
        with command.make_context("tidemark", given) as context:
            code = command.invoke(context)
        sys.stdout.flush()
    except click.exceptions.Exit as done:  # --help, and commands that say their code themselves
        return done.exit_code
    except click.exceptions.NoArgsIsHelpError as error:
        print(error.format_message(), file=sys.stderr)
        return WRONG_USAGE
    except click.ClickException as error:
        return _usage(error)
    except ConfigError as error:
        return _say(str(error), WRONG_USAGE)
    except TidemarkError as error:
        return _say(str(error), PARTLY_FAILED)
    except (KeyboardInterrupt, click.Abort):
        return _say("stopped; what was fetched until now is stored", INTERRUPTED, head="")
    except BrokenPipeError:
        # Python flushes stdout once more at exit, and would complain a second time.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    except Exception:
        return _defect()
    return code if isinstance(code, int) else 0


def _say(message: str, code: int, head: str = "tidemark: ") -> int:
    sys.stdout.flush()
    print(scrub(f"{head}{message}", secrets()), file=sys.stderr)
    return code


def _usage(error: click.ClickException) -> int:
    context = getattr(error, "ctx", None)
    hint = f"\nMend: {context.command_path} --help" if context is not None else ""
    return _say(f"{error.format_message()}{hint}", WRONG_USAGE)


def _defect() -> int:
    text = traceback.format_exc()
    return _say(
        f"{text}\nThis is a defect of Tidemark, not of your usage: please report it with the lines "
        "above. What was stored before it is whole.",
        PARTLY_FAILED,
        head="",
    )


def secrets(environment: Mapping[str, str] | None = None, file: Path | None = None) -> list[str]:
    """Every API key and secret that the environment or ``.env`` holds, the longest first."""
    values: dict[str, str | None] = {**dotenv_values(file or Path(".env"), interpolate=False)}
    values.update(os.environ if environment is None else environment)
    found = {v for name, v in values.items() if v and name.endswith(_SECRET_NAMES) and len(v) > 3}
    return sorted(found, key=len, reverse=True)


def scrub(text: str, hidden: Iterable[str]) -> str:
    """``text`` with every one of ``hidden`` blacked out."""
    for secret in hidden:
        text = text.replace(secret, "***")
    return text
