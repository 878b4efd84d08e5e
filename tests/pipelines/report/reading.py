"""A page as a program reads it: tables by section, and what the charts are drawn from."""

import base64
import gzip
import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

Cells = list[str]


class Page(HTMLParser):
    """``tags``, ``data``, and ``tables``: rows of cells by section, exact where given.

    ``figures``: exact value, what is shown, and what hovering shows, of every figure. ``bars``: the
    state and the text of every bar of the timelines, by stream. ``unnamed``: cells of tables that
    do not say which column they are of.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.source = path.read_text(encoding="utf-8")
        self.tags: list[str] = []
        self.links: list[str] = []
        self.tables: dict[str, list[Cells]] = {}
        self.words: dict[str, str] = {"": ""}
        self.figures: list[tuple[str, str, str | None]] = []
        self.bars: dict[str, list[tuple[str, str]]] = {}
        self.unnamed: list[str] = []
        self._figure: tuple[str, str, str | None] | None = None
        self._stream: str | None = None
        self._section = ""
        self._cell: str | None = None
        self._script: str | None = None
        self._scripts: dict[str, str] = {}
        self.feed(self.source)
        packed = base64.b64decode(self._scripts["data"])
        self.data: dict[str, Any] = json.loads(gzip.decompress(packed))

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
            named = {"data-label", "colspan", "aria-hidden"} & given.keys()
            if tag == "td" and not named and given.get("class") != "share":
                self.unnamed.append(self._section)
        elif tag == "data":
            self._figure = (str(given["value"]), "", given.get("title"))
        elif tag == "span" and given.get("class") == "name":
            self._stream = ""
        elif tag == "i" and "title" in given:
            found = self.bars[list(self.bars)[-1]]
            found.append((str(given["class"]), str(given["title"])))

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style"):
            self._script = None
        elif tag in ("td", "th") and self._cell is not None:
            self.tables[self._section][-1].append(" ".join(self._cell.split()))
            self._cell = None
        elif tag == "data" and self._figure is not None:
            self.figures.append(self._figure)
            self._figure = None
        elif tag == "span" and self._stream is not None:
            self.bars[" ".join(self._stream.split())] = []
            self._stream = None
        elif tag == "section":
            self._section = ""

    def handle_data(self, data: str) -> None:
        if self._script is not None:
            self._scripts[self._script] = self._scripts.get(self._script, "") + data
            return
        self.words[self._section] += data
        if self._stream is not None:
            self._stream += data
        shown = data
        if self._figure is not None:
            value, before, title = self._figure
            self._figure = (value, before + data, title)
            shown = value  # cells are compared with SQL: exact
        if self._cell is not None:
            self._cell += shown
