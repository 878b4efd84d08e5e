"""What threads share: a crash of a library is the end of the process, and no exception."""

import subprocess
import sys
from pathlib import Path

FIRST_USE = """
import sys, threading
from typing import Any
import msgspec
from connectors import jsontext

sys.setswitchinterval(1e-6)
for number in range(60):
    inner = msgspec.defstruct(f"Inner{number}", [(f"a{k}", int | None, None) for k in range(6)])
    fields = [(f"f{k}", Any, None) for k in range(12)]
    outer = msgspec.defstruct(f"Outer{number}", [*fields, ("inner", list[inner], [])])
    together = threading.Barrier(8)

    def decode(type_, text):
        together.wait()
        assert jsontext.decode(type_, text)

    calls = [(outer, b'{"inner":[{}]}'), (list[outer], b'[{"inner":[{}]}]')] * 4
    threads = [threading.Thread(target=decode, args=call) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
"""


def test_threads_that_meet_a_type_for_the_first_time(repo_root: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", FIRST_USE], cwd=repo_root, capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stderr
