"""Running a row's suite once, on one side, and reading what its tests did."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from compat_matrix._environment import (
    environment,
    environment_digest,
    EnvironmentProblem,
    lay_out,
    python_of,
)
from compat_matrix._rows import digest, HERE, load_settings, Place, PROJECT, Row, row_digest

# Which outcome a test has whose phases (setup, call, teardown) had several: the first of these.
BY_WEIGHT = ("error", "failed", "unfinished", "xfailed", "xpassed", "skipped", "passed")

# Variables of the user's shell that would change what a suite does.
NOT_INHERITED = ("FLASK_", "QUART_", "PYTEST_", "COMPAT_MATRIX_")
NOT_INHERITED_NAMES = {"PYTHONPATH", "PYTHONWARNINGS", "PYTHONHOME", "VIRTUAL_ENV"}


@dataclass(frozen=True, slots=True)
class Side:
    """What a suite runs on: Flask itself, the core alone, or the layer in one place.

    The last two run on one event loop; the core alone is for the suites of Quart's extensions.
    """

    on: Literal["flask", "core", "layer"]
    place: Place | None = None
    loop: str = "asyncio"

    def __str__(self) -> str:
        name = self.place or self.on
        return name if self.loop == "asyncio" else f"{name}+{self.loop}"


FLASK = Side("flask")


@dataclass(slots=True)
class Case:
    """What one test did; *served* counts the connections it sent through the ASGI entry."""

    id: str
    outcome: str = "unfinished"
    text: str = ""
    seconds: float = 0.0
    served: int = 0


@dataclass(slots=True)
class Result:
    """What one run of a suite gave."""

    tests: dict[str, Case] = field(default_factory=dict)
    seconds: float = 0.0
    problem: str = ""  # why the run did not come to its end by itself, if it did not
    output: str = ""  # the last that pytest printed
    command: str = ""

    def counts(self) -> Counter[str]:
        return Counter(test.outcome for test in self.tests.values())

    @property
    def served(self) -> int:
        """How many tests sent at least one connection through the layer's ASGI entry."""
        return sum(test.served > 0 for test in self.tests.values())


# --- reading the plugin's report -----------------------------------------------------------------


def heavier(one: str, other: str) -> str:
    return min(one, other, key=BY_WEIGHT.index)


def read_events(lines: Iterable[str]) -> tuple[dict[str, Case], bool]:
    """Read the plugin's lines: the tests, and whether the session came to its end."""
    tests: dict[str, Case] = {}
    phases: dict[str, str] = {}
    ended = False
    for line in lines:
        try:
            event = json.loads(line)
        except json.JSONDecodeError:
            continue  # the last line of a process that was killed while it wrote
        ended = ended or event["event"] == "end"
        if "id" in event:
            read_event(event, tests, phases)
    return tests, ended


def read_event(event: dict[str, Any], tests: dict[str, Case], phases: dict[str, str]) -> None:
    test = tests.setdefault(event["id"], Case(event["id"]))
    match event["event"]:
        case "phase":
            outcome = event["outcome"]
            if outcome == "failed" and event["when"] != "call":
                outcome = "error"
            phases[test.id] = heavier(phases.get(test.id, "passed"), outcome)
            test.text = "\n".join(filter(None, [test.text, event["text"]]))
            test.seconds += event["seconds"]
            test.served = event["served"]
        case "finish":
            test.outcome = phases.pop(test.id, "unfinished")
            test.served = event["served"]
        case "collect":
            test.outcome, test.text = "error", event["text"]


# --- running -------------------------------------------------------------------------------------


def suite_environment(row: Row, side: Side, folder: Path, report: Path) -> dict[str, str]:
    """The variables that a suite's process is started with."""
    env = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(NOT_INHERITED) and name not in NOT_INHERITED_NAMES
    }
    packages = {"compat_matrix": HERE}
    if side.on != "flask":
        packages["quart"] = PROJECT / "core" / "quart"
    if side.on == "layer":
        packages["quart_flask_patch"] = PROJECT / "quart_flask_patch"
        env["QUART_SYNC_PLACE"] = side.place or "thread"
    memory = row.memory or load_settings().memory
    paths = [str(HERE / "_site"), *filter(None, [row.environment.get("PYTHONPATH")])]
    env |= dict(row.environment)
    env |= {
        "PATH": os.pathsep.join([str(python_of(folder).parent), os.environ.get("PATH", "")]),
        "PYTHONPATH": os.pathsep.join(paths),
        "VIRTUAL_ENV": str(folder),
        "COMPAT_MATRIX_SIDE": side.on,
        "COMPAT_MATRIX_SCENARIO": row.scenario,
        "COMPAT_MATRIX_LOOP": side.loop,
        "COMPAT_MATRIX_PACKAGES": json.dumps({name: str(path) for name, path in packages.items()}),
        "COMPAT_MATRIX_REPORT": str(report),
        "COMPAT_MATRIX_TEST_TIMEOUT": str(row.test_timeout),
        "COMPAT_MATRIX_MEMORY": str(int(memory * 2**30)),
    }
    return env


