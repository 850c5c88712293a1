"""Run rows, several at once: each on its reference and on the layer, side by side."""

from __future__ import annotations

import json
import math
import signal
import time
from argparse import Namespace
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

from compat_matrix import _run
from compat_matrix._compare import compare, compare_with_counts, Comparison
from compat_matrix._display import Display
from compat_matrix._report import comparison_lines, line, reference_line, RowReport, why_lines
from compat_matrix._results import (
    FLASK,
    IN_A_THREAD,
    load_result,
    Result,
    result_file,
    save_result,
    Side,
    usable_result,
)
from compat_matrix._rows import digest, PLACES, Row, Through
from compat_matrix._uv import cache_dir, EnvironmentProblem


class Matrix:
    """Runs rows as the options say, and shows each result as it comes.

    A kept result on the layer that ended after *since* replaces a run if nothing that it depends on
    has changed. A kept result on Flask always does.
    """

    def __init__(self, options: Namespace, display: Display, since: float = math.inf) -> None:
        self.options = options
        self.display = display
        self.since = since
        self.cache = cache_dir()

    def run(self, row: Row) -> RowReport:
        """Run one row; whatever keeps it from running is part of its report."""
        report = RowReport(row)
        try:
            if row.framework == "flask":
                self.run_reference(report)
            for side in sides(row, self.options):
                self.run_layer(report, side)
        except EnvironmentProblem as problem:
            report.problem = str(problem)
            if not _run.suites.stopped.is_set():
                self.display.say([line(row, "", "BROKEN", report.problem)])
        return report

    def run_reference(self, report: RowReport) -> None:
        since = math.inf if self.options.fresh else -math.inf
        result, remembered = self.result(report.row, FLASK, since)
        report.reference = result
        self.display.say([reference_line(report.row, result, remembered=remembered)])
        if result.problem:
            last = "\n".join(result.output.strip().splitlines()[-15:])
            raise EnvironmentProblem(f"on Flask {result.problem}; the last it printed:\n{last}")

    def run_layer(self, report: RowReport, side: Side) -> None:
        row = report.row
        result, remembered = self.result(row, side, self.since)
        found = self.compared(report, side, result)
        if self.options.check and not found.green and not remembered:
            result, found = self.once_more(report, side, found)
        report.layers.append((side, result, found))
        self.display.say(comparison_lines(row, side, result, found, remembered=remembered))
        if row.name in self.options.why and not found.green:
            self.display.say(why_lines(row, side, result, found))

    def compared(self, report: RowReport, side: Side, result: Result) -> Comparison:
        """Compare with Flask, called as a server calls it if that is where tests fail."""
        found = compare_sides(report, side, result)
        if found.worse and side.through == "server":
            in_a_thread, remembered = self.result(report.row, IN_A_THREAD, -math.inf)
            self.display.say(
                [reference_line(report.row, in_a_thread, remembered=remembered, side=IN_A_THREAD)]
            )
            if not in_a_thread.problem:
                found.leave_out(in_a_thread)
        return found

    def once_more(
        self, report: RowReport, side: Side, before: Comparison
    ) -> tuple[Result, Comparison]:
        """Run a side that differs once more, so that CI does not fail by chance.

        Flask runs again too: its kept result may be from a time when the machine was different,
        with another service running, say.
        """
        if report.reference is not None:
            report.reference = self.run_suite(report.row, FLASK)
        result = self.run_suite(report.row, side)
        found = self.compared(report, side, result)
        first = ", ".join(item.id for item in before.worse) or before.problem
        found.notes.append(f"run twice; what differed in the first run: {first}")
        return result, found

    def result(self, row: Row, side: Side, since: float) -> tuple[Result, bool]:
        """Return the result of *row* on *side*, and whether it was kept from an earlier run."""
        if self.options.last:
            kept = load_result(result_file(row, side, self.cache))
            if kept is None:
                raise EnvironmentProblem(f"no kept result on {side}; run it without --last first")
            return kept, True
        if kept := usable_result(row, side, self.cache, since):
            self.display.ended()
            return kept, True
        return self.run_suite(row, side), False

    def run_suite(self, row: Row, side: Side) -> Result:
        with self.display.running(row, side) as running:
            result = _run.run_suite(row, side, self.cache, running.watch)
        save_result(result, result_file(row, side, self.cache))
        return result


def sides(row: Row, options: Namespace) -> list[Side]:
    """Return the sides to compare with the reference."""
    places = [options.place] if options.place else PLACES
    # A scenario has its own server, and Quart's client calls an application as a server does.
    through: Through = "client" if row.scenario or row.framework == "quart" else options.through
    found = [Side("layer", place, options.loop, through) for place in places]
    if row.framework == "quart":
        found.insert(0, Side("core", loop=options.loop))
    return [side for side in found if options.on in (None, side.on)]


def compare_sides(report: RowReport, side: Side, result: Result) -> Comparison:
    if report.reference is None:
        return compare_with_counts(report.row, side, result)
    return compare(report.row, side, report.reference, result)


def end_as_interrupted(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt(f"ended by signal {number}")


@contextmanager
def interruptible() -> Iterator[None]:
    """Treat SIGTERM as Ctrl-C, so that suites are ended: each leads a session of its own."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    signal.signal(signal.SIGTERM, end_as_interrupted)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def run_all(rows: Sequence[Row], matrix: Matrix) -> list[RowReport]:
    """Run *rows*, as many at once as the options say.

    Raises:
        KeyboardInterrupt: if the user or the system ends the run; all suites have ended by then.
    """
    with interruptible(), ThreadPoolExecutor(matrix.options.jobs) as pool, matrix.display:
        running = [pool.submit(matrix.run, row) for row in rows]
        try:
            pending = set(running)
            while pending:
                pending = wait(pending, timeout=0.5, return_when=FIRST_COMPLETED).not_done
                matrix.display.waiting()
        except KeyboardInterrupt:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ending them takes a moment.
            pool.shutdown(wait=False, cancel_futures=True)
            _run.suites.stop()
            raise
    return [future.result() for future in running]


# --- Interrupted runs ----------------------------------------------------------------------------


def mark_of(rows: Sequence[Row], options: Namespace) -> Path:
    """Return the path of the file that exists while these rows run on these sides."""
    asked = [(row.name, [str(side) for side in sides(row, options)]) for row in rows]
    return cache_dir() / "runs" / f"{digest([str(Path(__file__)), asked])}.json"


@contextmanager
def resumable(rows: Sequence[Row], options: Namespace) -> Iterator[float]:
    """Leave a mark until the block has ended; give the time since when kept results count.

    That is the start of the last run of the same rows and sides if that was interrupted, by a
    signal or by a loss of power, and now otherwise.
    """
    mark = mark_of(rows, options)
    since = time.time()
    with suppress(FileNotFoundError, json.JSONDecodeError):
        if not options.fresh:
            since = json.loads(mark.read_text())["since"]
    mark.parent.mkdir(parents=True, exist_ok=True)
    mark.write_text(json.dumps({"since": since}))
    yield -math.inf if options.resume else since
    mark.unlink(missing_ok=True)
