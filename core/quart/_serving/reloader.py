"""Start the program again when one of its files changes.

There are two processes. The parent runs the same command as its child, and runs it again each time
the child ends with `RELOAD_EXIT_CODE`. The child serves and watches the files. Only a new process
leaves nothing of the old code behind.

Hypercorn, which is the server anyway, knows what to watch and whether it has changed. Its own
reloader does not fit: it takes an app by import path only (no `app.run()`, no factory with
arguments), and stops when a change does not compile. Werkzeug's is private, and serves in a side
thread, where signals cannot ask for a graceful shutdown.
"""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from fnmatch import fnmatch
from pathlib import Path
from types import FrameType
from typing import NoReturn

from hypercorn.utils import check_for_updates

RELOAD_EXIT_CODE = 3
#: Set in the child. Werkzeug's variable is set too, for `is_running_from_reloader()`, which
#: extensions call before they start something once.
RUN_MAIN = "QUART_RUN_MAIN"
_MARKS = {RUN_MAIN: "true", "WERKZEUG_RUN_MAIN": "true"}
#: Python's exit code after an uncaught exception.
FAILED_EXIT_CODE = 1
#: Seconds between two looks at the files.
INTERVAL = 0.5


def is_child() -> bool:
    """Whether this process is the child of a reloading parent."""
    return os.environ.get(RUN_MAIN) == "true"


#: Reports a program that cannot begin, until a file changes; returns whether one did.
Tell = Callable[[BaseException, "Watcher"], bool]


def supervise(environment: Mapping[str, str] | None = None, tell: Tell | None = None) -> int:
    """Run this command as a child until it ends for good, and return its exit code."""
    supervisor = _Supervisor({**os.environ, **_MARKS, **(environment or {})}, tell)
    with supervisor.handling_signals():
        return supervisor.run()


class _Supervisor:
    def __init__(self, environment: Mapping[str, str], tell: Tell | None) -> None:
        self._environment = environment
        self._tell = tell
        self._child: subprocess.Popen[bytes] | None = None
        self._stopping = False

    def run(self) -> int:
        command = [sys.executable, *sys.orig_argv[1:]]
        while True:
            # Do this before the child reads the files, to miss no change in between.
            watcher = Watcher()
            watcher.changed()
            # The child inherits sockets that were bound here.
            self._child = subprocess.Popen(command, env=self._environment, close_fds=False)
            code = self._child.wait()
            if code == RELOAD_EXIT_CODE or (
                code == FAILED_EXIT_CODE and self._wait_to_mend(watcher)
            ):
                continue
            # For a signal, return 128 plus its number, as a shell does.
            return code if code >= 0 else 128 - code

    def _wait_to_mend(self, watcher: Watcher) -> bool:
        """Wait for a change, after the program has failed before it could watch."""
        if self._tell is not None and not self._stopping and not watcher.changed():
            with self.handling_signals():  # An event loop removes signal handlers when it ends.
                return self._tell(_reason(), watcher)
        while not self._stopping:
            if watcher.changed():
                return True
            time.sleep(INTERVAL)
        return False

    @contextmanager
    def handling_signals(self) -> Iterator[None]:
        numbers = [signal.SIGINT, signal.SIGTERM]
        before = {number: signal.signal(number, self._pass_on) for number in numbers}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _pass_on(self, number: int, frame: FrameType | None) -> None:
        # The child decides what a signal means, and how long its shutdown takes. It gets an
        # interrupt from the keyboard twice, and takes the two for one.
        self._stopping = True
        if os.name == "posix" and self._child is not None:
            self._child.send_signal(number)


def _reason() -> BaseException:
    """Return the error that keeps the program from beginning, as far as this process can tell."""
    script = Path(sys.argv[0])
    try:
        compile(script.read_bytes(), str(script), "exec")
    except (SyntaxError, ValueError, OSError) as error:
        return error
    return RuntimeError("The program ended before it could serve; the terminal shows why.")


class Watcher:
    """Watches the files of the program, including those imported later."""

    def __init__(
        self, extra_files: Iterable[str] = (), exclude_patterns: Iterable[str] = ()
    ) -> None:
        self._exclude = list(exclude_patterns)
        self._files: dict[Path, float] = {}
        for name in extra_files:
            path = Path(name)
            self.add(path.rglob("*") if path.is_dir() else [path])

    def add(self, paths: Iterable[Path]) -> None:
        """Watch *paths* too, if they exist."""
        for path in paths:
            try:
                self._keep(path, path.stat().st_mtime)
            except OSError:
                continue

    def _keep(self, path: Path, modified: float) -> None:
        if not any(fnmatch(str(path), pattern) for pattern in self._exclude):
            self._files.setdefault(path, modified)

    def changed(self) -> bool:
        """Return whether a file was changed or removed since it was first seen."""
        self.add(_files_of_modules())
        return check_for_updates(self._files)

    async def wait(self) -> None:
        """Wait until a file has changed, without holding the event loop up."""
        while not await asyncio.to_thread(self.changed):  # noqa: ASYNC110 - files send no events
            await asyncio.sleep(INTERVAL)

    def show(self, error: BaseException) -> None:
        """Show *error* in the terminal, and watch the files in which its cause may be."""
        self.add(_files_of(error))
        # A missing module, or one that is replaced on saving, will appear in its directory.
        self.add([Path(sys.path[0] or ".")])
        self.changed()
        traceback.print_exception(error)

    def wait_to_mend(self) -> NoReturn:
        """Wait until a file has changed, then end the child for a reload."""
        while not self.changed():
            time.sleep(INTERVAL)
        sys.exit(RELOAD_EXIT_CODE)


def _files_of_modules() -> Iterator[Path]:
    for module in list(sys.modules.values()):
        try:
            file = getattr(module, "__file__", None)
        except Exception:
            continue  # Any object may be in `sys.modules`, such as a dead proxy.
        if isinstance(file, str):
            yield Path(file)


def _files_of(error: BaseException | None) -> Iterator[Path]:
    while error is not None:
        if isinstance(error, SyntaxError) and error.filename:
            yield Path(error.filename)
        for frame, _ in traceback.walk_tb(error.__traceback__):
            yield Path(frame.f_code.co_filename)
        error = error.__cause__ or error.__context__
