"""``tidemark completion``: what makes a shell complete commands, options and names."""

import os
from enum import StrEnum
from typing import Annotated, Final

import click
import typer
from click.shell_completion import get_completion_class, shell_complete

from pipelines.output.console import say
from schemas import TidemarkError

VARIABLE: Final = "_TIDEMARK_COMPLETE"
"""Set by the script of :func:`completion`: the shell asks what comes next."""


class Shell(StrEnum):
    """The shells whose scripts can be written."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def completion(
    shell: Annotated[Shell, typer.Argument(help="Your shell: bash, zsh or fish.")],
) -> None:
    """Print the script that completes commands, options, feeds and streams in your shell.

    \b
    Examples:
      tidemark completion bash >> ~/.bashrc
      tidemark completion zsh >> ~/.zshrc
      tidemark completion fish > ~/.config/fish/completions/tidemark.fish
    """
    context = click.get_current_context().find_root()
    kind = get_completion_class(shell.value)
    assert kind is not None  # click has all of Shell
    script = kind(context.command, {}, "tidemark", VARIABLE)
    # click's own source() of bash runs bash to find out its version
    say((script.source_template % script.source_vars()).strip())


def answer(command: click.Command) -> int | None:
    """What a shell asks for while the user types; ``None`` where no shell asks."""
    instruction = os.environ.get(VARIABLE)
    return shell_complete(command, {}, "tidemark", VARIABLE, instruction) if instruction else None


def jobs_starting(incomplete: str) -> list[str]:
    """The feeds and datasets that begin so."""
    from pipelines.feeds import jobs, load_feeds

    try:
        names = [job.name for job in jobs(load_feeds())]
    except TidemarkError:
        return []
    feeds = dict.fromkeys(name.partition("/")[0] for name in names)
    return [name for name in (*feeds, *names) if name.startswith(incomplete)]


def streams_starting(incomplete: str) -> list[str]:
    """The exchanges and datasets of which something is stored that begin so."""
    import warehouse
    from pipelines.settings import load_settings

    try:
        home = load_settings().home
        held = warehouse.status(home) if warehouse.has_data(home) else []
    except TidemarkError:
        return []
    names = dict.fromkeys(f"{s.stream.exchange}/{s.stream.dataset}" for s in held)
    exchanges = dict.fromkeys(s.stream.exchange for s in held)
    return [name for name in (*exchanges, *names) if name.startswith(incomplete)]
