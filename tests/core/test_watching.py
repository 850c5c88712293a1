"""The watchdog beside the loops, the signal that asks, and what a shutdown waits for."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from quart import Quart
from quart._watching import watchdog
from quart._watching.report import requests
from quart.utils import run_sync

from .driver import Client, connect, run, scope_for

LIFESPAN = {"type": "lifespan", "asgi": {"version": "3.0"}}
UP, DOWN = {"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}


@pytest.fixture
def app() -> Quart:
    return Quart("watched")


@pytest.fixture(autouse=True)
def no_watchdog(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no loop of an earlier test be watched still."""
    monkeypatch.setattr(watchdog, "_watchdog", watchdog.Watchdog())


def watchdogs() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == "quart-watchdog"}


class Served:
    """An application that is served, as far as its lifespan goes."""

    def __init__(self, app: Quart) -> None:
        self._app = app
        self.client = Client(UP)

    async def __aenter__(self) -> Served:
        self._task = asyncio.create_task(connect(self._app, LIFESPAN, self.client))
        await self.client.until("lifespan.startup.complete")
        return self

    async def __aexit__(self, *args: object) -> None:
        self.client.say(DOWN)
        await self._task


def ask(app: Quart, path: str = "/") -> tuple[Client, asyncio.Task[Any]]:
    client = Client({"type": "http.request", "body": b"", "more_body": False})
    return client, asyncio.create_task(connect(app, scope_for("http", path), client))


async def ask_and_wait(app: Quart) -> None:
    _, task = ask(app)
    await task


async def until(condition: Callable[[], Any]) -> None:
    while not condition():  # noqa: ASYNC110  # It is another thread that brings that about.
        await asyncio.sleep(0.001)


async def logged(caplog: pytest.LogCaptureFixture, text: str) -> str:
    await until(lambda: any(text in message for message in caplog.messages))
    return next(message for message in caplog.messages if text in message)


def held(caplog: pytest.LogCaptureFixture, seconds: float = 5.0) -> list[str]:
    """Hold the loop until that is reported; return the reports."""
    limit = time.monotonic() + seconds
    while time.monotonic() < limit:
        if reports := [m for m in caplog.messages if "has not turned" in m]:
            return reports
        time.sleep(0.01)
    return []


# --- The watchdog


def test_a_loop_that_is_held_is_reported_once_with_who_holds_it(
    app: Quart, caplog: pytest.LogCaptureFixture
) -> None:
    app.config["BLOCKED_LOOP_WARNING"] = 0.2
    release = threading.Event()

    def takes() -> None:
        held(caplog)  # HERE: held
        time.sleep(0.3)  # Long enough for a second report, if there was one.

    @app.get("/holds")
    async def holds() -> str:
        takes()
        return ""

    @app.get("/waits")
    async def waits() -> str:
        await run_sync(release.wait)()  # HERE: waits
        return ""

    async def main() -> None:
        async with Served(app):
            _, waiting = ask(app, "/waits")
            await until(lambda: requests(app))
            _, holding = ask(app, "/holds")
            await holding
            await logged(caplog, "turns again")
            release.set()
            await waiting

    run(main())
    (report,) = [m for m in caplog.messages if "has not turned" in m]
    assert "It is held by GET /holds ('holds'" in report
    assert "# HERE: held" in report
    assert report.index("HERE: held") < report.index("Other connections under way: 1")
    assert "GET /waits ('waits'" in report
    assert "# HERE: waits" in report


def test_what_is_no_request_is_reported_too(app: Quart, caplog: pytest.LogCaptureFixture) -> None:
    app.config["BLOCKED_LOOP_WARNING"] = 0.2

    async def main() -> None:
        async with Served(app):
            held(caplog)  # HERE: not a request

    run(main())
    (report,) = [m for m in caplog.messages if "has not turned" in m]
    assert "# HERE: not a request" in report
    assert "Other connections under way: 0" in report


@pytest.mark.parametrize(
    ("key", "value"), [("BLOCKED_LOOP_WARNING", None), ("TESTING", True), ("DEBUG", True)]
)
def test_where_nobody_wants_it_nothing_is_watched(app: Quart, key: str, value: Any) -> None:
    app.config["BLOCKED_LOOP_WARNING"] = 0.1
    app.config[key] = value

    async def main() -> bool:
        async with Served(app):
            return watchdog._watchdog._runs

    assert run(main()) is False


def pieces(app: Quart, warning: float) -> Iterator[Callable[[Any], Any]]:
    """Give what runs a coroutine on a loop that rests in between, while *app* is served."""
    app.config["BLOCKED_LOOP_WARNING"] = warning
    with asyncio.Runner() as runner:
        serving = Served(app)
        runner.run(serving.__aenter__())
        yield runner.run
        runner.run(serving.__aexit__())


