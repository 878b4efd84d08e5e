"""How far an import is: lines with the time left, a bar in a terminal."""

import io

from rich.console import Console
from rich.progress import Progress, TextColumn

from pipelines.imports import ImportProgress
from pipelines.progress import FileBars, PlainFiles


def test_plain_lines_say_the_time_left() -> None:
    now, said = [0.0], list[str]()
    write = PlainFiles(clock=lambda: now[0], write=said.append)
    for seconds, report in (
        (0, ImportProgress("a.zip", "checking", 0, 10, 400)),
        (4, ImportProgress("a.zip", "importing", 0, 0, 400)),
        (9, ImportProgress("a.zip", "importing", 1000, 50, 400)),
        (14, ImportProgress("a.zip", "importing", 2000, 100, 400)),
        (15, ImportProgress("a.zip", "importing", 2100, 110, 400)),
        (40, ImportProgress("a.zip", "importing", 8000, 400, 400, is_done=True)),
        (41, ImportProgress("b\x1b.csv", "importing", 1, 0, 0)),
        (52, ImportProgress("b\x1b.csv", "importing", 1, 0, 0)),
    ):
        now[0] = float(seconds)
        write(report)
    assert said == [
        "a.zip: 2,000 rows, importing, 30 s left",
        "a.zip: 8,000 rows, done",
        "b\\x1b.csv: 1 row, importing",
    ]


def test_a_terminal_has_a_bar_for_the_file_that_is_read() -> None:
    console = Console(file=io.StringIO(), force_terminal=True)
    with Progress(TextColumn("{task.description}"), console=console) as bars:
        show = FileBars(bars)
        show(ImportProgress("a.zip", "importing", 5, 50, 100))
        (task,) = bars.tasks
        assert (task.description, task.completed, task.total) == ("importing a.zip", 50, 100)
        show(ImportProgress("b.csv", "checking", 0, 0, 0))
        assert (task.description, task.completed) == ("checking b.csv", 0)
        assert task.fields["detail"] == "0 rows"
