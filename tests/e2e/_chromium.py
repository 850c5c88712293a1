"""A headless Chromium, told what to do over its DevTools protocol."""

import itertools
import json
import shutil
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
OPTIONS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--no-first-run",
    "--no-default-browser-check",
    "--no-proxy-server",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "--remote-debugging-port=0",
    "--window-size=1000,900",
)
PATIENCE = 30.0


class PageError(Exception):
    """A script in the page failed, or the browser refused a command."""


class Page:
    """One tab of the browser."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._ids = itertools.count(1)
        self.complaints: list[str] = []  # errors in the page's console
        for domain in ("Page", "Runtime", "Log"):
            self.command(f"{domain}.enable")

    def command(self, method: str, **parameters: Any) -> dict[str, Any]:
        number = next(self._ids)
        self._connection.send(json.dumps({"id": number, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._connection.recv(timeout=PATIENCE))
            if message.get("id") == number:
                break
            self._note(message)
        if "error" in message:
            raise PageError(f"{method}: {message['error']}")
        return dict(message["result"])

    def _note(self, message: dict[str, Any]) -> None:
        parameters = message.get("params", {})
        if message.get("method") == "Runtime.exceptionThrown":
            self.complaints.append(str(parameters["exceptionDetails"]))
        elif message.get("method") == "Log.entryAdded" and parameters["entry"]["level"] == "error":
            self.complaints.append(str(parameters["entry"]))

    def run(self, script: str) -> Any:
        """Run JavaScript in the page and return its value, waiting for a promise."""
        answer = self.command(
            "Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True
        )
        if "exceptionDetails" in answer:
            raise PageError(f"{script}\n{answer['exceptionDetails']}")
        return answer["result"].get("value")

    def wait_for(self, script: str) -> Any:
        """Run JavaScript until its value is true; pages may come and go meanwhile."""
        limit = time.monotonic() + PATIENCE
        while time.monotonic() < limit:
            try:
                if value := self.run(script):
                    return value
            except PageError:
                pass  # the page is being replaced
            time.sleep(0.05)
        text = self.run("document.documentElement.outerHTML")
        raise AssertionError(f"never true: {script}\nconsole: {self.complaints}\n{text}")

    def resize(self, width: int) -> None:
        """Have the window of a phone, or of a desktop, by its *width* in pixels."""
        self.command(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=800,
            deviceScaleFactor=1,
            mobile=width < 600,
        )

    def open(self, url: str) -> None:
        self.run("window.old = true")
        self.command("Page.navigate", url=url)
        self.wait_for_new_page()

    def submit(self, form: str, **fields: str) -> None:
        """Fill in a form as a person does and press its button."""
        values = json.dumps(fields)
        self.run(
            f"""
            window.old = true;
            for (const [name, value] of Object.entries({values}))
              document.querySelector(`{form} [name="${{name}}"]`).value = value;
            document.querySelector(`{form} [type=submit], {form} button`).click();
            """
        )

    def wait_for_new_page(self) -> None:
        self.wait_for("!window.old && document.readyState === 'complete'")


def find_chromium() -> str | None:
    return next((path for name in NAMES if (path := shutil.which(name))), None)


@contextmanager
def browsing(executable: str, profile: Path) -> Iterator[Page]:
    """Start a browser with a profile of its own and connect to its one tab."""
    process = subprocess.Popen(
        [executable, *OPTIONS, f"--user-data-dir={profile}", "about:blank"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        port = _port_of(profile, process)
        # Pages are large: no limit on the size of a message.
        with connect(_first_tab(port), proxy=None, max_size=None) as connection:
            yield Page(connection)
    finally:
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _port_of(profile: Path, process: subprocess.Popen[bytes]) -> int:
    limit = time.monotonic() + PATIENCE
    while time.monotonic() < limit:
        try:
            return int((profile / "DevToolsActivePort").read_text().split()[0])
        except (FileNotFoundError, IndexError):
            assert process.poll() is None, f"Chromium ended with code {process.returncode}"
            time.sleep(0.05)
    raise AssertionError(f"Chromium opened no port for DevTools within {PATIENCE} seconds")


def _first_tab(port: int) -> str:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    limit = time.monotonic() + PATIENCE
    while time.monotonic() < limit:
        with opener.open(f"http://127.0.0.1:{port}/json/list", timeout=PATIENCE) as answer:
            tabs = json.load(answer)
        for tab in tabs:
            if tab["type"] == "page":
                return str(tab["webSocketDebuggerUrl"])
        time.sleep(0.05)
    raise AssertionError("Chromium opened no tab")