def suite_command(row: Row, side: Side, folder: Path) -> list[str]:
    command = [str(python_of(folder)), "-m", "pytest", "-p", "compat_matrix._plugin"]
    command += ["--rootdir=.", "--tb=short", "--continue-on-collection-errors", *row.arguments]
    if side.on != "flask":
        for entry in row.deselected(side.place):
            command += ["--deselect", entry.test]
    return command


def end_process(process: subprocess.Popen[str], *, print_stacks: bool) -> None:
    """End the suite and all it started; pytest's fault handler can print every stack before."""
    if sys.platform == "win32":
        process.kill()
        return
    with suppress(ProcessLookupError):
        if print_stacks:
            os.kill(process.pid, signal.SIGABRT)
            time.sleep(1)
        os.killpg(process.pid, signal.SIGKILL)


class Suites:
    """The suites that run at the moment; each leads a session of its own, away from Ctrl-C."""

    def __init__(self) -> None:
        self.processes: set[subprocess.Popen[str]] = set()
        self.stopped = threading.Event()

    def run(
        self, command: list[str], folder: Path, env: dict[str, str], limit: float, output: Path
    ) -> int | None:
        """Run *command* and return its exit code, or None if it had to be ended at the limit."""
        with output.open("w") as file:
            process = subprocess.Popen(
                command,
                cwd=folder,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                text=True,
                start_new_session=True,
            )
            self.processes.add(process)
            if self.stopped.is_set():
                end_process(process, print_stacks=False)
            try:
                code: int | None = process.wait(limit)
            except subprocess.TimeoutExpired:
                end_process(process, print_stacks=True)
                process.wait()
                code = None
            finally:
                self.processes.discard(process)
        if self.stopped.is_set():
            raise EnvironmentProblem("interrupted; run it again")
        return code

    def stop(self) -> None:
        """End all that runs and let nothing more run."""
        self.stopped.set()
        for process in list(self.processes):
            end_process(process, print_stacks=False)


suites = Suites()


def problem_of(row: Row, code: int | None, ended: bool, tests: dict[str, Case]) -> str:
    last = [test.id for test in tests.values() if test.outcome == "unfinished"]
    where = f" in {last[-1]}" if last else " before its first test ended" if not tests else ""
    if code is None:
        return f"it hung{where} and was ended at its limit of {row.timeout:g} s"
    if not ended:
        return f"pytest ended with exit code {code}{where}"
    if not tests:
        return f"pytest found no tests (exit code {code})"
    return ""


def run_suite(row: Row, side: Side, cache: Path) -> Result:
    """Run the row's suite once, in a fresh copy of it.

    Raises:
        EnvironmentProblem: if the sdist or the virtual environment cannot be had.
    """
    venv = environment(row, cache)
    work = cache / "work"
    work.mkdir(parents=True, exist_ok=True)
    (work / "pytest.ini").write_text("[pytest]\n")  # pytest looks for settings in no folder above
    with tempfile.TemporaryDirectory(dir=work, prefix=f"{row.name}-") as temporary:
        unpacked = Path(temporary) / "suite"
        unpacked.mkdir()
        folder = lay_out(row, unpacked, cache)
        report, output = Path(temporary) / "report.jsonl", Path(temporary) / "output.txt"
        command = suite_command(row, side, venv)
        env = suite_environment(row, side, venv, report)
        started = time.monotonic()
        code = suites.run(command, folder, env, row.timeout, output)
        seconds = time.monotonic() - started
        text = output.read_text(errors="replace")
        lines = report.read_text(errors="replace").splitlines() if report.exists() else []
    tests, ended = read_events(lines)
    problem = problem_of(row, code, ended, tests)
    return Result(tests, round(seconds, 1), problem, text[-6000:], " ".join(command))


# --- keeping results -----------------------------------------------------------------------------


def result_file(row: Row, side: Side, cache: Path) -> Path:
    """Where the result of a run is kept; a Flask result is found again only by the same row."""
    if side.on != "flask":
        return cache / "results" / f"{row.name}-{side}.json"
    plugin = (HERE / "_plugin.py").read_text()
    key = digest([row_digest(row), environment_digest(row, load_settings()), plugin])
    return cache / "results" / f"{row.name}-flask-{key}.json"


def save_result(result: Result, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(asdict(result)))


def load_result(path: Path) -> Result | None:
    try:
        data = json.loads(path.read_text())
        tests = {name: Case(**test) for name, test in data.pop("tests").items()}
    except (FileNotFoundError, json.JSONDecodeError, KeyError, TypeError):
        return None
    return Result(tests=tests, **data)


def flask_result(row: Row, cache: Path, *, fresh: bool = False) -> tuple[Result, bool]:
    """The row's result on Flask, and whether it was run just now rather than remembered."""
    path = result_file(row, FLASK, cache)
    kept = None if fresh else load_result(path)
    if kept is not None:
        return kept, False
    result = run_suite(row, FLASK, cache)
    if not result.problem:
        save_result(result, path)
    return result, True


def layer_result(row: Row, side: Side, cache: Path) -> Result:
    """Run the row on the layer, or on the core, and keep the result for ``--last``."""
    result = run_suite(row, side, cache)
    save_result(result, result_file(row, side, cache))
    return result
