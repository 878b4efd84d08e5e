"""``tidemark ui``: Dagster's pages and daemon on the feeds and data of this folder."""

from typing import Annotated, Final

import typer

from pipelines.output.console import say

USUAL_PORT: Final = 3000


def ui(
    port: Annotated[
        int, typer.Option(help="Where the pages are; another one where it is taken.")
    ] = USUAL_PORT,
    demo: Annotated[
        bool, typer.Option("--demo", help="Feed it from a sandbox exchange, as `make ui` does.")
    ] = False,
) -> int:
    """Open Dagster on your feeds: what is collected, on which schedule, and what went wrong.

    Pages and daemon run until Ctrl-C, on this machine only. Nothing is collected until you switch
    a schedule on under Automation. Dagster keeps its own records in the home, in dagster/, or where
    DAGSTER_HOME says. The report is served at the next port, and its asset links to it. With --demo
    nothing leaves the machine.

    \b
    Examples:
      tidemark ui
      tidemark ui --port 3333
      tidemark ui --demo
    """
    from pipelines.ui import server

    if demo:
        from pipelines.demo.exchange import feeding

        with feeding() as exchange:
            say(exchange.greeting)
            return server.run(port, reads_dotenv=False)
    from pipelines.feeds import load_feeds, select_jobs

    select_jobs(load_feeds(), [])  # a mistake is reported here, not in a page
    return server.run(port)
