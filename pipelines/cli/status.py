"""``tidemark status``: what is covered, missing or lost, and how fresh it is."""

from datetime import UTC, datetime

from pipelines.output.console import say


def status() -> None:
    """Show what is covered, missing and lost, stream by stream, and how fresh it is.

    Streams counted in ids show the ids proved and the dates of their rows; streams counted in time
    show the time proved. `newest row` and `checked` are ages: of the newest row held, and of the
    last pull that reached the newest end.

    \b
    Examples:
      tidemark status
      TIDEMARK_HOME=data/demo tidemark status
    """
    import warehouse
    from pipelines.settings import load_settings
    from pipelines.status import write_status

    home = load_settings().home
    streams = warehouse.status(home) if warehouse.has_data(home) else []
    if not streams:
        say(f"nothing collected yet in {home}: run tidemark pull (or tidemark demo to try it out)")
        return
    say(f"home: {home}")
    write_status(streams, datetime.now(UTC))
