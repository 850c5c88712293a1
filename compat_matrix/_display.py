"""Show the progress of rows: as moving bars on a terminal, as plain lines elsewhere."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

from compat_matrix._results import Side
from compat_matrix._rows import Row

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

PATIENCE = 60.0  # seconds without a line until plain output says what still runs


class Running:
    """A suite that is running, and its progress."""

    def __init__(self, row: Row, side: Side) -> None:
        self.row = row
        self.side = side
        self.expected = sum([row.baseline.passed, row.baseline.failed, row.baseline.skipped])
        self.started = time.monotonic()
        self.finished = 0
        self._report: Path | None = None
        self._read = 0

    def __str__(self) -> str:
        return f"{self.row.name} {self.side}"

    def watch(self, report: Path) -> None:
        """Read the progress from the file *report* from now on; it need not exist yet."""
        self._report = report

    def look(self) -> int:
        """Return how many tests have ended; read only what was written since the last call."""
        with suppress(FileNotFoundError):
            if self._report:
                with self._report.open("rb") as file:
                    file.seek(self._read)
                    lines = file.read().splitlines(keepends=True)
                whole = [line for line in lines if line.endswith(b"\n")]
                self._read += sum(map(len, whole))
                self.finished += sum(line.startswith(b'{"event": "finish"') for line in whole)
        return self.finished

    def text(self) -> str:
        seconds = time.monotonic() - self.started
        return f"{self}: {self.look()} of {self.expected} tests, {seconds:.0f} s"


class Display:
    """Prints plain lines: each result as it comes, and now and then what still runs."""

    def __init__(self) -> None:
        self.now: list[Running] = []
        self._lock = threading.Lock()
        self._said = time.monotonic()

    def __enter__(self) -> Display:
        return self

    def __exit__(self, *error: object) -> None:
        """Do nothing: there is nothing to restore."""

    def say(self, lines: Iterable[str]) -> None:
        text = "\n".join(lines)
        with self._lock:
            self._said = time.monotonic()
            self.show(text)

    def show(self, text: str) -> None:
        print(text, flush=True)  # noqa: T201 - the tool's output

    @contextmanager
    def running(self, row: Row, side: Side) -> Iterator[Running]:
        """Show *row* as running during the block."""
        running = Running(row, side)
        self.now.append(running)
        try:
            yield running
        finally:
            self.now.remove(running)
            self.ended()

    def ended(self) -> None:
        """Show a suite's result; called once for each suite, remembered ones too."""

    def waiting(self) -> None:
        """Say what still runs, if nothing was printed for long; called about twice a second."""
        if self.now and time.monotonic() - self._said > PATIENCE:
            self.say([f"still running: {'; '.join(one.text() for one in list(self.now))}"])


class Bars(Display):
    """Shows a bar for each running suite and one for all, below the results."""

    def __init__(self, suites: int, progress: Progress) -> None:
        super().__init__()
        self.progress = progress
        self.all = progress.add_task("all suites", total=suites)
        self.tasks: dict[Running, TaskID] = {}

    def __enter__(self) -> Bars:
        self.progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.progress.stop()

    def show(self, text: str) -> None:
        from rich.text import Text

        shown = Text(text)
        shown.highlight_words(["green"], "green")
        shown.highlight_words(["RED", "BROKEN"], "bold red")
        self.progress.console.print(shown, soft_wrap=True)

    @contextmanager
    def running(self, row: Row, side: Side) -> Iterator[Running]:
        with super().running(row, side) as running:
            task = self.progress.add_task(str(running), total=running.expected or None)
            self.tasks[running] = task
            try:
                yield running
            finally:
                del self.tasks[running]
                self.progress.remove_task(task)

    def ended(self) -> None:
        self.progress.advance(self.all)

    def waiting(self) -> None:
        for running, task in list(self.tasks.items()):
            self.progress.update(task, completed=running.look())


def display_for(suites: int) -> Display:
    """Return bars if standard output is a terminal and rich is installed, else plain lines."""
    if not sys.stdout.isatty():
        return Display()
    try:
        from rich import progress
    except ImportError:
        return Display()
    columns = [
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TimeElapsedColumn(),
    ]
    return Bars(suites, progress.Progress(*columns, transient=True))
