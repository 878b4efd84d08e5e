"""``tidemark demo``: one full pull from the sandbox exchange through Dagster, and a look at it."""


def demo() -> int:
    """Pull everything from a sandbox exchange through Dagster, and show what came of it.

    Starts the sandbox on a free port of this machine; nothing leaves the machine. The data lie in
    ./data/demo, or in TIDEMARK_HOME where that is set. The sandbox's world goes on between runs: a
    second run fetches only what is new.

    \b
    Examples:
      tidemark demo
      TIDEMARK_HOME=/tmp/demo tidemark demo
    """
    from pipelines.demo.run import run

    return run()
