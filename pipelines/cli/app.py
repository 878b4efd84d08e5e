"""The commands, assembled."""

import typer

from pipelines.cli import (
    address,
    demo,
    export,
    pull,
    rebuild,
    replay,
    report,
    sandbox,
    sql,
    status,
    verify,
)

app = typer.Typer(
    name="tidemark",
    help=(
        "Collect the history of crypto exchanges completely, exactly and incrementally "
        "into Parquet and DuckDB."
    ),
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)
app.command("demo", short_help="Try it: a full pull from a sandbox exchange.")(demo.demo)
app.command("pull", short_help="Fetch what is wanted and not yet held.")(pull.pull)
app.command("status", short_help="What is covered, missing or lost, and how fresh.")(status.status)
app.command("sql", short_help="Ask the DuckDB warehouse.")(sql.sql)
app.command("report", short_help="One page of everything, for the browser.")(report.report)
app.command("sandbox", short_help="Run an exchange on this machine to try with.")(sandbox.sandbox)
app.command("verify", short_help="Prove that lake, ledger and DuckDB agree; mend what is safe.")(
    verify.verify
)
app.command("rebuild", short_help="Build DuckDB anew from the lake.")(rebuild.rebuild)
app.command("replay", short_help="Read kept answers again, after a parser was mended.")(
    replay.replay
)
app.command("address", short_help="Your address for deposits of a currency.")(address.address)
app.add_typer(export.app, name="export")
