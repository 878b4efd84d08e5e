"""``dagster dev``, without its remark on a ``dagster.yaml`` in the working folder.

``python -m pipelines.ui.dev [OPTIONS]``. In a clone that file is meant for ``dg``; here
``DAGSTER_HOME`` names another.
"""

import logging
import runpy
import sys

if __name__ == "__main__":
    remark = "Found a dagster instance configuration value"
    logging.getLogger("dagster").addFilter(lambda record: remark not in str(record.msg))
    sys.argv[1:1] = ["dev"]
    runpy.run_module("dagster", run_name="__main__", alter_sys=True)