def test_a_loop_that_does_not_run_holds_nobody(
    app: Quart, caplog: pytest.LogCaptureFixture
) -> None:
    app.add_url_rule("/", "view", lambda: "")
    for piece in pieces(app, warning=0.1):
        for _ in range(2):
            piece(ask_and_wait(app))
            time.sleep(0.3)  # It is the loop's not running that is tried.
            piece(ask_and_wait(app))
    assert [m for m in caplog.messages if "event loop" in m] == []


def test_a_loop_that_is_held_between_rests_is_reported_each_time(
    app: Quart, caplog: pytest.LogCaptureFixture
) -> None:
    async def holds() -> None:
        caplog.clear()
        assert held(caplog)

    for piece in pieces(app, warning=0.1):
        piece(holds())
        time.sleep(0.1)  # A rest, longer than the loop may be held for.
        piece(holds())


@pytest.mark.parametrize("kind", ["http", "websocket"])
def test_a_loop_is_watched_where_there_is_no_lifespan(
    app: Quart, caplog: pytest.LogCaptureFixture, kind: str
) -> None:
    app.config["BLOCKED_LOOP_WARNING"] = 0.1

    async def holds() -> str:
        held(caplog)  # HERE: without a lifespan
        return ""

    async def socket() -> None:
        await holds()

    app.route("/")(holds)
    app.websocket("/")(socket)
    first = {"type": "http.request" if kind == "http" else "websocket.connect", "body": b""}
    run(connect(app, scope_for(kind), Client(first)))
    (report,) = [m for m in caplog.messages if "has not turned" in m]
    assert "# HERE: without a lifespan" in report


def test_a_loop_is_watched_once_though_it_serves_several_applications(
    app: Quart, caplog: pytest.LogCaptureFixture
) -> None:
    mounted = Quart("mounted")
    for each in (app, mounted):
        each.config["BLOCKED_LOOP_WARNING"] = 0.1

    def takes() -> None:
        held(caplog)
        time.sleep(0.1)  # Long enough for another report, by a second watchdog.

    @mounted.get("/")
    async def holds() -> str:
        takes()
        return ""

    async def main() -> None:
        async with Served(app):
            await ask_and_wait(mounted)

    run(main())
    assert len([m for m in caplog.messages if "has not turned" in m]) == 1


def test_a_test_client_s_loop_is_not_watched(app: Quart) -> None:
    app.add_url_rule("/", "view", lambda: "")

    async def main() -> bool:
        await app.test_client().get("/")
        return watchdog._watchdog._runs

    assert run(main()) is False


def test_it_ends_with_what_it_watches(app: Quart) -> None:
    earlier = watchdogs()

    async def main() -> threading.Thread:
        async with Served(app):
            (thread,) = watchdogs() - earlier
            assert thread.daemon
        return thread

    thread = run(main())
    thread.join(5)
    assert not thread.is_alive()


def test_a_loop_that_ends_without_a_word_is_forgotten(app: Quart) -> None:
    app.config["BLOCKED_LOOP_WARNING"] = 0.1
    earlier = watchdogs()

    async def main() -> threading.Thread:
        client = Client(UP)
        task = asyncio.create_task(connect(app, LIFESPAN, client))
        await client.until("lifespan.startup.complete")
        (thread,) = watchdogs() - earlier
        task.cancel()
        return thread

    thread = run(main())
    thread.join(5)
    assert not thread.is_alive()


# --- The signal


@pytest.fixture
def default_signal() -> Iterator[None]:
    before = signal.signal(signal.SIGUSR1, signal.SIG_DFL)
    yield
    signal.signal(signal.SIGUSR1, before)


def test_a_signal_lists_what_is_under_way(
    app: Quart, caplog: pytest.LogCaptureFixture, default_signal: None
) -> None:
    going_on = asyncio.Event()

    @app.get("/")
    async def view() -> str:
        await going_on.wait()  # HERE: signal
        return ""

    async def main() -> None:
        async with Served(app):
            _, task = ask(app)
            await until(lambda: requests(app))
            os.kill(os.getpid(), signal.SIGUSR1)
            message = await logged(caplog, "Connections under way: 1")
            assert "# HERE: signal" in message
            going_on.set()
            await task
        assert signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL

    run(main())


def test_where_there_is_no_lifespan_the_first_connection_sees_to_the_signal(
    app: Quart, caplog: pytest.LogCaptureFixture, default_signal: None
) -> None:
    going_on = asyncio.Event()

    @app.get("/")
    async def view() -> str:
        await going_on.wait()
        return ""

    async def main() -> None:
        _, task = ask(app)
        await until(lambda: requests(app))
        os.kill(os.getpid(), signal.SIGUSR1)
        await logged(caplog, "Connections under way: 1")
        going_on.set()
        await task

    run(main())


