"""``--fail-on-blocking``: what blocks the event loop in a test run, and what is accepted."""

from __future__ import annotations

import os
import subprocess
import threading
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from quart_flask_patch import _measured, Flask, runs_in
from quart_flask_patch._watching import known_calls, measuring
from quart_flask_patch._watching.blocking import (
    Blocking,
    Checker,
    HELD,
    read_baseline,
    write_baseline,
)
from quart_flask_patch._watching.in_tests import _merged, _table

pytest_plugins = ["pytester"]
needs_blockbuster = pytest.mark.skipif(
    find_spec("blockbuster") is None, reason="needs blockbuster, which knows these calls"
)
SUITE = """
import time
import flask
import pytest

app = flask.Flask(__name__)

@app.get("/sleeps")
async def sleeps():
    helper()
    return "x"

@app.get("/busy")
async def busy():
    until = time.perf_counter() + 0.08
    while time.perf_counter() < until:
        pass
    return "x"

@app.get("/plain")
def plain():
    time.sleep(0.001)
    return "x"

@app.get("/known")
async def known():
    time.sleep(0.001)
    return "x"

def helper():
    time.sleep(0.001)

@pytest.mark.parametrize("path", ["sleeps", "busy", "plain", "known"])
def test_it(path):
    assert app.test_client().get(path).text == "x"

def test_that_fails_anyway():
    assert app.test_client().get("/sleeps").text == "y"
"""
LINE = SUITE.partition("def helper():\n")[0].count("\n") + 2
KNOWN = "known: time.sleep in known (test_it.py)"


@pytest.fixture
def suite(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.path.joinpath("test_it.py").write_text(SUITE)
    plugins = "-p quart_flask_patch.pytest_plugin -p no:cacheprovider"
    pytester.path.joinpath("pytest.ini").write_text(f"[pytest]\naddopts = {plugins}\n")
    return pytester


def test_a_run_tells_of_what_blocks(suite: pytest.Pytester) -> None:
    accepted = f"{KNOWN}  # until autumn\ngone: time.sleep in x (y.py)\n"
    suite.path.joinpath("accepted.txt").write_text(accepted)
    options = "--fail-on-blocking", "--blocking-baseline=accepted.txt", "--blocking-seconds=0.05"
    done = suite.runpytest_inprocess(*options)
    assert done.ret == pytest.ExitCode.TESTS_FAILED
    done.assert_outcomes(failed=3, passed=2)
    output = done.stdout.str()
    for text in (
        f"test_it.py:{LINE}: sleeps: time.sleep in helper, ",
        f"busy: {HELD} in busy, ",
        "await quart.utils.run_sync(function)(...)",
        "assert 'x' == 'y'",
        "3 blocking calls, of which 1 are accepted",
        "Accepted, and not seen in this run: 1\n  gone: time.sleep in x (y.py)",
    ):
        assert text in output
    table = output.partition("= endpoints =")[2].splitlines()[1:6]
    rows = {words[0]: words[1:5] for words in map(str.split, table)}
    assert rows == {
        "endpoint": ["place", "requests", "errors", "blocking"],
        "sleeps": ["loop", "2", "0", "2"],
        "busy": ["loop", "1", "0", "1"],
        "known": ["loop", "1", "0", "1"],
        "plain": ["thread", "1", "0", "0"],
    }


def test_workers_of_xdist_leave_it_to_their_controller(suite: pytest.Pytester) -> None:
    options = "--blocking-baseline=written.txt", "--blocking-baseline-write"
    done = suite.runpytest_inprocess(*options, "--blocking-seconds=0.05", "-n", "1")
    done.assert_outcomes(failed=1, passed=4)
    assert list(read_baseline(suite.path / "written.txt")) == [
        f"busy: {HELD} in busy (test_it.py)",
        KNOWN,
        "sleeps: time.sleep in helper (test_it.py)",
    ]
    assert "plain     thread              1" in done.stdout.str()


def test_what_is_said_of_an_entry_stays(tmp_path: Path) -> None:
    file = tmp_path / "baseline.txt"
    assert read_baseline(file) == {}
    write_baseline(file, ["b", "a", "b"])
    file.write_text(file.read_text().replace("\na\n", "\na  # why # not\n"))
    assert read_baseline(file) == {"a": "why # not", "b": ""}
    write_baseline(file, ["c", "a"])
    assert read_baseline(file) == {"a": "why # not", "c": ""}


def test_to_write_needs_a_file(suite: pytest.Pytester) -> None:
    done = suite.runpytest_inprocess("--blocking-baseline-write")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    assert "Expected --blocking-baseline FILE" in done.stderr.str()


def test_rows_of_several_processes_are_put_together() -> None:
    rows = _merged(
        [
            ["a", "loop", 1, 0, 0.5, 0.5, 0.0],
            ["a", "loop", 2, 1, 0.5, 0.25, 1.0],
            ["b", "thread", 1, 0, 0.0, 0.0, 0.0],
        ]
    )
    assert rows == [["a", "loop", 3, 1, 1.0, 0.5, 1.0], ["b", "thread", 1, 0, 0.0, 0.0, 0.0]]
    assert [line.split()[0] for line in _table(rows, ["b"])] == ["endpoint", "b", "a"]


# --- in this process -----------------------------------------------------------------------------


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Blocking]]:
    found: list[Blocking] = []
    checker = Checker(Path(__file__).parent, found.append, seconds=60)
    monkeypatch.setattr(_measured, "checking", measuring.Checking(checker.step))
    put_back = known_calls.install()
    yield found
    put_back()


