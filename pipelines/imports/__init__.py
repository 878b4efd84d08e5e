"""Import: bulk files of exchanges and tools into the lake, with what their ids prove.

``sources``    files, archives, checksums
``formats``    the table of formats, and how one is recognised
``batches``    rows out of files, a few megabytes at a time
``convert``    values as columns of a dataset, exact or rejected
``conflicts``  rows beside those that are stored
``coverage``   what ids prove
``plan``       which file is of which format and stream
``run``        the import itself
``report``     what it did
``watch``      folders that Dagster watches

It uses the store as a pull does; no exchange is asked. docs/import.md explains it.
"""

from pipelines.imports.plan import Wish
from pipelines.imports.report import FileImport, ImportProgress, ImportReport, Listener
from pipelines.imports.run import import_files

__all__ = ["FileImport", "ImportProgress", "ImportReport", "Listener", "Wish", "import_files"]
