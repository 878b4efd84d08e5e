"""Write ``dagster-sqlite.yaml`` and ``dagster-postgres.yaml``: ``python deploy/dagster_yaml.py``.

Each is its own part on storage, and the rest of the repository's ``dagster.yaml``. To be run after
a change of either; a test compares.
"""

from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent
SHARED: Final = "telemetry:\n"
"""The line of ``dagster.yaml`` with which what all have in common begins."""
HEAD: Final = """\
# Dagster's settings for {place}, $DAGSTER_HOME/dagster.yaml. docs/operations.md explains each line.
# Written by deploy/dagster_yaml.py: from `telemetry` on it is dagster.yaml of the repository.

"""
SQLITE: Final = """\
run_storage:
  module: dagster._core.storage.runs
  class: SqliteRunStorage
  config:
    base_dir:
      env: DAGSTER_HOME
# One database for the events of all runs: a file for each run takes 170 KB before its first event.
event_log_storage:
  module: dagster._core.storage.event_log
  class: ConsolidatedSqliteEventLogStorage
  config:
    base_dir:
      env: DAGSTER_HOME
schedule_storage:
  module: dagster._core.storage.schedules
  class: SqliteScheduleStorage
  config:
    base_dir:
      env: DAGSTER_HOME

"""
POSTGRES: Final = """\
storage:
  postgres:
    postgres_db:
      # SQLAlchemy 2.1 takes plain "postgresql" for the driver psycopg 3. Dagster brings psycopg2.
      scheme: postgresql+psycopg2
      hostname:
        env: DAGSTER_PG_HOST
      port: 5432
      db_name:
        env: DAGSTER_PG_DB
      username:
        env: DAGSTER_PG_USER
      password:
        env: DAGSTER_PG_PASSWORD

"""


def texts() -> dict[str, str]:
    """The files by name."""
    shared = (FOLDER.parent / "dagster.yaml").read_text(encoding="utf-8").partition(SHARED)
    rest = shared[1] + shared[2]
    return {
        "dagster-sqlite.yaml": HEAD.format(place="one machine") + SQLITE + rest,
        "dagster-postgres.yaml": HEAD.format(place="a server") + POSTGRES + rest,
    }


if __name__ == "__main__":
    for name, text in texts().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
