"""Read a YAML file so that every mistake can be reported with its line.

``yaml.safe_load`` drops line numbers, takes the last of two equal keys, and turns ``on`` into a
bool. So the node tree is read instead, and every scalar as the text that is written there. Dagster
reads the same files by itself; :func:`of_plain` takes what it made of them, with its lines.
"""

import difflib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import yaml

from schemas import ConfigError


def shown(path: Path) -> str:
    """``path`` as a message shows it: relative to the working folder where it is below that."""
    try:
        return path.absolute().relative_to(Path.cwd()).as_posix()
    except ValueError:
        return str(path)


def did_you_mean(word: str, known: Iterable[str], likeness: float = 0.6) -> str:
    """``; did you mean 'markets'?`` or nothing."""
    choices = {name.casefold(): name for name in known}
    close = difflib.get_close_matches(word.casefold(), choices, n=1, cutoff=likeness)
    return f"; did you mean {choices[close[0]]!r}?" if close else ""


Entries = tuple[tuple["Value", "Value"], ...]
"""The keys and values of a mapping, in the order of the file."""


@dataclass(frozen=True)
class Value:
    """One value of the file, and its place: ``line`` is counted from 1."""

    path: Path
    line: int
    scalar: str | None = None
    """As it is written, without quotes; ``None`` for an empty value, a list or a mapping."""
    members: "tuple[Value, ...] | None" = None
    """Of a list."""
    entries: Entries | None = None
    """Of a mapping."""

    def fail(self, message: str) -> NoReturn:
        """Raise ``ConfigError`` with file and line (0: there is none) before ``message``."""
        place = f"{shown(self.path)}:{self.line}: " if self.line else ""
        raise ConfigError(f"{place}{message}")

    @property
    def is_empty(self) -> bool:
        """Whether it is empty (or ``null``)."""
        return self.scalar is None and self.members is None and self.entries is None

    def text(self, name: str) -> str:
        """The scalar, without white space around it."""
        if self.scalar is None:
            self.fail(f"{name} must be one plain value")
        return self.scalar.strip()

    def rendered(self, render: "Callable[[Value], Any]") -> "Value":
        """The same with every scalar that is a template replaced by what ``render`` makes of it."""
        if self.scalar is not None and "{" in self.scalar:
            return of_plain(self.path, render(self), lambda _: self.line)
        members, entries = self.members, self.entries
        return Value(
            self.path,
            self.line,
            self.scalar,
            None if members is None else tuple(one.rendered(render) for one in members),
            None if entries is None else tuple((key, v.rendered(render)) for key, v in entries),
        )

    def items(self, name: str, example: str) -> list["Value"]:
        """The members of a list, which may not be empty."""
        if self.members is None:
            self.fail(f"{name} must be a list, like {example}")
        if not self.members:
            self.fail(f"{name} is empty; write for example {example}")
        return list(self.members)

    def mapping(self, name: str, known: Iterable[str] | None = None) -> "Fields":
        """The keys of a mapping. ``known``: all that it may have, else any."""
        if self.is_empty:
            return Fields(self, {})
        if self.entries is None:
            self.fail(f"{name} must hold 'key: value' lines")
        found: dict[str, tuple[Value, Value]] = {}
        names = None if known is None else list(known)
        for key, value in self.entries:
            word = key.text(f"a key of {name}")
            if word in found:
                key.fail(f"{word!r} appears twice in {name}")
            if names is not None and word not in names:
                hint = did_you_mean(word, names) or f"; known are {', '.join(names)}"
                key.fail(f"unknown key {word!r}{hint}")
            found[word] = (key, value)
        return Fields(self, found)


@dataclass(frozen=True)
class Fields:
    """The keys of one mapping, with the place of each key and value."""

    owner: Value
    found: Mapping[str, tuple[Value, Value]]

    def __contains__(self, name: object) -> bool:
        return name in self.found

    def __iter__(self) -> Iterator[str]:
        return iter(self.found)

    def key(self, name: str) -> Value:
        return self.found[name][0]

    def get(self, name: str) -> Value | None:
        """The value of ``name``; ``None`` where the key is absent or has no value."""
        entry = self.found.get(name)
        return None if entry is None or entry[1].is_empty else entry[1]

    def required(self, name: str, example: str) -> Value:
        """The value of ``name``; a mistake where it is absent."""
        value = self.get(name)
        if value is None:
            where = self.found[name][0] if name in self.found else self.owner
            where.fail(f"{name!r} is missing; write for example {name}: {example}")
        return value


def read(path: Path) -> list[Value]:
    """The documents of the file; none of an empty one. Broken YAML is a mistake too."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot read {shown(path)}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"cannot read {shown(path)}: it is not text in UTF-8") from None
    try:
        nodes = [node for node in yaml.compose_all(text, Loader=yaml.SafeLoader) if node]
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise ConfigError(
            f"{shown(path)}:{line}: not YAML: {error.problem or error.context}{_hint(text, line)}"
        ) from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{shown(path)}: not YAML: {error}") from None
    return [_of_node(path, node) for node in nodes]


def of_plain(
    path: Path,
    plain: Any,
    line: Callable[[Sequence[str | int]], int],
    place: tuple[str | int, ...] = (),
) -> Value:
    """``plain`` (as a YAML reader gives it) as a value of the file ``path``.

    ``line``: of the value at a place, given as the keys and indices that lead to it from the top.
    """
    at = line(place)
    if plain is None:
        return Value(path, at)
    if isinstance(plain, Mapping):
        entries = tuple(
            (Value(path, line((*place, key)), str(key)), of_plain(path, v, line, (*place, key)))
            for key, v in plain.items()
        )
        return Value(path, at, entries=entries)
    if isinstance(plain, list | tuple):
        members = (of_plain(path, v, line, (*place, i)) for i, v in enumerate(plain))
        return Value(path, at, members=tuple(members))
    text = str(plain).lower() if isinstance(plain, bool) else str(plain)
    return Value(path, at, text)


def _of_node(path: Path, node: yaml.Node) -> Value:
    at = int(node.start_mark.line) + 1
    if isinstance(node, yaml.MappingNode):
        pairs = ((_of_node(path, key), _of_node(path, value)) for key, value in node.value)
        return Value(path, at, entries=tuple(pairs))
    if isinstance(node, yaml.SequenceNode):
        return Value(path, at, members=tuple(_of_node(path, one) for one in node.value))
    return Value(path, at, None if node.tag == "tag:yaml.org,2002:null" else str(node.value))


def _hint(text: str, line: int) -> str:
    lines = text.splitlines()
    faulty = lines[line - 1] if line <= len(lines) else ""
    if "\t" in faulty:
        return "; indent with spaces, not with a tab"
    if "schedule" in faulty and "*" in faulty and '"' not in faulty and "'" not in faulty:
        return '; put the schedule in quotes, like schedule: "*/5 * * * *"'
    return ""
