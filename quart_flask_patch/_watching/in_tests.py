"""The pytest plugin behind `--fail-on-blocking`: fail tests that block, and sum up endpoints.

Under pytest-xdist each worker finds what blocks, and the controller reports it.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from .. import _measured
from . import known_calls, measuring
from .blocking import Blocking, Checker, read_baseline, write_baseline
from .measures import Endpoint

_NAME = "quart_flask_patch.blocking"
#: The names under which a report, and a worker's output, carry what was found.
_BLOCKING, _ROWS = "quart_blocking", "quart_endpoints"
#: An endpoint, its place, and the sums of what it took.
_Row = list[Any]


def add_options(parser: pytest.Parser) -> None:
    group = parser.getgroup("quart_flask_patch")
    group.addoption(
        "--fail-on-blocking",
        action="store_true",
        help="fail tests in which a call blocks the event loop; end with a summary of endpoints",
    )
    group.addoption(
        "--blocking-baseline",
        metavar="FILE",
        type=Path,
        help="what blocks and is accepted, an entry a line; new calls fail",
    )
    group.addoption(
        "--blocking-baseline-write",
        action="store_true",
        help="write what blocks in this run into that file, and fail nothing",
    )
    group.addoption(
        "--blocking-seconds",
        type=float,
        metavar="N",
        help="for how long the loop may be held by what is not known to block"
        " (default: SLOW_CALLBACK_DURATION of the application, or 0.1)",
    )


def configure(config: pytest.Config) -> None:
    baseline: Path | None = config.getoption("--blocking-baseline")
    writes: bool = config.getoption("--blocking-baseline-write")
    if writes and baseline is None:
        raise pytest.UsageError(
            "Expected --blocking-baseline FILE beside --blocking-baseline-write, got none: which"
            " file is to be written?"
        )
    if config.getoption("--fail-on-blocking") or baseline is not None:
        root = config.rootpath
        seconds: float | None = config.getoption("--blocking-seconds")
        path = None if baseline is None else config.invocation_params.dir / baseline
        config.pluginmanager.register(BlockingPlugin(root, path, writes, seconds), _NAME)


class BlockingPlugin:
    """Finds what blocks, fails its tests, and reports; under xdist the controller reports."""

    def __init__(
        self, root: Path, baseline: Path | None, writes: bool, seconds: float | None
    ) -> None:
        self._baseline, self._writes = baseline, writes
        self._accepted = {} if baseline is None else read_baseline(baseline)
        #: What was found since the last test's report; and all that the reports brought.
        self._new: list[Blocking] = []
        self._all: list[Blocking] = []
        self._rows: list[_Row] = []
        self._checking = measuring.Checking(Checker(root, self._new.append, seconds).step)
        self._put_back: Callable[[], None] | None = None

    def pytest_sessionstart(self) -> None:
        _measured.checking = self._checking
        self._put_back = known_calls.install()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self,
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        found = self._take()
        if found:
            setattr(report, _BLOCKING, [asdict(each) for each in found])
        refused = [] if self._writes else [e for e in found if e.key not in self._accepted]
        if refused:
            text = _message(refused)
            if report.passed:
                report.outcome, report.longrepr = "failed", text
            else:
                report.sections.append(("Blocking calls", text))
        return report

    def _take(self) -> list[Blocking]:
        # Other threads may append meanwhile, so take only as many as were copied.
        found = self._new[:]
        del self._new[: len(found)]
        return found

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._all += [Blocking(**each) for each in getattr(report, _BLOCKING, ())]

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self._put_back is not None:
            self._put_back()
        _measured.checking = None
        late, rows = self._take(), _rows(self._checking)
        output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
        if output is not None:
            output[_BLOCKING], output[_ROWS] = [asdict(each) for each in late], rows
            return
        self._rows += rows
        self._end(session, late)

    def _end(self, session: pytest.Session, late: list[Blocking]) -> None:
        """Add what was found outside of tests; write the baseline, or set the exit status."""
        self._all += late
        if self._writes:
            assert self._baseline is not None
            write_baseline(self._baseline, (each.key for each in self._all))
        elif any(each.key not in self._accepted for each in self._all):
            session.exitstatus = session.exitstatus or pytest.ExitCode.TESTS_FAILED

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        output: dict[str, Any] = getattr(node, "workeroutput", None) or {}
        self._all += [Blocking(**each) for each in output.get(_BLOCKING, ())]
        self._rows += output.get(_ROWS, ())

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        terminalreporter.section("endpoints")
        blocked = [each.endpoint for each in self._all]
        for line in _table(_merged(self._rows), blocked):
            terminalreporter.write_line(line)
        for line in self._told():
            terminalreporter.write_line(line)

    def _told(self) -> Iterable[str]:
        keys = {each.key for each in self._all}
        new = {key: each for each in self._all if (key := each.key) not in self._accepted}
        if self._writes:
            yield f"{len(keys)} blocking calls are accepted by {self._baseline} now"
            return
        yield f"{len(keys)} blocking calls, of which {len(keys) - len(new)} are accepted"
        yield from sorted(map(str, new.values()))
        if unseen := sorted(self._accepted.keys() - keys):
            yield f"Accepted, and not seen in this run: {len(unseen)}"
            yield from (f"  {key}" for key in unseen)


def _message(found: Iterable[Blocking]) -> str:
    lines = "\n".join(f"  {each}" for each in found)
    return (
        f"The event loop was blocked, on which all other requests wait:\n{lines}\nAwait instead,"
        " call it by `await quart.utils.run_sync(function)(...)`, or make the view a plain `def`."
        " To accept it for now: --blocking-baseline FILE --blocking-baseline-write"
    )


def _rows(checking: measuring.Checking) -> list[_Row]:
    tables = {id(table): table for table in checking.tables}.values()
    return [_row(each) for table in tables for each in table.taken()]


def _row(each: Endpoint) -> _Row:
    name = each.endpoint or "no endpoint"
    sums = [each.calls, each.errors, each.on_loop, each.longest_step, each.in_threads]
    return [name, each.place, *sums]


def _merged(rows: Iterable[_Row]) -> list[_Row]:
    """Merge the rows of different workers for the same endpoint and place."""
    merged: dict[tuple[str, str], _Row] = {}
    for name, place, *sums in rows:
        calls, errors, on_loop, longest, in_threads = merged.get((name, place), [0] * 5)
        merged[name, place] = [
            calls + sums[0],
            errors + sums[1],
            on_loop + sums[2],
            max(longest, sums[3]),
            in_threads + sums[4],
        ]
    return [[*key, *sums] for key, sums in merged.items()]


def _table(rows: list[_Row], blocked: list[str]) -> Iterable[str]:
    """Yield the summary's lines, sorted by calls that block, then by time that holds the loop."""
    if not rows:
        return
    width = max(len("endpoint"), *(len(row[0]) for row in rows))
    heads = "place", "requests", "errors", "blocking", "on the loop", "longest", "in threads"
    yield f"{'endpoint':<{width}}  {heads[0]:<8}" + "".join(f"  {h:>11}" for h in heads[1:])
    for row in sorted(rows, key=lambda row: (-blocked.count(row[0]), -row[5], row[0])):
        name, place, calls, errors, *times = row
        counts = "".join(f"  {count:>11}" for count in (calls, errors, blocked.count(name)))
        shown = "".join(f"  {seconds * 1000:>8.1f} ms" for seconds in times)
        yield f"{name:<{width}}  {place:<8}{counts}{shown}"
