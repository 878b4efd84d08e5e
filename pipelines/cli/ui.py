"""``tidemark ui``: Dagster's pages and daemon on the feeds and data of this folder."""

import os
import signal
import sys
from pathlib import Path
from subprocess import Popen
from typing import Annotated, Final

import typer

from pipelines.output.console import say, warn

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
    DAGSTER_HOME says. With --demo nothing leaves the machine.

    \b
    Examples:
      tidemark ui
      tidemark ui --port 3333
      tidemark ui --demo
    """
    from pipelines.demo import ui as server

    if demo:
        return server.main(port)
    from pipelines.demo.instance import dagster_home
    from pipelines.feeds import load_feeds, select_jobs
    from pipelines.settings import load_settings

    select_jobs(load_feeds(), [])  # a mistake is reported here, not in a page
    settings = load_settings()
    home = settings.prepare_home()
    folder = settings.variables.get("DAGSTER_HOME") or str(dagster_home(home))
    taken = server.free_port(port)
    url = f"http://{server.HOST}:{taken}"
    command = [sys.executable, "-m", "dagster", "dev", "-m", "pipelines.definitions"]
    command += ["-h", server.HOST, "-p", str(taken), "--log-level", "warning"]
    environment = {
        **os.environ,
        "DAGSTER_HOME": str(Path(folder).absolute()),
        "DAGSTER_DISABLE_TELEMETRY": "1",
        "PYTHONWARNINGS": "ignore",
    }
    # A session of its own: Ctrl-C reaches this process, which ends the tree in order.
    process = Popen(command, env=environment, start_new_session=True)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        if server.answers(url, process):
            say(f"Dagster on {url}   (assets: {url}/asset-groups, Ctrl-C stops it)")
            say(f"home: {home}")
        return process.wait()
    except KeyboardInterrupt:
        warn("\nstopped; everything fetched so far is stored")
        return 0
    finally:
        server.stop(process)
