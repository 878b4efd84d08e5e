"""``python -m pipelines`` is the command line, where the ``tidemark`` script is not installed."""

import sys

from pipelines.cli import main

if __name__ == "__main__":
    sys.exit(main())
