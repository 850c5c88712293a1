"""``python -m compat_matrix``: run extensions' own suites on Flask and on the layer, and compare.

Suites of Quart's extensions run on the core alone, then on the layer; for them the recorded counts
are the reference. ``python -m compat_matrix add NAME`` drafts a row for another extension.

Exit code 0: every row that ran is green. 1: a row is red. 2: wrong usage. 3: no row is red, but
one could not be run. 130: it was interrupted, and the same command goes on with it.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

from compat_matrix import _committed, _draft, _html
from compat_matrix._display import display_for
from compat_matrix._matrix import Matrix, resumable, run_all, sides
from compat_matrix._record import Record, record_of
from compat_matrix._report import count_text, line, RowReport, summary
from compat_matrix._rows import choose_rows, load_rows, PLACES, Row, RowError
from compat_matrix._uv import cache_dir


def say(lines: Iterable[str]) -> None:
    for text in lines:
        print(text, flush=True)  # noqa: T201 - the tool's output


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="python -m compat_matrix",
        description="Run extensions' own test suites on Flask and on the layer, and compare"
        " them test by test. Exit code 0: all green; 1: a row is red; 3: a row could not run."
        " `python -m compat_matrix add NAME` drafts a row for another extension.",
        epilog=f"Environments, sdists and results are kept in {cache_dir()};"
        " COMPAT_MATRIX_CACHE moves that folder, and it may be deleted at any time.",
    )
    made.add_argument("names", nargs="*", metavar="NAME", help="rows to run (default: all)")
    add_options_of_the_run(made)
    add_options_of_the_output(made)
    return made


def add_options_of_the_run(made: argparse.ArgumentParser) -> None:
    made.add_argument("--tier", choices=["fast", "full"], help="only the rows of this tier")
    made.add_argument("--place", choices=PLACES, help="where sync code runs (default: both)")
    made.add_argument(
        "--through",
        choices=["client", "server"],
        default="client",
        help="how the suites' requests reach a Flask application on the layer: by plain calls, as"
        " its client makes them, or as ASGI, on a loop that runs in another thread",
    )
    made.add_argument("--loop", choices=["asyncio", "uvloop"], default="asyncio")
    made.add_argument("--on", choices=["flask", "core", "layer"], help="run this side only")
    made.add_argument("--jobs", type=int, default=1, metavar="N", help="rows run at once")
    made.add_argument("--fresh", action="store_true", help="forget all kept results")
    made.add_argument(
        "--resume",
        action="store_true",
        help="take each kept result that a run now would depend on nothing else for; a run that"
        " was interrupted does so of itself",
    )
    made.add_argument("--last", action="store_true", help="show the last results, run nothing")
    made.add_argument(
        "--check",
        action="store_true",
        help="hold against the committed results: only a row that was green and is not is red",
    )


def add_options_of_the_output(made: argparse.ArgumentParser) -> None:
    made.add_argument("--json", type=Path, metavar="FILE", help="write all findings to FILE")
    made.add_argument("--html", type=Path, metavar="FILE", help="write them as a searchable page")
    made.add_argument(
        "--update",
        action="store_true",
        help="take them into the committed results, the documentation and the badge",
    )
    made.add_argument("--list", action="store_true", help="list the rows and run nothing")
    made.add_argument(
        "--why",
        action="append",
        default=[],
        metavar="NAME",
        help="run NAME and print each differing test with its tracebacks",
    )


def list_rows(rows: Iterable[Row]) -> list[str]:
    lines = []
    for row in rows:
        text = f"{row.version:<9} {count_text(row.baseline)}, {row.baseline.seconds:g} s"
        lines.append(line(row, row.framework, row.tier, text))
        lines += [f"    {text}" for text in [row.remark] if text]
        lines += [f"    needs: {row.services}"] if row.services else []
        lines += [f"    left out: {entry.test}: {entry.reason}" for entry in row.deselect]
    return lines


def check(options: argparse.Namespace) -> None:
    if options.loop == "uvloop" and sys.version_info >= (3, 14):
        raise RowError(
            "--loop uvloop sets an event loop policy, which Python 3.14 deprecates;"
            " run compat_matrix with Python 3.11 to 3.13 for it"
        )
    if options.jobs < 1:
        raise RowError(f"--jobs is {options.jobs}; it needs at least 1")
    if options.fresh and (options.resume or options.last):
        raise RowError("--fresh forgets the results that --resume and --last take; give one")


def run_rows(rows: Sequence[Row], options: argparse.Namespace) -> int:
    suites = sum(len(sides(row, options)) + (row.framework == "flask") for row in rows)
    try:
        with resumable(rows, options) as since:
            reports = run_all(rows, Matrix(options, display_for(suites), since))
    except KeyboardInterrupt:
        say(["interrupted; the same command goes on with what has ended, --fresh starts over"])
        return 130
    say(summary(reports))
    records = [record_of(report) for report in reports]
    write_files(records, options)
    return verdict(reports, records, options)


def write_files(records: Sequence[Record], options: argparse.Namespace) -> None:
    if options.json:
        data = json.dumps([asdict(record) for record in records], indent=1)
        options.json.write_text(data + os.linesep, "utf-8")
    if options.html:
        options.html.write_text(_html.page(records), "utf-8")
    if options.update:
        say(_committed.update(records, load_rows()))


def verdict(
    reports: Sequence[RowReport], records: Sequence[Record], options: argparse.Namespace
) -> int:
    """Return the exit code."""
    broken = any(report.problem for report in reports)
    if options.check:
        committed = _committed.load_committed()
        turned = [
            text
            for record in records
            for text in _committed.turned(committed.get(record.name), record)
        ]
        say(f"  turned: {text}" for text in turned)
        return 1 if turned else 3 if broken else 0
    red = any(not report.problem and not report.green for report in reports)
    return 1 if red else 3 if broken else 0


def main(arguments: Sequence[str] | None = None) -> int:
    arguments = sys.argv[1:] if arguments is None else arguments
    if arguments[:1] == ["add"]:
        return _draft.main(arguments[1:])
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
