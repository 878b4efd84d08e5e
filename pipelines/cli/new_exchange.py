"""``tidemark new-exchange``: write the skeleton of a new exchange into a clone."""

import re
from pathlib import Path
from typing import Annotated, Final

import typer

from pipelines.output.console import say
from pipelines.output.formatting import with_fix
from schemas import ConfigError

_SKELETON: Final = Path(__file__).parent / "skeleton"
_NAME: Final = "newexchange"
"""The exchange's name in the skeleton, in names of files too."""
_TITLE: Final = "NewExchange"
_EXAMPLE: Final = "tidemark new-exchange acme"


def new_exchange(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Lower case: acme")],
    title: Annotated[
        str | None, typer.Option(help="As it writes itself: Acme", show_default=False)
    ] = None,
) -> None:
    """Write the skeleton of a new exchange: connector, dialect of the sandbox, feed and tests.

    It is a working example of a small exchange, with comments on what to fill in; its tests pass.
    Run it in a clone of the repository. Nothing that exists is changed. CONTRIBUTING.md says how
    to go on.

    \b
    Examples:
      tidemark new-exchange acme
      tidemark new-exchange acme --title "ACME Exchange"
    """
    import connectors

    root = Path(connectors.__file__).parent.parent
    if not (root / "tests" / "connectors" / "cases").is_dir():
        fix = "clone the repository and run it there"
        raise ConfigError(with_fix("a new exchange needs a clone of the repository", fix))
    if not re.fullmatch("[a-z][a-z0-9]{1,19}", name):
        problem = f"the name of an exchange is 2 to 20 letters a-z and digits, not {name!r}"
        raise ConfigError(with_fix(problem, _EXAMPLE))
    title = title or name.capitalize()
    if not re.fullmatch(r"\w[\w .&-]{0,29}", title):
        problem = f"a title is up to 30 letters, digits, spaces, '.', '&' and '-', not {title!r}"
        raise ConfigError(with_fix(problem, f'{_EXAMPLE} --title "ACME Exchange"'))
    files = _files(root, name, title)
    for path in files:
        if path.exists():
            fix = "choose another name, or delete what is there"
            raise ConfigError(with_fix(f"{path.relative_to(root)} is there already", fix))
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        say(f"wrote {path.relative_to(root)}")
    say("next: .venv/bin/python -m connectors.calls > docs/exchanges/calls.md")
    say(f"next: .venv/bin/python -m pytest tests/connectors tests/sandbox -k {name}")
    say('next: CONTRIBUTING.md, section "Add an exchange"')


def _files(root: Path, name: str, title: str) -> dict[Path, str]:
    """The files to write, and what is in them."""
    found = {}
    for source in sorted(_SKELETON.rglob("*.txt")):
        path = str(source.relative_to(_SKELETON)).removesuffix(".txt").replace(_NAME, name)
        text = source.read_text(encoding="utf-8").replace(_TITLE, title)
        for spelled in (str.lower, str.upper, str.capitalize):  # of settings, and of classes
            text = text.replace(spelled(_NAME), spelled(name))
        found[root / path] = _with_sorted_imports(text)
    return found


def _with_sorted_imports(text: str) -> str:
    """``text`` with the lines of each block of imports in alphabetical order of the modules."""
    lines = text.splitlines()
    begin = 0
    while begin < len(lines):
        end = begin
        while end < len(lines) and re.match(r"from [\w.]+ import \w", lines[end]):
            end += 1
        lines[begin:end] = sorted(lines[begin:end], key=lambda line: line.split()[1])
        begin = end + 1
    return "\n".join(lines) + "\n"
