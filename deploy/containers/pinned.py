"""The part of ``requirements.lock`` that an image needs: ``pinned.py EXTRA…`` in the top folder.

Writes to stdout the pins of the dependencies and of those of the extras, and of all that these
bring, each with its hashes. The tools for development are left out.
"""

import re
import sys
import tomllib
from pathlib import Path

BLOCK = re.compile(r"\n(?=[a-z0-9])")
NAME = re.compile(r"[A-Za-z0-9._-]+")
VIA = re.compile(r"^    #(?: via)? +([a-z0-9._-]+)", re.MULTILINE)


def pinned(project: Path, extras: list[str]) -> str:
    """The lines of the lock in ``project`` for the dependencies and ``extras``."""
    declared = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lock = (project / "requirements.lock").read_text(encoding="utf-8")
    texts = [*declared["dependencies"]]
    for extra in extras:
        texts += declared["optional-dependencies"][extra]
    wanted = {re.sub(r"[-_.]+", "-", _name(text)).lower() for text in texts}
    # a package may have several: one for each range of Python's versions
    blocks = [(_name(block), block.rstrip("\n") + "\n") for block in BLOCK.split(lock.strip())]
    grown = True
    while grown:
        brought = {name for name, block in blocks if wanted & set(VIA.findall(block))}
        grown = not brought <= wanted
        wanted |= brought
    return "".join(block for name, block in blocks if name in wanted)


def _name(text: str) -> str:
    found = NAME.match(text)
    if found is None:
        raise ValueError(f"names no package: {text!r}")
    return found[0]


if __name__ == "__main__":
    sys.stdout.write(pinned(Path.cwd(), sys.argv[1:]))
