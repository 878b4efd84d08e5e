"""A page as a program reads it: tables by section, and what the charts are drawn from."""

import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

Cells = list[str]


class Page(HTMLParser):
    """``text``, ``tags``, ``data``, and ``tables``: rows of cells by section, exact where given."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.source = path.read_text(encoding="utf-8")
        self.tags: list[str] = []
        self.links: list[str] = []
        self.tables: dict[str, list[Cells]] = {}
        self.words: dict[str, str] = {"": ""}
        self._section = ""
        self._cell: str | None = None
        self._script: str | None = None
        self._scripts: dict[str, str] = {}
        self.feed(self.source)
        self.data: dict[str, Any] = json.loads(self._scripts["data"])

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.tags.append(tag)
        self.links += [v for n, v in attrs if n in ("src", "href", "action", "srcset") and v]
        if tag == "section":
            self._section = given.get("id") or given.get("aria-label") or ""
            self.words.setdefault(self._section, "")
        elif tag in ("script", "style"):
            self._script = given.get("id") or tag
        elif tag == "tr":
            self.tables.setdefault(self._section, []).append([])
        elif tag in ("td", "th"):
            self._cell = ""
        elif tag == "data":
            self._cell = str(given["value"]) + "\0"  # what is shown follows: not wanted

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style"):
            self._script = None
        elif tag in ("td", "th") and self._cell is not None:
            text = self._cell.partition("\0")[0]
            self.tables[self._section][-1].append(" ".join(text.split()))
            self._cell = None
        elif tag == "section":
            self._section = ""

    def handle_data(self, data: str) -> None:
        if self._script is not None:
            self._scripts[self._script] = self._scripts.get(self._script, "") + data
            return
        self.words[self._section] += data
        if self._cell is not None:
            self._cell += data
