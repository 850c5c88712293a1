"""Services that can be killed and started again, with what they had."""

from __future__ import annotations

import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from _serving import free_port, is_listening

PATIENCE = 30.0


def program(name: str, package: str) -> str:
    found = shutil.which(name, path="/usr/local/bin:/usr/bin:/usr/sbin:/bin")
    if found is None:
        pytest.skip(f"needs {name}; on Debian: apt-get install {package}")
    return found


def until(ready: Callable[[], object], what: str, patience: float = PATIENCE) -> None:
    limit = time.monotonic() + patience
    while not ready():
        assert time.monotonic() < limit, f"waited {patience} seconds: {what}"
        time.sleep(0.05)


class Service:
    """A program that listens on a port, whose files stay in a folder."""

    def __init__(self, command: list[str], folder: Path, port: int, user: str | None = None):
        self.command, self.folder, self.port, self.user = command, folder, port, user
        self.log = folder / f"{Path(command[0]).name}.log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as file:
            self.process = subprocess.Popen(
                self.command, cwd=self.folder, stdout=file, stderr=file, user=self.user
            )
        until(lambda: self.is_up(self.process), f"{self.command}: {self.log}")

    def is_up(self, process: subprocess.Popen[bytes] | None) -> bool:
        assert process
        assert process.poll() is None, self.log.read_text()
        return is_listening(self.port)

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        if self.process and self.process.poll() is None:
            self.process.send_signal(how)
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        self.process = None

    def kill(self) -> None:
        self.stop(signal.SIGKILL)


class Redis(Service):
    """As the page has it: each message is on disk before anybody hears of it."""

    def __init__(self, folder: Path) -> None:
        port = free_port()
        command = [
            program("redis-server", "redis-server"),
            *("--bind", "127.0.0.1", "--port", str(port), "--save", ""),
            *("--appendonly", "yes", "--appendfsync", "always"),
        ]
        super().__init__(command, folder, port)
        self.url = f"redis://127.0.0.1:{port}/0"

    def ask(self, *words: str) -> list[str]:
        asked = [program("redis-cli", "redis-tools"), "-p", str(self.port), *words]
        return subprocess.run(asked, capture_output=True, text=True, check=True).stdout.split()
