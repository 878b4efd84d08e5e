"""Text of an exchange in Dagster's Markdown stays text."""

import dagster as dg
import pytest
from markdown_it import MarkdownIt

from pipelines.orchestration.metadata import markdown_list

HOSTILE = [
    "[click](javascript:alert(1))",
    "![x](https://evil.example/p.png)",
    "<img src=x onerror=alert(1)>",
    "# heading",
    "```js",
    "**bold** _it_ ~~no~~",
    "| a | b |\n|---|---|",
    "x\n---",
    "https://evil.example www.evil.example me@evil.example",
    "1. one",
    "&lt;b&gt; \\*",
    "two\nFix: lines",
]


@pytest.mark.parametrize("line", HOSTILE)
def test_text_stays_text(line: str) -> None:
    found = markdown_list([line])
    assert isinstance(found, dg.MarkdownMetadataValue)
    parsed = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(found.md_str or "")
    inline = [token for token in parsed if token.type == "inline"]
    kinds = {child.type for token in inline for child in token.children or []}
    assert kinds <= {"text", "text_special", "hardbreak"}
    outer = [
        t.type for t in parsed if t.type not in ("inline", "paragraph_open", "paragraph_close")
    ]
    assert outer == ["bullet_list_open", "list_item_open", "list_item_close", "bullet_list_close"]
    (whole,) = inline
    text = "".join(c.content or "\n" for c in whole.children or [])
    assert text == line


def test_control_characters_are_shown() -> None:
    found = markdown_list(["\x1b[31m"])
    assert isinstance(found, dg.MarkdownMetadataValue)
    assert found.md_str == r"- \\x1b\[31m"