def ask_database() -> None:
    import sqlite3

    connection = sqlite3.connect(":memory:")
    connection.execute("SELECT 1").fetchone()
    connection.close()


def wait_for_a_lock() -> None:
    lock = threading.Lock()
    lock.acquire()
    lock.acquire(timeout=0.001)


def speak_to_a_socket() -> None:
    import socket

    one, other = socket.socketpair()
    one.sendall(b"x")
    other.recv(1)
    one.close()
    other.close()


def do_not_block() -> None:
    threading.Lock().acquire()
    Path(__file__).read_text("utf-8")


@pytest.mark.parametrize(
    ("function", "calls"),
    [
        (lambda: time.sleep(0), ["time.sleep"]),
        (lambda: subprocess.run(["true"], check=True), ["subprocess.Popen.communicate"]),
        (lambda: os.system("exit 0"), ["os.system"]),
        pytest.param(
            ask_database,
            ["sqlite3.Connection.execute", "sqlite3.Cursor.fetchone"],
            marks=needs_blockbuster,
        ),
        pytest.param(wait_for_a_lock, ["threading.Lock.acquire"], marks=needs_blockbuster),
        pytest.param(
            speak_to_a_socket,
            ["socket.socket.sendall", "socket.socket.recv"],
            marks=needs_blockbuster,
        ),
        (do_not_block, []),
    ],
)
def test_known_calls_are_found_whatever_they_take(
    app: Flask, found: list[Blocking], function: Any, calls: list[str]
) -> None:
    @app.get("/async")
    async def of_async() -> str:
        function()
        return "x"

    @app.get("/plain")
    def of_plain() -> str:
        function()
        return "x"

    client = app.test_client()
    assert (client.get("/plain").text, found) == ("x", [])
    assert client.get("/async").text == "x"
    assert [(each.call, each.endpoint) for each in found] == [(c, "of_async") for c in calls]
    assert {each.file for each in found} <= {Path(__file__).name}


def test_a_step_that_nobody_has_looked_at_is_that_of_its_view(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[Blocking] = []
    checker = Checker(Path(__file__).parent, found.append, seconds=1e-9)
    monkeypatch.setattr(_measured, "checking", measuring.Checking(checker.step))

    @app.get("/")
    async def index() -> str:
        return "x"

    app.test_client().get("/")
    assert {(each.call, each.function.rpartition(".")[2]) for each in found} == {(HELD, "index")}


def test_hooks_of_an_async_view_count_and_what_it_hands_to_a_thread_does_not(
    app: Flask, found: list[Blocking]
) -> None:
    from quart.utils import run_sync

    @app.before_request
    def hook() -> None:
        time.sleep(0)

    @app.get("/")
    async def index() -> str:
        await run_sync(time.sleep)(0)
        return "x"

    assert app.test_client().get("/").text == "x"
    (call,) = found
    assert call.function.endswith("hook")
    assert call.key == f"index: time.sleep in {call.function} ({Path(__file__).name})"


def sleep(seconds: float) -> None:
    time.sleep(seconds)


@pytest.mark.parametrize(("place", "calls"), [("loop", 1), ("own-loop", 0), ("thread", 0)])
def test_what_runs_elsewhere_on_a_server_holds_nobody_up(
    app: Flask, found: list[Blocking], place: str, calls: int
) -> None:
    @app.get("/")
    @runs_in(place)
    async def index() -> str:
        sleep(0)
        return "x"

    assert app.test_client().get("/").text == "x"
    assert len(found) == calls


def test_what_is_put_back_is_what_was_there() -> None:
    before = time.sleep, subprocess.Popen.wait, os.system
    put_back = known_calls.install()
    assert time.sleep is not before[0]
    put_back()
    assert (time.sleep, subprocess.Popen.wait, os.system) == before
