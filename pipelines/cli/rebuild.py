"""``tidemark rebuild``: DuckDB from the lake, from nothing, and the ledger if it is lost."""

from pipelines.cli.output import say
from pipelines.cli.run import PARTLY_FAILED
from pipelines.cli.verify import showing, write


def rebuild() -> int:
    """Build DuckDB anew from the lake, and put the ledger in step with the lake's files.

    What the ledger claims of rows that are no longer there it claims no more, so that the next
    `tidemark pull` fetches them again. A lost or damaged ledger is begun anew: rows stay, and
    pulls prove them again. Everything is verified on the way. Exit code 0: everything agrees. 1:
    something does not; the lines name file and mend. 2: wrong usage.

    \b
    Examples:
      tidemark rebuild
    """
    import warehouse
    from pipelines.settings import load_settings

    home = load_settings().home
    with showing() as progress:
        result = warehouse.rebuild(home, progress)
    say(f"home: {home}")
    write(result)
    return 0 if result.ok else PARTLY_FAILED