def test_a_signal_that_somebody_handles_is_left_alone(app: Quart, default_signal: None) -> None:
    def handler(*args: Any) -> None: ...

    signal.signal(signal.SIGUSR1, handler)

    async def main() -> None:
        async with Served(app):
            assert signal.getsignal(signal.SIGUSR1) is handler
        assert signal.getsignal(signal.SIGUSR1) is handler

    run(main())


@pytest.mark.parametrize("name", [None, "SIGUSR2", "SIGNONE"])
def test_the_signal_is_configured(app: Quart, default_signal: None, name: str | None) -> None:
    app.config["REQUESTS_SIGNAL"] = name

    async def main() -> None:
        async with Served(app):
            assert signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL
            assert (signal.getsignal(signal.SIGUSR2) is signal.SIG_DFL) is (name != "SIGUSR2")

    run(main())


# --- The end

ENDS_WITHOUT_A_WORD = """
import asyncio, sys, threading, time
from quart import Quart

app = Quart("served")
app.config["CONNECTION_SHUTDOWN_TIMEOUT"] = 0.1
app.teardown_request(lambda error: print("teardown"))
begun = threading.Event()

@app.get("/async")
async def waits():
    try:
        await asyncio.sleep(60)
    finally:
        print("async")

@app.get("/plain")
def blocks():
    begun.set()
    try:
        time.sleep(0.2)
    finally:
        print("plain")
    return ""

async def task():
    try:
        await asyncio.sleep(0.01)
    finally:
        print("background")

async def receive():
    await asyncio.sleep(60)

async def send(message): ...

async def serve():
    for path in ("/async", "/plain"):
        scope = {"type": "http", "method": "GET", "path": path, "headers": [], "query_string": b""}
        tasks.append(asyncio.create_task(app(scope | {"http_version": "1.1"}, receive, send)))
    while not begun.is_set():
        await asyncio.sleep(0.001)
    app.add_background_task(task)

tasks = []
loop = asyncio.new_event_loop()
loop.run_until_complete(serve())
sys.exit(4)
"""


def test_a_server_without_a_lifespan_that_stops_its_loop_leaves_nothing_undone() -> None:
    command = [sys.executable, "-c", ENDS_WITHOUT_A_WORD]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    said = ended.stdout.split()
    assert sorted(said) == ["async", "background", "plain", "teardown", "teardown"], ended.stderr
    assert ended.returncode == 4


@pytest.fixture
def log(app: Quart) -> list[str]:
    """What has ended, in order."""
    log: list[str] = []
    app.teardown_request(lambda error: log.append("teardown"))
    app.after_serving(lambda: log.append("after_serving"))
    return log


def blocking(log: list[str], begun: threading.Event, over: threading.Event) -> Callable[[], str]:
    def view() -> str:
        begun.set()
        try:
            assert over.wait(5)
        finally:
            log.append("finally")
        return ""

    return view


def test_handlers_that_a_server_has_cancelled_end_before_after_serving(
    app: Quart, log: list[str]
) -> None:
    begun, over = threading.Event(), threading.Event()
    app.add_url_rule("/plain", "plain", blocking(log, begun, over))

    @app.get("/async")
    async def waits() -> str:
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.001)
            log.append("finally")
        return ""

    async def main() -> None:
        async with Served(app):
            tasks = [ask(app, path)[1] for path in ("/plain", "/async")]
            await asyncio.to_thread(begun.wait, 5)
            for task in tasks:
                task.cancel()
            asyncio.get_running_loop().call_later(0.05, over.set)
        await asyncio.wait(tasks)

    run(main())
    assert sorted(log) == ["after_serving", "finally", "finally", "teardown", "teardown"]
    assert log[-1] == "after_serving"


def test_a_handler_that_nobody_has_cancelled_is(app: Quart, log: list[str]) -> None:
    app.config["CONNECTION_SHUTDOWN_TIMEOUT"] = 0.05

    @app.get("/")
    async def waits() -> str:
        await asyncio.sleep(60)
        return ""

    async def main() -> None:
        async with Served(app):
            _, task = ask(app)
            await until(lambda: requests(app))
        await asyncio.wait([task])

    run(main())
    assert log == ["teardown", "after_serving"]


def test_a_handler_that_does_not_end_is_named_and_no_longer_waited_for(
    app: Quart,
    log: list[str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("quart._serving.lifespan.CANCEL_TIMEOUT", 0.05)
    app.config["CONNECTION_SHUTDOWN_TIMEOUT"] = 0.05
    begun, over = threading.Event(), threading.Event()
    app.add_url_rule("/", "stuck", blocking(log, begun, over))

    async def main() -> None:
        async with Served(app):
            _, task = ask(app)
            await asyncio.to_thread(begun.wait, 5)
        over.set()
        await asyncio.wait([task])

    with caplog.at_level(logging.WARNING):
        run(main())
    assert log == ["after_serving", "finally", "teardown"]
    (message,) = [m for m in caplog.messages if "did not end" in m]
    assert "('stuck'" in message
    assert "assert over.wait(5)" in message
