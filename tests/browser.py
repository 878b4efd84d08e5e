"""A headless Chromium, driven through its own protocol over a pair of pipes."""

import base64
import itertools
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

CHROMIUM: Final = shutil.which("chromium") or shutil.which("chromium-browser")


class Browser:
    """One page of the browser. Events that it reports are kept in ``events``."""

    def __init__(self, send: int, receive: int) -> None:
        self._send, self._receive = send, receive
        self._numbers = itertools.count(1)
        self._unread = b""
        self._session: str | None = None
        self.events: list[dict[str, Any]] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> Any:
        """Run a command of the protocol and return its result."""
        number = next(self._numbers)
        message: dict[str, Any] = {"id": number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._send, json.dumps(message).encode() + b"\0")
        while (answer := self._message()).get("id") != number:
            self.events.append(answer)
        if "error" in answer:
            raise RuntimeError(f"{method}: {answer['error']['message']}")
        return answer["result"]

    def open(self, path: Path, width: int, height: int = 900, mobile: bool = False) -> None:
        """Load a file in a window of this size; returns once its charts are drawn."""
        self.resize(width, height, mobile)
        self.call("Page.navigate", url=path.as_uri())
        drawn = self.run(
            "new Promise((done) => { const look = () => document.documentElement?.dataset.drawn"
            " && document.readyState === 'complete' ? done(document.documentElement.dataset.drawn)"
            " : setTimeout(look, 20); look(); })"
        )
        assert drawn == "all"

    def resize(self, width: int, height: int, mobile: bool = False) -> None:
        """Give the page another size."""
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            mobile=mobile,
        )

    def run(self, script: str) -> Any:
        """The value of an expression, awaited."""
        result = self.call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        if "exceptionDetails" in result:
            raise RuntimeError(result["exceptionDetails"]["exception"]["description"])
        return result["result"].get("value")

    def visit(self, url: str, width: int = 1920, height: int = 1200) -> None:
        """Load a web page in a window of this size; returns once it is there, before its data."""
        self.resize(width, height)
        self.call("Page.navigate", url=url)
        self.wait("document.readyState === 'complete' && location.href !== 'about:blank'", url)

    def wait(self, script: str, what: str, seconds: float = 60.0) -> Any:
        """The value of an expression, as soon as it is true; an ``AssertionError`` after a while.

        An expression that fails counts as not yet true: a page that is being built lacks elements.
        """
        deadline = time.monotonic() + seconds
        while True:
            try:
                found = self.run(script)
            except RuntimeError:
                found = None
            if found:
                return found
            if time.monotonic() > deadline:
                shown = self.run("location.href + '\\n' + document.body.innerText.slice(0, 4000)")
                raise AssertionError(f"not within {seconds:.0f} s: {what}\n{shown}")
            time.sleep(0.1)

    def click(self, script: str, what: str) -> None:
        """Press and release the mouse on the element that an expression gives.

        It waits until the element is there, stands still and is not covered.
        """
        place = f"""(() => {{
          const element = {script};
          element.scrollIntoView({{block: "nearest"}});
          const box = element.getBoundingClientRect();
          const [x, y] = [box.left + box.width / 2, box.top + box.height / 2];
          const seen = document.elementFromPoint(x, y);
          return seen && (element.contains(seen) || seen.contains(element)) && [x, y];
        }})()"""
        before = None
        while (found := self.wait(place, what)) != before:
            before = found
            time.sleep(0.2)
        x, y = found
        self.drag((x, y), (x, y))

    def drag(self, start: tuple[float, float], end: tuple[float, float]) -> None:
        """Press the button at one point and release it at another."""
        for kind, (x, y) in (("mousePressed", start), ("mouseMoved", end), ("mouseReleased", end)):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=1)

    def picture(self, path: Path, top: int = 0, height: int = 900) -> None:
        """Write ``height`` pixels of the page, from ``top`` on, as PNG."""
        width = self.call("Page.getLayoutMetrics")["cssContentSize"]["width"]
        clip = {"x": 0, "y": top, "width": width, "height": height}
        taken = self.call(
            "Page.captureScreenshot", clip=clip | {"scale": 1}, captureBeyondViewport=True
        )
        path.write_bytes(base64.b64decode(taken["data"]))

    def complaints(self) -> list[str]:
        """Messages on the console, exceptions and entries of the log."""
        kinds = ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded")
        return [json.dumps(e["params"]) for e in self.events if e.get("method") in kinds]

    def requests(self) -> list[str]:
        """Every address that the page asked for."""
        sent = (e for e in self.events if e.get("method") == "Network.requestWillBeSent")
        return [e["params"]["request"]["url"] for e in sent]

    def _message(self) -> dict[str, Any]:
        while b"\0" not in self._unread:
            received = os.read(self._receive, 1 << 20)
            if not received:
                raise RuntimeError("the browser ended")
            self._unread += received
        first, _, self._unread = self._unread.partition(b"\0")
        message: dict[str, Any] = json.loads(first)
        return message


@contextmanager
def browser(profile: Path) -> Iterator[Browser]:
    """A Chromium of its own that reaches this machine only; it ends with the block."""
    to_browser, send = os.pipe()
    receive, from_browser = os.pipe()
    # the protocol's pipes are the browser's descriptors 3 and 4
    script = f'exec "$@" 3<&{to_browser} 4>&{from_browser}'
    flags = (
        "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync"
        " --disable-background-networking --disable-component-update --hide-scrollbars"
        " --disable-dev-shm-usage --remote-debugging-pipe"
    )
    process = subprocess.Popen(
        [
            *("bash", "-c", script, "bash", str(CHROMIUM), *flags.split()),
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
            f"--user-data-dir={profile}",
        ],
        pass_fds=(to_browser, from_browser),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(to_browser)
    os.close(from_browser)
    try:
        page = Browser(send, receive)
        yield page
        page._session = None
        page.call("Browser.close")
    finally:
        os.close(send)
        os.close(receive)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
