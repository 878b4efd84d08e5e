"""What tests do on Dagster's pages: elements by the text that a user reads."""

import base64
import json
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from tests.browser import Browser
from tests.ui.tree import Tree

_READABLE: Final = """[...document.querySelectorAll('%s')].filter(
  (element) => element.getBoundingClientRect().width && element.textContent.trim() === '%s'
    && !element.disabled && element.ariaDisabled !== 'true')"""


def element(text: str, selector: str = "button, a, [role=menuitem]") -> str:
    """A script for the first element that reads exactly ``text``."""
    return f"{_READABLE % (selector, text)}[0]"


class Page:
    """A tab of the browser on a running Dagster."""

    def __init__(self, window: Browser, tree: Tree) -> None:
        self.window, self.tree = window, tree

    def open(self, path: str, width: int = 1920, height: int = 1200) -> None:
        """Go to a path of Dagster: ``/automation``."""
        self.window.visit(f"{self.tree.url}{path}", width, height)

    def press(self, text: str) -> None:
        """Click what reads ``text``."""
        self.window.click(element(text), f"{text!r} can be pressed")

    def shows(self, text: str, seconds: float = 60.0) -> None:
        """Wait until the page shows ``text``."""
        script = f"document.body.innerText.includes({json.dumps(text)})"
        self.window.wait(script, f"it shows {text!r}", seconds)

    def key(self, key: str, code: str, alt: bool = False) -> None:
        """Press a key of the keyboard."""
        for kind in ("rawKeyDown", "keyUp"):
            self.window.call(
                "Input.dispatchKeyEvent",
                type=kind,
                modifiers=1 if alt else 0,
                key=key,
                code=code,
                windowsVirtualKeyCode=ord(key.upper()),
            )

    def still(self, path: Path, height: int | None = None) -> None:
        """Write what is seen as PNG, once two pictures in a row are equal; ``height``: its top.

        Not beyond the screen, as the browser could: Dagster would draw everything anew.
        """
        before = b""
        width = self.window.run("innerWidth")
        top = {"x": 0, "y": 0, "width": width, "height": height, "scale": 1}
        options = {"clip": top} if height else {}
        while (taken := self.window.call("Page.captureScreenshot", **options)["data"]) != before:
            before = taken
            time.sleep(2)
        path.write_bytes(base64.b64decode(taken))

    def switch_on(self, automation: str) -> None:
        """Switch a schedule or sensor on, on the page Automation, if it is off."""
        self.open("/automation")
        row = f"{element(automation, 'span')}.closest('[data-index]')"
        box = f"{row}.querySelector('[class*=Switch] input')"
        # Dagster draws the rows anew as their states arrive: a switch may be missing for a moment,
        # and a click before that is lost
        rows = "document.querySelectorAll('[data-index]')"
        loaded = (
            f"{rows}.length && ![...{rows}].some((row) => row.querySelector('[class*=Skeleton]'))"
        )
        for _ in range(5):
            state = f"({loaded}) && {box} && ({box}.checked ? 'on' : 'off')"
            if self.window.wait(state, f"the switch of {automation}") == "on":
                return
            self.window.click(f"{box}.parentElement", f"the switch of {automation}")
            with suppress(AssertionError):
                self.window.wait(f"{box}.checked", f"{automation} is on", 10)
        raise AssertionError(f"five clicks did not switch {automation} on")
