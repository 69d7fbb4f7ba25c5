"""A headless Chromium that is driven over a pipe, with nothing but the standard library.

The protocol is Chromium's own (DevTools): JSON ended by a zero byte, on descriptors 3 and 4 of the
browser. A click or a key is a real one, and so are the width of a screen and its colour scheme.
"""

from __future__ import annotations

import base64
import itertools
import json
import os
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
PHONE, DESKTOP = (390, 844), (1300, 900)
# Gives the pipes the numbers that the protocol wants, and becomes the browser.
_ON_3_AND_4 = """
import fcntl, os, sys
pipes = [fcntl.fcntl(int(number), fcntl.F_DUPFD, 10) for number in sys.argv[1:3]]
for number, pipe in enumerate(pipes, 3):
    os.dup2(pipe, number)
os.execv(sys.argv[3], sys.argv[3:])
"""
_KEYS = {"ArrowRight": 39, "ArrowLeft": 37}


class BrowserError(Exception):
    """The browser does not answer, or says that something is wrong."""


def find_browser() -> str | None:
    """The path of a Chromium: that of `CHROMIUM`, or one that is on PATH."""
    named = os.environ.get("CHROMIUM")
    return shutil.which(named) if named else next(filter(None, map(shutil.which, BROWSERS)), None)


class Page:
    """A tab.

    Args:
        read: descriptor that the browser writes to.
        write: descriptor that it reads from.

    Attributes:
        console: warnings, errors and exceptions since the tab was opened.
        asked: addresses that were asked for since then.
    """

    def __init__(self, read: int, write: int) -> None:
        self.console: list[str] = []
        self.asked: list[str] = []
        self._read, self._write = read, write
        self._left = b""
        self._numbers = itertools.count(1)
        self._session: str | None = None
        target = self._call("Target.createTarget", url="about:blank")["targetId"]
        attached = self._call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self._call(f"{domain}.enable")

    def open(self, page: Path, place: str = "", seconds: float = 60) -> float:
        """Open a file, and wait until it says that it is ready.

        Args:
            page: the HTML file.
            place: what stands behind the # of its address.
            seconds: to wait at most.

        Returns:
            Seconds from the start of the navigation until what is asked for was laid out.
        """
        self._call("Page.navigate", url="about:blank")
        self._call("Page.navigate", url=f"{page.resolve().as_uri()}#{place}")
        ready = "document.documentElement?.dataset.ready"
        self.wait(f"location.protocol === 'file:' && Boolean({ready})", seconds)
        return float(self.value(ready)) / 1000

    def value(self, script: str) -> Any:
        """What an expression comes to, as JSON."""
        found = self._call("Runtime.evaluate", expression=script, returnByValue=True)
        if "exceptionDetails" in found:
            raise BrowserError(f"{script}: {found['exceptionDetails']}")
        return found["result"].get("value")

    def wait(self, script: str, seconds: float = 10) -> None:
        """Until an expression is true."""
        end = time.monotonic() + seconds
        while not self.value(script):
            if time.monotonic() > end:
                raise BrowserError(f"{script} was not true within {seconds:g} s: {self.console}")
            time.sleep(0.01)

    def press(self, key: str) -> None:
        """A key, down and up."""
        text = {"text": key} if len(key) == 1 else {}
        code = {"windowsVirtualKeyCode": _KEYS[key]} if key in _KEYS else {}
        self._call("Input.dispatchKeyEvent", type="keyDown", key=key, **text, **code)
        self._call("Input.dispatchKeyEvent", type="keyUp", key=key, **code)

    def screen(self, size: tuple[int, int], dark: bool = False) -> None:
        """The size of the screen in pixels and its colour scheme."""
        phone = size[0] < 600
        self._call(
            "Emulation.setDeviceMetricsOverride",
            width=size[0],
            height=size[1],
            deviceScaleFactor=1,
            mobile=phone,
        )
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        self._call("Emulation.setEmulatedMedia", features=[scheme])

    def picture(self, path: Path) -> None:
        """The whole page as PNG."""
        size = self._call("Page.getLayoutMetrics")["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
        shot = self._call("Page.captureScreenshot", captureBeyondViewport=True, clip=clip)
        path.write_bytes(base64.b64decode(shot["data"]))

    def accessible(self) -> list[dict[str, str]]:
        """Role and name of every node of the accessibility tree that is not ignored."""
        nodes = self._call("Accessibility.getFullAXTree")["nodes"]
        return [
            {key: str(node.get(key, {}).get("value", "")) for key in ("role", "name")}
            for node in nodes
            if not node["ignored"]
        ]

    def _call(self, method: str, **values: Any) -> dict[str, Any]:
        number = next(self._numbers)
        message: dict[str, Any] = {"id": number, "method": method, "params": values}
        if self._session is not None:
            message["sessionId"] = self._session
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == number:
                if "error" in answer:
                    raise BrowserError(f"{method}: {answer['error']}")
                result: dict[str, Any] = answer["result"]
                return result
            self._noted(answer)

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._left:
            if not select.select([self._read], [], [], 120)[0]:
                raise BrowserError("the browser has not answered for 120 s")
            more = os.read(self._read, 1 << 20)
            if not more:
                raise BrowserError("the browser has ended")
            self._left += more
        text, _, self._left = self._left.partition(b"\0")
        message: dict[str, Any] = json.loads(text)
        return message

    def _noted(self, event: dict[str, Any]) -> None:
        method, values = event.get("method"), event.get("params", {})
        if method == "Runtime.exceptionThrown":
            self.console.append(str(values["exceptionDetails"]))
        elif method == "Runtime.consoleAPICalled" and values["type"] in ("error", "warning"):
            self.console.append(str(values["args"]))
        elif method == "Network.requestWillBeSent":
            self.asked.append(str(values["request"]["url"]))
        elif method == "Log.entryAdded" and values["entry"]["level"] in ("error", "warning"):
            self.console.append(str(values["entry"]))


@contextmanager
def chromium(arguments: Sequence[str] = ()) -> Iterator[Page]:
    """A tab of a browser that ends with the block.

    Raises:
        BrowserError: there is no browser.
    """
    program = find_browser()
    if program is None:
        raise BrowserError(
            f"there is no browser: set CHROMIUM, or install one of {', '.join(BROWSERS)} (the "
            "package chromium of Debian and most others)"
        )
    to_browser, from_us = os.pipe()
    to_us, from_browser = os.pipe()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        command = [
            *(sys.executable, "-I", "-S", "-c", _ON_3_AND_4, str(to_browser), str(from_browser)),
            *(program, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"),
            *(f"--user-data-dir={profile}", "--remote-debugging-pipe", *arguments),
        ]
        process = subprocess.Popen(
            command, pass_fds=(to_browser, from_browser), stderr=subprocess.DEVNULL
        )
        os.close(to_browser)
        os.close(from_browser)
        try:
            yield Page(to_us, from_us)
        finally:
            os.close(from_us)
            os.close(to_us)
            process.terminate()
            process.wait(timeout=30)
