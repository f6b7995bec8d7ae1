"""Opens the built pages in a browser, as wide as a desk's screen and as a phone's, light and dark.

    make docs && python scripts/check_pages.py [--pages=build/docs] [--pictures=FOLDER] [PAGE...]

Says, with status 1, which pages are wider than the screen, show a broken picture, log an error, ask
anything of another host, or cannot be searched. Needs Chromium (Debian: apt install chromium): the
one on the path, or the one that the environment variable BROWSER names.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from websockets.sync.client import connect

ROOT = Path(__file__).resolve().parents[1]
_BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
_TIMEOUT_S = 60.0  # seconds

# What a page says of itself once it is loaded. Material sets a scrolling box around each table and
# block of code; whatever is still wider than the screen moves the whole page sideways.
_INSPECTION = """
(async () => {
  document.querySelectorAll("img").forEach(image => { image.loading = "eager"; });
  await Promise.all([...document.images].map(image => image.decode().catch(() => null)));
  await document.fonts.ready;
  const wide = document.documentElement.clientWidth;
  const scrolls = node => node && node !== document.body &&
    (getComputedStyle(node).overflowX !== "visible" || scrolls(node.parentElement));
  const outside = [...document.querySelectorAll("article *")].filter(node =>
    node.getBoundingClientRect().right > wide + 1 && !scrolls(node));
  return {
    extra: document.documentElement.scrollWidth - wide,
    outside: outside.slice(0, 3).map(node => node.outerHTML.slice(0, 120)),
    broken: [...document.images].filter(image => !image.naturalWidth).map(image => image.src),
  };
})()
"""
# Opens the search, and says once it is ready how many pages match what is typed there.
_OPEN_SEARCH = """
(async () => {
  document.querySelector("label[for=__search]").click();
  document.querySelector(".md-search__input").focus();
  const said = document.querySelector(".md-search-result__meta");
  const before = said.textContent;
  for (let i = 0; i < 300 && said.textContent === before; i++)
    await new Promise(resolve => setTimeout(resolve, 100));
})()
"""
_FOUND = "document.querySelectorAll('.md-search-result__item').length"


class Screen(NamedTuple):
    """What a page is shown on."""

    name: str
    width: int
    height: int
    scheme: str


SCREENS = (
    Screen("desk-light", 1280, 900, "light"),
    Screen("desk-dark", 1280, 900, "dark"),
    Screen("phone-light", 390, 844, "light"),
    Screen("phone-dark", 390, 844, "dark"),
)


class Browser:
    """One page of a Chromium without a window, driven by its debugging protocol."""

    def __init__(self, address: str):
        self._socket = connect(address, max_size=None, open_timeout=_TIMEOUT_S)
        self._calls = 0
        self.events: list[dict[str, Any]] = []

    def call(self, method: str, **arguments: Any) -> dict[str, Any]:
        """Calls a method of the protocol and returns its result; events on the way are kept."""
        self._calls += 1
        self._socket.send(json.dumps({"id": self._calls, "method": method, "params": arguments}))
        while True:
            message = self._receive()
            if message.get("id") == self._calls:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']}")
                result: dict[str, Any] = message["result"]
                return result

    def wait_for(self, method: str) -> None:
        """Waits for an event, unless it has come since `events` was last emptied."""
        while not any(event["method"] == method for event in self.events):
            self._receive()

    def evaluate(self, script: str) -> Any:
        """The value of a script, of its promise where it gives one."""
        result = self.call(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        if "exceptionDetails" in result:
            raise RuntimeError(str(result["exceptionDetails"]))
        return result["result"].get("value")

    def type(self, text: str) -> None:
        """Types into what has the focus, key by key."""
        for key in text:
            self.call("Input.dispatchKeyEvent", type="keyDown", text=key, key=key)
            self.call("Input.dispatchKeyEvent", type="keyUp", key=key)

    def close(self) -> None:
        """Closes the connection."""
        self._socket.close()

    def _receive(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(self._socket.recv(timeout=_TIMEOUT_S))
        if "method" in message:
            self.events.append(message)
        return message


def find_browser() -> str | None:
    """The path of a Chromium, or None."""
    names = (os.environ["BROWSER"],) if os.environ.get("BROWSER") else _BROWSERS
    return next((path for name in names if (path := shutil.which(name))), None)


@contextlib.contextmanager
def open_browser(executable: str) -> Iterator[Browser]:
    """Starts a browser with an empty profile, and ends it."""
    with tempfile.TemporaryDirectory(prefix="quinoa-pages-") as profile:
        command = [executable, "--headless=new", "--disable-gpu", "--hide-scrollbars"]
        command += ["--remote-debugging-port=0", "--no-first-run", f"--user-data-dir={profile}"]
        if os.geteuid() == 0:  # Chromium's own sandbox refuses to be root's.
            command.append("--no-sandbox")
        with subprocess.Popen(
            [*command, "about:blank"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            try:
                yield _connect(Path(profile) / "DevToolsActivePort", process)
            finally:
                process.terminate()
                process.wait()
                # Its helpers write to the profile for a moment more.
                time.sleep(0.5)


def _connect(port_file: Path, process: subprocess.Popen[bytes]) -> Browser:
    until = time.monotonic() + _TIMEOUT_S
    while not (port_file.is_file() and len(port_file.read_text().splitlines()) == 2):
        if process.poll() is not None or time.monotonic() > until:
            raise RuntimeError(f"The browser did not start (status {process.returncode}).")
        time.sleep(0.1)
    port, path = port_file.read_text().splitlines()
    root = Browser(f"ws://127.0.0.1:{port}{path}")
    target = root.call("Target.createTarget", url="about:blank")["targetId"]
    root.close()
    browser = Browser(f"ws://127.0.0.1:{port}/devtools/page/{target}")
    for domain in ("Page", "Runtime", "Log", "Network"):
        browser.call(f"{domain}.enable")
    return browser


def inspect(browser: Browser, page: Path, screen: Screen, picture: Path | None = None) -> list[str]:
    """What is wrong with a page on a screen; `picture` is where to keep what it looks like."""
    browser.call(
        "Emulation.setDeviceMetricsOverride",
        width=screen.width,
        height=screen.height,
        deviceScaleFactor=1,
        mobile=screen.width < 600,
    )
    browser.call(
        "Emulation.setEmulatedMedia",
        features=[{"name": "prefers-color-scheme", "value": screen.scheme}],
    )
    browser.events.clear()
    browser.call("Page.navigate", url=page.resolve().as_uri())
    browser.wait_for("Page.loadEventFired")
    seen = browser.evaluate(_INSPECTION)
    faults = []
    if seen["extra"] > 0:
        faults.append(f"{seen['extra']} pixels wider than the screen")
    faults += [f"reaches out of the screen: {html}" for html in seen["outside"]]
    faults += [f"a broken picture: {source}" for source in seen["broken"]]
    faults += list(_faults_of(browser.events))
    if picture is not None:
        data = browser.call("Page.captureScreenshot", captureBeyondViewport=True)["data"]
        picture.parent.mkdir(parents=True, exist_ok=True)
        picture.write_bytes(base64.b64decode(data))
    return faults


def _faults_of(events: list[dict[str, Any]]) -> Iterator[str]:
    for event in events:
        what = event["params"]
        if event["method"] == "Network.requestWillBeSent":
            url = what["request"]["url"]
            if not url.startswith(("file:", "data:", "blob:", "about:")):
                yield f"asks another host: {url}"
        elif event["method"] == "Log.entryAdded" and what["entry"]["level"] == "error":
            yield f"logs: {what['entry']['text']} {what['entry'].get('url', '')}"
        elif event["method"] == "Runtime.exceptionThrown":
            yield f"fails: {what['exceptionDetails']}"
        elif event["method"] == "Runtime.consoleAPICalled" and what["type"] == "error":
            yield f"logs: {[part.get('value') for part in what['args']]}"


def search(browser: Browser, page: Path) -> list[str]:
    """What is wrong with the search of a page that is opened from the disk."""
    inspect(browser, page, SCREENS[0])
    browser.events.clear()
    browser.evaluate(_OPEN_SEARCH)
    browser.type("replay")
    until = time.monotonic() + _TIMEOUT_S
    while not (found := browser.evaluate(_FOUND)) and time.monotonic() < until:
        time.sleep(0.1)
    faults = list(_faults_of(browser.events))
    return faults if found else [*faults, "the search finds nothing"]


def main() -> int:
    """Inspects the pages; returns the exit status."""
    parser = argparse.ArgumentParser(description="Opens the built pages in a browser.")
    parser.add_argument("--pages", type=Path, default=ROOT / "build" / "docs")
    parser.add_argument("--pictures", type=Path, help="where to keep what each page looks like")
    parser.add_argument(
        "names", nargs="*", help="pages to inspect, such as index.html; all if none"
    )
    flags = parser.parse_args()
    executable = find_browser()
    if executable is None:
        print("Chromium was not found: install it, or name it in BROWSER.", file=sys.stderr)
        return 2
    pages = [flags.pages / name for name in flags.names] or sorted(flags.pages.rglob("*.html"))
    if not pages or not all(page.is_file() for page in pages):
        print(f"{flags.pages} does not contain these pages: run make docs.", file=sys.stderr)
        return 2
    wrong = 0
    with open_browser(executable) as browser:
        for page in pages:
            name = page.relative_to(flags.pages)
            for screen in SCREENS:
                picture = flags.pictures and flags.pictures / f"{name}.{screen.name}.png"
                for fault in inspect(browser, page, screen, picture):
                    wrong += 1
                    print(f"{name} ({screen.name}): {fault}", flush=True)
        for fault in search(browser, pages[0]):
            wrong += 1
            print(f"{pages[0].relative_to(flags.pages)} (search): {fault}")
    print(f"{len(pages)} pages on {len(SCREENS)} screens: {wrong or 'no'} faults")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
