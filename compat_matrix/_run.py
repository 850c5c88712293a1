"""Run a row's suite once, on one side."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from compat_matrix._environment import environment, python_of
from compat_matrix._results import Case, IN_A_THREAD, read_events, Result, result_key, Side
from compat_matrix._rows import HERE, load_settings, PROJECT, Row
from compat_matrix._sdist import lay_out
from compat_matrix._uv import EnvironmentProblem

# Variables of the user's shell that would change what a suite does. Where CI is set, some suites
# fail for a service that they start by themselves otherwise.
NOT_INHERITED = ("FLASK_", "QUART_", "PYTEST_", "COMPAT_MATRIX_", "TOX_", "GITHUB_", "GITLAB_")
NOT_INHERITED_NAMES = {"CI", "PYTHONPATH", "PYTHONWARNINGS", "PYTHONHOME", "VIRTUAL_ENV"}


def suite_environment(row: Row, side: Side, folder: Path, report: Path) -> dict[str, str]:
    """Return the environment variables for a suite's process."""
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
        "COMPAT_MATRIX_THROUGH": side.through,
        "COMPAT_MATRIX_PACKAGES": json.dumps({name: str(path) for name, path in packages.items()}),
        "COMPAT_MATRIX_REPORT": str(report),
        "COMPAT_MATRIX_TEST_TIMEOUT": str(row.test_timeout),
        "COMPAT_MATRIX_MEMORY": str(int(memory * 2**30)),
    }
    return env


def suite_command(row: Row, side: Side, folder: Path) -> list[str]:
    command = [str(python_of(folder)), "-m", "pytest", "-p", "compat_matrix._plugin"]
    if side == IN_A_THREAD:
        command += ["-p", "compat_matrix._own_thread"]
    command += ["--rootdir=.", "--tb=short", "--continue-on-collection-errors", *row.arguments]
    if side.on != "flask":
        for entry in row.deselected(side.place, side.through):
            command += ["--deselect", entry.test]
    return command


def end_process(process: subprocess.Popen[str], *, print_stacks: bool) -> None:
    """End the suite and everything it started; pytest's fault handler may print stacks first."""
    if sys.platform == "win32":
        process.kill()
        return
    with suppress(ProcessLookupError):
        if print_stacks:
            os.kill(process.pid, signal.SIGABRT)
            time.sleep(1)
        os.killpg(process.pid, signal.SIGKILL)


class Suites:
    """The running suites; each leads a session of its own, so Ctrl-C does not reach it."""

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
        """End everything that runs, and let nothing start any more."""
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


def run_suite(
    row: Row, side: Side, cache: Path, watch: Callable[[Path], object] = lambda report: None
) -> Result:
    """Run the row's suite once, in a fresh copy of it.

    Before the suite starts, *watch* gets the path of the file for the tests' reports.

    Raises:
        EnvironmentProblem: if the sdist or the virtual environment cannot be had.
    """
    venv = environment(row, cache)
    key = result_key(row, side)
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
        watch(report)
        started = time.monotonic()
        code = suites.run(command, folder, env, row.timeout, output)
        seconds = time.monotonic() - started
        text = output.read_text(errors="replace")
        lines = report.read_text(errors="replace").splitlines() if report.exists() else []
    tests, ended = read_events(lines)
    if key != result_key(row, side):
        key = ""  # the source was changed meanwhile: nobody can say what the suite ran on
    return Result(
        tests,
        round(seconds, 1),
        problem_of(row, code, ended, tests),
        text[-6000:],
        " ".join(command),
        key,
        time.time(),
    )
