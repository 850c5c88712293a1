"""``python -m compat_matrix``: run extensions' own suites on Flask and on the layer, and compare.

Those of Quart's extensions run on the core alone, then on the layer; for them the recorded counts
are the reference.

Exit code 0: every row that ran is green. 1: a row is red. 2: wrong usage. 3: no row is red, but
one could not be run.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from compat_matrix._compare import compare, compare_with_counts, Comparison
from compat_matrix._environment import cache_dir, EnvironmentProblem
from compat_matrix._report import (
    comparison_lines,
    count_text,
    line,
    reference_line,
    report_data,
    RowReport,
    summary,
    why_lines,
)
from compat_matrix._rows import choose_rows, load_rows, PLACES, Row, RowError
from compat_matrix._run import (
    FLASK,
    flask_result,
    layer_result,
    load_result,
    Result,
    result_file,
    Side,
    suites,
)

printing = threading.Lock()


def say(lines: Iterable[str]) -> None:
    text = "\n".join(lines)
    with printing:
        erase = "\r\033[K" if sys.stdout.isatty() else ""
        print(f"{erase}{text}", flush=True)  # noqa: T201 - the tool's output


def say_running(row: Row, side: Side) -> None:
    """On a terminal, show what was started last, until the next line takes its place."""
    if sys.stdout.isatty():
        with printing:
            text = line(row, side, "runs", f"usually {row.baseline.seconds:g} s")
            print(f"\r\033[K{text}", end="", flush=True)  # noqa: T201


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python -m compat_matrix",
        description="Run extensions' own test suites on Flask and on the layer, and compare"
        " them test by test. Exit code 0: all green; 1: a row is red; 3: a row could not run.",
        epilog=f"Environments, sdists and results are kept in {cache_dir()};"
        " COMPAT_MATRIX_CACHE moves that folder, and it may be deleted at any time.",
    )
    made.add_argument("names", nargs="*", metavar="NAME", help="rows to run (default: all)")
    made.add_argument("--tier", choices=["fast", "full"], help="only the rows of this tier")
    made.add_argument("--place", choices=PLACES, help="where sync code runs (default: both)")
    made.add_argument("--loop", choices=["asyncio", "uvloop"], default="asyncio")
    made.add_argument("--on", choices=["flask", "core", "layer"], help="run this side only")
    made.add_argument("--jobs", type=int, default=1, metavar="N", help="rows run at once")
    made.add_argument("--fresh", action="store_true", help="forget the kept results on Flask")
    made.add_argument("--last", action="store_true", help="show the last results, run nothing")
    made.add_argument("--json", type=Path, metavar="FILE", help="write all findings to FILE")
    made.add_argument("--list", action="store_true", help="list the rows and run nothing")
    made.add_argument(
        "--why",
        action="append",
        default=[],
        metavar="NAME",
        help="run NAME and print each differing test with its tracebacks",
    )
    return made


def list_rows(rows: Iterable[Row]) -> list[str]:
    lines = []
    for row in rows:
        text = f"{row.version:<9} {count_text(row.baseline)}, {row.baseline.seconds:g} s"
        lines.append(line(row, row.framework, row.tier, text))
        lines += [f"    {text}" for text in [row.remark] if text]
        lines += [f"    needs: {row.services}"] if row.services else []
        lines += [f"    left out: {entry.test}: {entry.reason}" for entry in row.deselect]
    return lines


class Matrix:
    """Runs rows as the options say and prints each result as it comes."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.cache = cache_dir()
        places = [options.place] if options.place else PLACES
        self.core = Side("core", loop=options.loop)
        self.layer = [Side("layer", place, options.loop) for place in places]

    def sides(self, row: Row) -> list[Side]:
        """The sides that are compared with the reference."""
        found = [self.core, *self.layer] if row.framework == "quart" else self.layer
        return [side for side in found if self.options.on in (None, side.on)]

    def run(self, row: Row) -> RowReport:
        """Run one row; whatever keeps it from running is part of its report."""
        report = RowReport(row)
        try:
            if row.framework == "flask":
                self.run_reference(report)
            for side in self.sides(row):
                self.run_layer(report, side)
        except EnvironmentProblem as problem:
            report.problem = str(problem)
            say([line(row, "", "BROKEN", report.problem)])
        return report

    def run_reference(self, report: RowReport) -> None:
        say_running(report.row, FLASK)
        if self.options.last:
            result, just_now = self.kept(report.row, FLASK), False
        else:
            result, just_now = flask_result(report.row, self.cache, fresh=self.options.fresh)
        report.reference = result
        say([reference_line(report.row, result, remembered=not just_now)])
        if result.problem:
            last = "\n".join(result.output.strip().splitlines()[-15:])
            raise EnvironmentProblem(f"on Flask {result.problem}; the last it printed:\n{last}")

    def run_layer(self, report: RowReport, side: Side) -> None:
        row = report.row
        last = self.options.last
        say_running(row, side)
        result = self.kept(row, side) if last else layer_result(row, side, self.cache)
        found = self.compare(report, side, result)
        report.layers.append((side, result, found))
        say(comparison_lines(row, side, result, found))
        if row.name in self.options.why and not found.green:
            say(why_lines(row, side, result, found))

    def kept(self, row: Row, side: Side) -> Result:
        kept = load_result(result_file(row, side, self.cache))
        if kept is None:
            raise EnvironmentProblem(f"no kept result on {side}; run it without --last first")
        return kept

    def compare(self, report: RowReport, side: Side, result: Result) -> Comparison:
        if report.reference is None:
            return compare_with_counts(report.row, side.place, result)
        return compare(report.row, side.place, report.reference, result)


def check(options: argparse.Namespace) -> None:
    if options.loop == "uvloop" and sys.version_info >= (3, 14):
        raise RowError(
            "--loop uvloop sets an event loop policy, which Python 3.14 deprecates;"
            " run compat_matrix with Python 3.11 to 3.13 for it"
        )
    if options.jobs < 1:
        raise RowError(f"--jobs is {options.jobs}; it needs at least 1")


def run_rows(rows: Sequence[Row], options: argparse.Namespace) -> int:
    matrix = Matrix(options)
    with ThreadPoolExecutor(options.jobs) as pool:
        try:
            reports = list(pool.map(matrix.run, rows))
        except KeyboardInterrupt:
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # ending them takes a moment
            pool.shutdown(wait=False, cancel_futures=True)
            suites.stop()
            return 130
    say(summary(reports))
    if options.json:
        data = json.dumps([report_data(report) for report in reports], indent=1)
        options.json.write_text(data + os.linesep)
    if any(not report.problem and not report.green for report in reports):
        return 1
    return 3 if any(report.problem for report in reports) else 0


def main(arguments: Sequence[str] | None = None) -> int:
    made = parser()
    options = made.parse_args(arguments)
    try:
        check(options)
        rows = choose_rows(load_rows(), [*options.names, *options.why], options.tier)
    except RowError as error:
        made.error(str(error))
    if options.list:
        say(list_rows(rows))
        return 0
    return run_rows(rows, options)


if __name__ == "__main__":
    raise SystemExit(main())
