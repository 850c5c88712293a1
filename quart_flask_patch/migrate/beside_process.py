"""The process of the old application: start it, ask about sessions, restart it, end it."""

from __future__ import annotations

import json
import logging
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

#: How many restarts within a minute are tried before giving up.
RESTARTS = 5
MINUTE = 60.0
#: Seconds that the process gets to end by itself.
GRACE = 10.0


@dataclass(frozen=True, slots=True)
class Command:
    """How to run the old application."""

    #: MODULE, MODULE:NAME or MODULE:FACTORY(), as for Flask's `--app`.
    app: str
    #: The folder in which to import it.
    folder: Path | None = None
    #: The Python that has its packages; by default this process's.
    python: str = sys.executable
    threads: int = 40
    #: Seconds in which it must be ready.
    timeout: float = 60.0


@dataclass(frozen=True, slots=True)
class Report:
    """What the process reports when it is ready."""

    name: str | None
    reads: bool | None
    cookie: str | None


class Process:
    """Keeps the process running: starts another one if it dies."""

    def __init__(self, command: Command, cookie: str | None, logger: logging.Logger) -> None:
        self._command, self._cookie, self._logger = command, cookie, logger
        self._folder: str | None = None
        self._process: subprocess.Popen[str] | None = None
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._stopping = False
        self._count = 0
        #: The path of its socket, while it runs.
        self.address: str | None = None

    @property
    def pid(self) -> int | None:
        return None if self._process is None else self._process.pid

    def start(self) -> Report:
        """Start it and return when it is there.

        Raises:
            RuntimeError: if it ends before that, or takes too long.
        """
        if os.name != "posix":
            raise RuntimeError(
                f"Expected a system with Unix sockets and process groups, got {os.name!r}. Run the"
                " two applications in a container, or divide requests by a proxy of your own."
            )
        self._stopping = False
        # Only this user may enter the folder, so nobody else can speak to the process.
        self._folder = tempfile.mkdtemp(prefix="beside-")
        try:
            report = self._begin()
        except BaseException:
            self.stop()
            raise
        self._thread = threading.Thread(target=self._look_after, name="beside-old", daemon=True)
        self._thread.start()
        return report

    def _begin(self) -> Report:
        assert self._folder is not None
        self._count += 1
        address = os.path.join(self._folder, f"{self._count}.socket")
        reading, writing = os.pipe()
        with os.fdopen(reading, encoding="utf-8") as report:
            try:
                process = self._popen(writing)
            finally:
                os.close(writing)
            said = self._asked(process, report, address, writing)
        if "error" in said:
            raise RuntimeError(
                f"The old application {self._command.app!r} does not start: {said['error']}"
            )
        self.address = address
        return Report(**said)

    def _popen(self, writing: int) -> subprocess.Popen[str]:
        with self._changed:
            if self._stopping:
                raise RuntimeError("The old application is not started: the server stops.")
            # Its standard input ends with this process, however this ends; then it ends too.
            self._process = subprocess.Popen(
                [self._command.python, str(Path(__file__).with_name("beside_child.py"))],
                stdin=subprocess.PIPE,
                cwd=self._command.folder,
                text=True,
                pass_fds=[writing],
                # An interrupt from the keyboard must reach this process only, which then ends the
                # other.
                start_new_session=True,
            )
            return self._process

    def _asked(
        self, process: subprocess.Popen[str], report: TextIO, address: str, writing: int
    ) -> dict[str, Any]:
        command = self._command
        given = {"app": command.app, "cookie": self._cookie, "threads": command.threads}
        assert process.stdin is not None
        with suppress(BrokenPipeError):
            process.stdin.write(json.dumps({**given, "socket": address, "report": writing}) + "\n")
            process.stdin.flush()
        timer = threading.Timer(command.timeout, process.kill)
        timer.start()
        line = report.readline()
        timer.cancel()
        if line:
            return dict(json.loads(line))
        return {"error": f"it ended with status {process.wait()} before it was there"}

    def _look_after(self) -> None:
        """Start it again when it dies, a limited number of times."""
        started: deque[float] = deque(maxlen=RESTARTS)
        while (process := self._process) is not None:
            status = process.wait()
            _close(process)
            if len(started) == RESTARTS and time.monotonic() - started[0] < MINUTE:
                self.address = None
                self._logger.critical(
                    "The old application has ended with status %s, after it was started again %s"
                    " times within a minute. It is left alone; its requests are answered with 502.",
                    status,
                    RESTARTS,
                )
                return
            with self._changed:
                self.address = None
                # Wait longer each time; the first time not at all.
                if self._changed.wait_for(lambda: self._stopping, timeout=len(started)):
                    return
            started.append(time.monotonic())
            self._logger.error(
                "The old application has ended with status %s, and is started again.", status
            )
            try:
                self._begin()
            except (OSError, RuntimeError) as error:
                self._logger.error("%s", error)

    def stop(self) -> None:
        """End the process."""
        with self._changed:
            self._stopping, process, self.address = True, self._process, None
            self._changed.notify_all()
        if process is not None:
            process.terminate()
            try:
                process.wait(GRACE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            _close(process)
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None


def _close(process: subprocess.Popen[str]) -> None:
    if process.stdin is not None:
        with suppress(BrokenPipeError):
            process.stdin.close()
