"""Start the program again when a file of it changes.

Two processes: a parent that runs this very command as its child, again each time the child ends
with `RELOAD_EXIT_CODE`, and the child that serves and watches. A new process is the only reload
that leaves nothing behind of the old code.

What to watch, and whether it changed, is asked of hypercorn, which is the server anyway and keeps
that up. Its own reloader cannot be used: it takes an app by import path only (not `app.run()`, not
a factory with arguments), and stops when a change does not compile. Werkzeug's is private, and
serves in a side thread, where signals cannot ask for a graceful shutdown.
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
#: Set in the child. Werkzeug's own variable is set too, so that `is_running_from_reloader()`,
#: which extensions ask before they start something once, is right.
RUN_MAIN = "QUART_RUN_MAIN"
_MARKS = {RUN_MAIN: "true", "WERKZEUG_RUN_MAIN": "true"}
#: With which Python ends after an exception that nobody caught.
FAILED_EXIT_CODE = 1
#: Seconds between two looks at the files.
INTERVAL = 0.5


def is_child() -> bool:
    """Whether this process serves on behalf of a reloading parent."""
    return os.environ.get(RUN_MAIN) == "true"


#: Told of a program that cannot even begin, until a change; returns whether there was one.
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
            # Before the child reads the files, so that no change in between is missed.
            watcher = Watcher()
            watcher.changed()
            # Sockets that were bound here are meant to be inherited.
            self._child = subprocess.Popen(command, env=self._environment, close_fds=False)
            code = self._child.wait()
            if code == RELOAD_EXIT_CODE or (
                code == FAILED_EXIT_CODE and self._wait_to_mend(watcher)
            ):
                continue
            # As a shell has it, a signal gives 128 and its number.
            return code if code >= 0 else 128 - code

    def _wait_to_mend(self, watcher: Watcher) -> bool:
        """Wait for a change after the program failed before it could watch for one itself."""
        if self._tell is not None and not self._stopping and not watcher.changed():
            with self.handling_signals():  # An event loop that ends leaves none of them.
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
        # The child decides what a signal means, and how long its shutdown takes. An interrupt
        # from the keyboard reaches it twice then, which it takes for one.
        self._stopping = True
        if os.name == "posix" and self._child is not None:
            self._child.send_signal(number)


def _reason() -> BaseException:
    """Return what keeps the program from beginning, as far as that can be found out here."""
    script = Path(sys.argv[0])
    try:
        compile(script.read_bytes(), str(script), "exec")
    except (SyntaxError, ValueError, OSError) as error:
        return error
    return RuntimeError("The program ended before it could serve; the terminal shows why.")


class Watcher:
    """Knows the files of the program, those imported later included."""

    def __init__(
        self, extra_files: Iterable[str] = (), exclude_patterns: Iterable[str] = ()
    ) -> None:
        self._exclude = list(exclude_patterns)
        self._files: dict[Path, float] = {}
        for name in extra_files:
            path = Path(name)
            self.add(path.rglob("*") if path.is_dir() else [path])

    def add(self, paths: Iterable[Path]) -> None:
        """Watch these too, as far as they exist."""
        for path in paths:
            try:
                self._keep(path, path.stat().st_mtime)
            except OSError:
                continue

    def _keep(self, path: Path, modified: float) -> None:
        if not any(fnmatch(str(path), pattern) for pattern in self._exclude):
            self._files.setdefault(path, modified)

    def changed(self) -> bool:
        """Whether a file was changed or removed since it was first seen."""
        self.add(_files_of_modules())
        return check_for_updates(self._files)

    async def wait(self) -> None:
        """Wait until a file has changed, without holding the event loop up."""
        while not await asyncio.to_thread(self.changed):  # noqa: ASYNC110 - files send no events
            await asyncio.sleep(INTERVAL)

    def show(self, error: BaseException) -> None:
        """Show *error* in the terminal, and watch the files in which its cause may be."""
        self.add(_files_of(error))
        # A module that is missing, or that moves while it is saved, appears in its directory.
        self.add([Path(sys.path[0] or ".")])
        self.changed()
        traceback.print_exception(error)

    def wait_to_mend(self) -> NoReturn:
        """End the child for a reload once the cause of an error may have been changed."""
        while not self.changed():
            time.sleep(INTERVAL)
        sys.exit(RELOAD_EXIT_CODE)


def _files_of_modules() -> Iterator[Path]:
    for module in list(sys.modules.values()):
        try:
            file = getattr(module, "__file__", None)
        except Exception:
            continue  # Anything may stand for a module: a proxy of what is gone, say.
        if isinstance(file, str):
            yield Path(file)


def _files_of(error: BaseException | None) -> Iterator[Path]:
    while error is not None:
        if isinstance(error, SyntaxError) and error.filename:
            yield Path(error.filename)
        for frame, _ in traceback.walk_tb(error.__traceback__):
            yield Path(frame.f_code.co_filename)
        error = error.__cause__ or error.__context__
