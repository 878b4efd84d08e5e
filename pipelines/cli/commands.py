"""The commands by name, each imported when it is called: nobody waits for another's imports."""

from importlib import import_module
from typing import Any, Final

import click
import typer
from typer.core import TyperGroup

COMMANDS: Final[dict[str, tuple[str, str, str]]] = {
    "demo": ("sandbox", "demo", "Try it: a full pull from a sandbox exchange."),
    "init": ("init", "init", "Write a feed: what to collect, from where."),
    "pull": ("pull", "pull", "Fetch what is wanted and not yet held."),
    "status": ("status", "status", "What is covered, missing or lost, and how fresh."),
    "health": ("health", "health", "One line per problem, and an exit code."),
    "sql": ("sql", "sql", "Query the DuckDB warehouse."),
    "report": ("report", "report", "One page of everything, for the browser."),
    "ui": ("ui", "ui", "Dagster's pages and daemon on your feeds and data."),
    "sandbox": ("sandbox", "sandbox", "Run an exchange on this machine to try with."),
    "verify": (
        "verify",
        "verify",
        "Prove that lake, metastore and DuckDB agree; heal what is safe.",
    ),
    "rebuild": ("verify", "rebuild", "Build DuckDB again from the lake."),
    "purge": ("purge", "purge", "Delete what no feed collects any more; shows it first."),
    "import": ("imports", "import_", "Bulk files of exchanges and tools into the lake."),
    "replay": ("replay", "replay", "Parse archived responses again, after a parser was fixed."),
    "backup": ("backup", "backup", "Copy everything collected to another folder, while pulls run."),
    "address": ("address", "address", "Your address for deposits of a currency."),
    "completion": ("completion", "completion", "Complete commands and names in your shell."),
    "new-exchange": (
        "new_exchange",
        "new_exchange",
        "Write the skeleton of a connector to a new exchange.",
    ),
    "marts": ("marts", "marts", "Every mart as Parquet, calculated by DuckDB or Spark."),
    "export": ("export", "app", "Hand data to other programs: CSV, Parquet, Beancount, taxes."),
}
"""Per command: its module, the function (or the ``Typer`` of a group) in it, and its short help."""


class Commands(TyperGroup):
    """The group of all commands. In lists each is a name with its short help."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given)
        for name, (_, _, short) in COMMANDS.items():
            self.add_command(click.Command(name, short_help=short))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that ``args`` begin with, imported, and the arguments that are left."""
        name, found, rest = super().resolve_command(ctx, args)
        return name, loaded(name) if name and found else found, rest


def loaded(name: str) -> click.Command:
    """The command ``name``, imported."""
    module, attribute, short = COMMANDS[name]
    found = getattr(import_module(f"pipelines.cli.{module}"), attribute)
    if isinstance(found, typer.Typer):
        return typer.main.get_group(found)
    alone = typer.Typer(name=name, add_completion=False, rich_markup_mode=None)
    alone.command(name, short_help=short)(found)
    return typer.main.get_command(alone)
