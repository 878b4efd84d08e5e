"""Read a YAML file so that every mistake can be reported with its line.

``yaml.safe_load`` drops line numbers, takes the last of two equal keys, and turns ``on`` into a
bool. So the node tree is read instead, and every scalar as the text that is written there.
"""

import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

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


@dataclass(frozen=True)
class Value:
    """One value of the file: its place, and how it is read."""

    path: Path
    node: yaml.Node

    @property
    def line(self) -> int:
        """Counted from 1."""
        return int(self.node.start_mark.line) + 1

    def fail(self, message: str) -> NoReturn:
        """Raise ``ConfigError`` with file and line before ``message``."""
        raise ConfigError(f"{shown(self.path)}:{self.line}: {message}")

    @property
    def is_empty(self) -> bool:
        """Whether it is empty (or ``null``)."""
        return self.node.tag == "tag:yaml.org,2002:null"

    @property
    def is_list(self) -> bool:
        return isinstance(self.node, yaml.SequenceNode)

    def text(self, name: str) -> str:
        """The scalar as it is written, without quotes."""
        if not isinstance(self.node, yaml.ScalarNode) or self.is_empty:
            self.fail(f"{name} must be one plain value")
        return str(self.node.value).strip()

    def items(self, name: str, example: str) -> list["Value"]:
        """The members of a list, which may not be empty."""
        if not isinstance(self.node, yaml.SequenceNode):
            self.fail(f"{name} must be a list, like {example}")
        if not self.node.value:
            self.fail(f"{name} is empty; write for example {example}")
        return [Value(self.path, node) for node in self.node.value]

    def mapping(self, name: str, known: Iterable[str] | None = None) -> "Fields":
        """The keys of a mapping. ``known``: all that it may have, else any."""
        if self.is_empty:
            return Fields(self, {})
        if not isinstance(self.node, yaml.MappingNode):
            self.fail(f"{name} must hold 'key: value' lines")
        found: dict[str, tuple[Value, Value]] = {}
        names = None if known is None else list(known)
        for key_node, value_node in self.node.value:
            key = Value(self.path, key_node)
            word = key.text(f"a key of {name}")
            if word in found:
                key.fail(f"{word!r} appears twice in {name}")
            if names is not None and word not in names:
                hint = did_you_mean(word, names) or f"; known are {', '.join(names)}"
                key.fail(f"unknown key {word!r}{hint}")
            found[word] = (key, Value(self.path, value_node))
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


def read(path: Path) -> Value | None:
    """The first document of the file; ``None`` for an empty one. Broken YAML is a mistake too."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"cannot read {shown(path)}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"cannot read {shown(path)}: it is not text in UTF-8") from None
    try:
        node = next(iter(yaml.compose_all(text, Loader=yaml.SafeLoader)), None)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        raise ConfigError(
            f"{shown(path)}:{line}: not YAML: {error.problem or error.context}{_hint(text, line)}"
        ) from None
    except yaml.YAMLError as error:
        raise ConfigError(f"{shown(path)}: not YAML: {error}") from None
    return None if node is None else Value(path, node)


def _hint(text: str, line: int) -> str:
    lines = text.splitlines()
    faulty = lines[line - 1] if line <= len(lines) else ""
    if "\t" in faulty:
        return "; indent with spaces, not with a tab"
    if "schedule" in faulty and "*" in faulty and '"' not in faulty and "'" not in faulty:
        return '; put the schedule in quotes, like schedule: "*/5 * * * *"'
    return ""
