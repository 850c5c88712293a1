"""The pytest plugin that a suite is run with; it reports each test as a line of JSON.

On the layer it first imports ``quart_flask_patch``, before the suite or any other plugin can import
Flask; on the core alone it imports ``quart``, and on Flask nothing of this project. It runs in the
row's environment, so it uses only the standard library and pytest (7 and later), and none of the
tool's other modules.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from types import FrameType
from typing import TextIO

import pytest

TEXT_LIMIT = 12_000

served = 0  # how many connections reached an application on the core in this process


def use_uvloop() -> None:
    import asyncio

    import uvloop

    # Where setting a policy is deprecated the tool itself refuses --loop uvloop.
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())


def count() -> None:
    global served
    served += 1


side = os.environ.get("COMPAT_MATRIX_SIDE")
if side in ("core", "layer"):
    if os.environ.get("COMPAT_MATRIX_LOOP") == "uvloop":
        use_uvloop()
    if side == "layer":
        import quart_flask_patch  # noqa: F401

        os.environ["COMPAT_MATRIX_CHILD"] = "layer"  # read by _site/sitecustomize.py
        if os.environ.get("COMPAT_MATRIX_THROUGH") == "server":
            from quart_flask_patch._wsgi import through_server

            through_server.install()
    from quart.testing._arrivals import on_each_arrival

    on_each_arrival(count)


class Reporter:
    """Writes what happens as it happens, so that a run that is killed has told how far it came."""

    def __init__(self, file: TextIO) -> None:
        self.file = file
        self.process = os.getpid()
        self.served_before = 0

    def write(self, event: str, **values: object) -> None:
        if os.getpid() == self.process:  # not in a child that a test forked
            print(json.dumps({"event": event, **values}), file=self.file, flush=True)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self.served_before = served
        self.write("start", id=nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.write(
            "phase",
            id=report.nodeid,
            when=report.when,
            outcome=outcome_of(report),
            text=text_of(report),
            seconds=report.duration,
            served=served - self.served_before,
        )

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        self.write("finish", id=nodeid, served=served - self.served_before)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.write("collect", id=report.nodeid, text=text_of(report))

    def pytest_sessionfinish(self, exitstatus: int) -> None:
        self.write("end", exit=int(exitstatus))


def outcome_of(report: pytest.TestReport) -> str:
    if hasattr(report, "wasxfail"):
        return "xfailed" if report.skipped else "xpassed"
    return report.outcome


def text_of(report: pytest.TestReport | pytest.CollectReport) -> str:
    if report.passed:
        return ""
    captured = [f"--- {name} ---\n{text}" for name, text in report.sections if report.failed]
    text = "\n".join([report.longreprtext or str(report.longrepr), *captured])
    return text if len(text) <= TEXT_LIMIT else f"{text[:TEXT_LIMIT]}\n[cut]"


class TimeLimit:
    """Fails a test that takes too long, and goes on with the next."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds

    @pytest.hookimpl(hookwrapper=True)
    def pytest_runtest_protocol(self) -> Iterator[None]:
        started = time.monotonic()

        def on_alarm(number: int, frame: FrameType | None) -> None:
            pytest.fail(f"the test did not end within {time.monotonic() - started:.0f} s")

        before = signal.signal(signal.SIGALRM, on_alarm)
        signal.setitimer(signal.ITIMER_REAL, self.seconds, self.seconds)  # again for its teardown
        yield
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def pytest_configure(config: pytest.Config) -> None:
    if "COMPAT_MATRIX_REPORT" not in os.environ:
        return  # a pytest that a test started for itself
    file = open(os.environ.pop("COMPAT_MATRIX_REPORT"), "w", encoding="utf-8")  # noqa: SIM115
    config.add_cleanup(file.close)
    config.pluginmanager.register(Reporter(file))
    # pytest-timeout uses the same signal: where the row asks for it, it does the work.
    limit = float(os.environ["COMPAT_MATRIX_TEST_TIMEOUT"])
    if sys.platform != "win32" and not config.getoption("timeout", None):
        config.pluginmanager.register(TimeLimit(limit))
