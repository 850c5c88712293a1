"""Start and shutdown, background tasks, and the development server over real sockets."""

from __future__ import annotations

import asyncio
import logging
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypercorn.utils import LifespanFailureError
from websockets.asyncio.client import connect

from _serving import free_port
from quart import current_app, g, has_request_context, Quart, websocket
from quart._serving.reloader import Watcher
from quart._serving.server import run_app, serve, Stop
from quart._serving.server_config import ServeOptions, ServerConfig
from quart.signals import got_background_exception, got_serving_exception

LIMIT = 15


def run(main: Any) -> Any:
    async def limited() -> Any:
        async with asyncio.timeout(LIMIT):
            return await main

    return asyncio.run(limited())


@pytest.fixture
def app() -> Quart:
    return Quart(__name__)


# Start and shutdown


def test_hooks_run_in_order_and_in_context(app: Quart) -> None:
    events = []

    def note(name: str) -> None:
        assert current_app.name == app.name
        events.append(name)

    def generator(name: str) -> Callable[[], AsyncIterator[None]]:
        async def around() -> AsyncIterator[None]:
            note(f"{name} up")
            yield
            note(f"{name} down")

        return around

    app.before_serving(lambda: note("before"))
    app.while_serving(generator("one"))
    app.while_serving(generator("two"))
    app.after_serving(lambda: note("after"))

    @app.while_serving
    def plain() -> Iterator[None]:
        note("plain up")
        yield
        note("plain down")

    async def main() -> None:
        for _ in range(2):  # an app may be served again
            events.clear()
            await app.startup()
            assert events == ["before", "one up", "two up", "plain up"]
            assert not app.shutdown_event.is_set()
            events.clear()
            await app.shutdown()
            assert events == ["plain down", "two down", "one down", "after"]
            assert app.shutdown_event.is_set()

    run(main())


def test_nothing_is_torn_down_at_a_start_that_nobody_asked_for(app: Quart) -> None:
    torn_down: list[str] = []
    app.teardown_appcontext(lambda error: torn_down.append(current_app.name))

    async def serve() -> None:
        await app.startup()
        await app.shutdown()

    run(serve())
    assert torn_down == []
    app.before_serving(lambda: None)
    run(serve())
    assert torn_down == [app.name]


def test_failed_start_ends_what_has_started(app: Quart, caplog: pytest.LogCaptureFixture) -> None:
    events: list[Any] = []

    @app.while_serving
    async def around() -> AsyncIterator[None]:
        try:
            yield
        finally:
            events.append("closed")

    @app.while_serving
    async def fail() -> AsyncIterator[None]:
        raise ValueError("cannot start")
        yield

    @app.after_serving
    async def after() -> None:
        events.append("after")

    def receive(sender: Any, exception: Exception) -> None:
        events.append(exception)

    async def main() -> None:
        with pytest.raises(ValueError, match="cannot start") as raised:
            await app.startup()
        assert events == [raised.value, "closed"]

    with got_serving_exception.connected_to(receive, app):
        run(main())
    assert "cannot start" in caplog.text


def test_every_shutdown_function_runs(app: Quart) -> None:
    ran = []

    @app.while_serving
    async def twice() -> AsyncIterator[None]:
        yield
        yield

    @app.while_serving
    async def fine() -> AsyncIterator[None]:
        yield
        ran.append("generator")

    @app.after_serving
    async def fail() -> None:
        raise ValueError("of a function")

    @app.after_serving
    def last() -> None:
        ran.append("function")

    async def main() -> None:
        await app.startup()
        with pytest.raises(ExceptionGroup) as raised:
            await app.shutdown()
        types = {type(error) for error in raised.value.exceptions}
        assert types == {RuntimeError, ValueError}

    run(main())
    assert ran == ["generator", "function"]


def test_single_shutdown_error_is_raised_as_it_is(app: Quart) -> None:
    @app.after_serving
    async def fail() -> None:
        raise ValueError("alone")

    async def main() -> None:
        await app.startup()
        with pytest.raises(ValueError, match="alone"):
            await app.shutdown()

    run(main())


# Background tasks


@pytest.mark.parametrize("kind", ["async", "plain"])
@pytest.mark.parametrize("from_view", ["async", "plain"])
def test_background_task(app: Quart, kind: str, from_view: str) -> None:
    request_id: ContextVar[str] = ContextVar("request_id")
    seen = []

    def plain(a: int, *, b: int) -> None:
        seen.append((a, b, current_app.name, has_request_context(), "x" in g, request_id.get()))

    async def coroutine(a: int, *, b: int) -> None:
        plain(a, b=b)

    def add() -> str:
        g.x = 1
        request_id.set("id")
        app.add_background_task(plain if kind == "plain" else coroutine, 1, b=2)
        return ""

    @app.get("/async")
    async def async_view() -> str:
        return add()

    app.add_url_rule("/plain", view_func=add)

    async def main() -> None:
        async with app.test_app() as test_app:
            await test_app.test_client().get(f"/{from_view}")
        assert not app.background_tasks

    run(main())
    assert seen == [(1, 2, app.name, False, False, "id")]


def test_failing_background_task(app: Quart, caplog: pytest.LogCaptureFixture) -> None:
    seen = []

    async def fail() -> None:
        raise ValueError("in the background")

    def receive(sender: Any, exception: Exception) -> None:
        seen.append(str(exception))

    async def main() -> None:
        app.add_background_task(fail)
        await app.shutdown()

    with got_background_exception.connected_to(receive, app):
        run(main())
    assert seen == ["in the background"]
    assert "in the background" in caplog.text


def test_shutdown_waits_for_tasks_and_what_they_add(app: Quart) -> None:
    done = []

    async def second() -> None:
        await asyncio.sleep(0.001)
        done.append(2)

    async def first() -> None:
        await asyncio.sleep(0.001)
        app.add_background_task(second)
        done.append(1)

    async def main() -> None:
        app.add_background_task(first)
        await app.shutdown()

    run(main())
    assert done == [1, 2]


@pytest.mark.parametrize("stubborn", [False, True])
def test_shutdown_cancels_tasks_in_the_end(
    app: Quart, stubborn: bool, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("quart._serving.lifespan.CANCEL_TIMEOUT", 0.05)
    app.config["BACKGROUND_TASK_SHUTDOWN_TIMEOUT"] = 0.05
    cancelled = []

    async def hang() -> None:
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                cancelled.append(True)
                if not stubborn or len(cancelled) > 1:
                    raise

    async def main() -> None:
        app.add_background_task(hang)
        await app.shutdown()
        assert cancelled == [True]

    run(main())
    assert ("did not end when cancelled" in caplog.text) is stubborn


def test_a_task_that_an_extension_has_added_ends_with_the_application(app: Quart) -> None:
    """It stays in the set when it is done, so the end must not wait until it has gone."""
    app.config["BACKGROUND_TASK_SHUTDOWN_TIMEOUT"] = None
    ended = []

    async def until_the_end() -> None:
        await app.shutdown_event.wait()
        ended.append(True)

    async def main() -> None:
        await app.startup()
        app.background_tasks.add(asyncio.create_task(until_the_end()))
        await asyncio.wait_for(app.shutdown(), 30)

    run(main())
    assert ended == [True]


def test_background_task_needs_a_loop(app: Quart) -> None:
    with pytest.raises(RuntimeError, match="Expected a running event loop"):
        app.add_background_task(print)


# The server, in this process


@asynccontextmanager
async def serving(app: Quart) -> AsyncIterator[tuple[str, Stop]]:
    """Serve on a free port; give the address and what stops the server."""
    config, stop = ServerConfig.from_options(ServeOptions(port=0)), Stop()
    (url,) = config.urls
    task = asyncio.create_task(serve(app, config, stop=stop))
    async with httpx.AsyncClient(base_url=url, verify=False) as client:
        while not task.done():
            try:
                await client.get("/no-such-path")
                break
            except httpx.ConnectError:
                await asyncio.sleep(0.01)
    try:
        yield url.removeprefix("http://"), stop
    finally:
        stop.force()
        await task


@asynccontextmanager
async def streaming(address: str) -> AsyncIterator[AsyncIterator[bytes]]:
    async with (
        httpx.AsyncClient(verify=False) as client,
        client.stream("GET", f"http://{address}/") as response,
    ):
        yield response.aiter_raw()


def test_serving_requests(app: Quart) -> None:
    @app.get("/")
    async def index() -> str:
        return "hi"

    async def main() -> None:
        async with serving(app) as (address, _), httpx.AsyncClient(verify=False) as client:
            assert (await client.get(f"http://{address}/")).text == "hi"

    run(main())


def test_stopping_waits_for_a_request(app: Quart) -> None:
    entered, asked = asyncio.Event(), asyncio.Event()

    @app.get("/")
    async def index() -> str:
        entered.set()
        await asked.wait()
        return "complete"

    async def main() -> None:
        async with serving(app) as (address, stop), httpx.AsyncClient(verify=False) as client:
            response = asyncio.create_task(client.get(f"http://{address}/"))
            await entered.wait()
            stop.request()
            asked.set()
            assert (await response).text == "complete"

    run(main())


@pytest.mark.parametrize("forced", [False, True])
def test_stopping_with_an_endless_stream(
    app: Quart, forced: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("quart._serving.server.GRACE", 60 if forced else 0.1)
    monkeypatch.setattr("quart._serving.server.IMPATIENCE", 0)
    ended = []

    @app.get("/")
    async def index() -> Any:
        async def chunks() -> AsyncIterator[str]:
            try:
                while True:
                    yield "data: tick\n\n"
                    await asyncio.sleep(0.01)
            finally:
                ended.append("stream")

        return chunks(), {"Content-Type": "text/event-stream"}

    @app.after_serving
    async def after() -> None:
        ended.append("app")

    async def main() -> None:
        async with serving(app) as (address, stop), streaming(address) as chunks:
            assert b"tick" in await anext(chunks)
            stop.request()
            if forced:
                stop.request()
            with pytest.raises(httpx.RemoteProtocolError):
                [_ async for _ in chunks]

    run(main())
    assert ended == ["stream", "app"]


def test_a_start_that_does_not_end_is_stopped(app: Quart) -> None:
    ended, begun = [], asyncio.Event()

    @app.before_serving
    async def wait_for_the_database() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("start")

    async def main() -> None:
        config, stop = ServerConfig.from_options(ServeOptions(port=0)), Stop()
        task = asyncio.create_task(serve(app, config, stop=stop))
        await begun.wait()
        stop.request()
        await task

    run(main())
    assert ended == ["start"]


def test_a_shutdown_that_does_not_end_is_stopped_by_a_third_request(
    app: Quart, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("quart._serving.server.IMPATIENCE", 0)
    ended, begun = [], asyncio.Event()

    @app.after_serving
    async def after() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("shutdown")

    async def main() -> None:
        async with serving(app) as (_, stop):
            stop.request()
            stop.request()
            await begun.wait()
            assert ended == []
            stop.request()

    run(main())
    assert ended == ["shutdown"]


def test_a_stream_may_watch_for_the_stop(app: Quart) -> None:
    @app.get("/")
    async def index() -> Any:
        async def chunks() -> AsyncIterator[str]:
            yield "first"
            await app.shutdown_event.wait()
            yield "last"

        return chunks()

    async def main() -> None:
        async with serving(app) as (address, stop), streaming(address) as chunks:
            received = await anext(chunks)
            stop.request()
            received += b"".join([chunk async for chunk in chunks])
        assert received == b"firstlast"

    run(main())


@pytest.mark.parametrize("handler", ["receives", "sends", "sleeps"])
def test_stopping_with_an_open_websocket(
    app: Quart, handler: str, caplog: pytest.LogCaptureFixture
) -> None:
    ended = []

    @app.websocket("/")
    async def index() -> None:
        await websocket.send("hello")
        try:
            while True:
                if handler == "receives":
                    await websocket.receive()
                elif handler == "sends":
                    await websocket.send("again")
                await asyncio.sleep(0.01 if handler == "sends" else 60)
        finally:
            ended.append(True)

    async def main() -> None:
        async with serving(app) as (address, stop), connect(f"ws://{address}/") as client:
            assert await client.recv() == "hello"
            stop.request()
            assert {message async for message in client} <= {"again"}
            assert client.close_code == 1001

    run(main())
    assert ended == [True]
    assert "Error in ASGI Framework" not in caplog.text


def test_failing_start_stops_the_server(app: Quart) -> None:
    @app.before_serving
    async def fail() -> None:
        raise ValueError("no database")

    async def main() -> None:
        with pytest.raises(LifespanFailureError, match="no database"):
            await app.run_task(port=0)

    run(main())


def test_address_in_use_is_known_before_the_start(app: Quart) -> None:
    started = []
    app.before_serving(lambda: started.append(True))

    async def main() -> None:
        with (
            socket.create_server(("127.0.0.1", 0)) as taken,
            pytest.raises(OSError, match="in use"),
        ):
            await app.run_task(port=taken.getsockname()[1])

    run(main())
    assert not started


def test_run_task_with_a_trigger(app: Quart) -> None:
    async def main() -> None:
        asked, started = asyncio.Event(), asyncio.Event()

        @app.before_serving
        async def start() -> None:
            started.set()

        async def trigger() -> None:
            await asked.wait()

        task = asyncio.create_task(app.run_task(port=0, debug=True, shutdown_trigger=trigger))
        await started.wait()
        assert not task.done()
        asked.set()
        await task
        assert app.debug

    run(main())


def test_run_stops_on_a_signal(app: Quart, capsys: pytest.CaptureFixture[str]) -> None:
    before = signal.getsignal(signal.SIGTERM)
    app.before_serving(lambda: app.add_background_task(os.kill, os.getpid(), signal.SIGTERM))
    app.run(port=0, use_reloader=False)
    assert signal.getsignal(signal.SIGTERM) is before
    printed = capsys.readouterr().out
    assert f" * Serving Quart app '{app.name}'" in printed
    assert " * Debug mode: off" in printed
    assert " * Running on http://127.0.0.1:" in printed


def test_run_on_a_loop_of_the_caller(app: Quart) -> None:
    used = []

    async def stop() -> None:
        used.append(asyncio.get_running_loop())
        os.kill(os.getpid(), signal.SIGINT)

    app.before_serving(lambda: app.add_background_task(stop))
    app.config["SERVER_NAME"] = "127.0.0.1:0"
    loop = asyncio.new_event_loop()
    app.run(use_reloader=False, loop=loop, debug=True)
    assert used == [loop]
    assert loop.get_debug()
    assert not loop.is_closed()
    loop.close()


def test_a_start_that_is_given_up_leaves_nothing_on_the_callers_loop(app: Quart) -> None:
    log: list[str] = []

    @app.while_serving
    async def serving() -> AsyncIterator[None]:
        os.kill(os.getpid(), signal.SIGINT)
        try:
            await asyncio.sleep(60)
            yield
        finally:
            log.append("ended")

    loop = asyncio.new_event_loop()
    app.run(port=0, use_reloader=False, loop=loop)
    assert (log, asyncio.all_tasks(loop)) == (["ended"], set())
    loop.close()


def test_run_warns_of_unknown_arguments(app: Quart) -> None:
    app.before_serving(lambda: app.add_background_task(os.kill, os.getpid(), signal.SIGTERM))
    with pytest.warns(UserWarning, match=r"run\(\) does not support workers"):
        app.run(port=0, use_reloader=False, workers=2)


def test_access_lines_are_logged(app: Quart, caplog: pytest.LogCaptureFixture) -> None:
    app.logger.setLevel(logging.WARNING)

    async def main() -> None:
        async with serving(app) as (address, _), httpx.AsyncClient(verify=False) as client:
            await client.get(f"http://{address}/missing?a=b")

    run(main())
    assert re.search(r'"GET /missing\?a=b HTTP/1\.1" 404, \d+ bytes, 0\.\d+ seconds', caplog.text)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:"),
        ("localhost", "http://127.0.0.1:"),
        ("::1", "http://[::1]:"),
        ("unix:app.sock", "http://unix:app.sock"),
    ],
)
def test_addresses(host: str, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    config = ServerConfig.from_options(ServeOptions(host=host, port=0))
    assert config.urls[0].startswith(url)
    config.close()


def test_inherited_socket() -> None:
    with socket.create_server(("127.0.0.1", 0)) as bound:
        config = ServerConfig.from_options(ServeOptions())
        config.inherit(str(bound.fileno()))
        assert config.urls == [f"http://127.0.0.1:{bound.getsockname()[1]}"]
        bound.detach()
    config.close()


def test_certificates(tmp_path: Path) -> None:
    config = ServerConfig.from_options(ServeOptions(ssl_context=("a.pem", "b.pem")))
    assert config.ssl_enabled
    assert (config.certfile, config.keyfile) == ("a.pem", "b.pem")
    with pytest.raises(ValueError, match="Expected ssl_context to be"):
        ServerConfig.from_options(ServeOptions(ssl_context="letsencrypt"))


def test_any_asgi_app_can_be_served(capsys: pytest.CaptureFixture[str]) -> None:
    async def asgi(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        os.kill(os.getpid(), signal.SIGTERM)
        await receive()
        await send({"type": "lifespan.shutdown.complete"})

    run_app(lambda: asgi, ServeOptions(port=0), name="mine", framework="ASGI")
    assert " * Serving ASGI app 'mine'" in capsys.readouterr().out


# Reloading


def touch(path: Path) -> None:
    later = time.time() + 5
    os.utime(path, (later, later))


def test_watcher(tmp_path: Path) -> None:
    config, ignored = tmp_path / "dir" / "config.toml", tmp_path / "dir" / "cache.tmp"
    config.parent.mkdir()
    config.touch()
    ignored.touch()
    watcher = Watcher([str(config.parent), str(tmp_path / "missing")], ["*.tmp"])
    assert not watcher.changed()
    touch(ignored)
    assert not watcher.changed()
    touch(config)
    assert watcher.changed()


def test_watcher_sees_modules_imported_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watcher = Watcher()
    assert not watcher.changed()
    module = tmp_path / "imported_later.py"
    module.touch()
    monkeypatch.syspath_prepend(tmp_path)
    __import__("imported_later")
    monkeypatch.delitem(sys.modules, "imported_later", raising=False)
    __import__("imported_later")
    assert not watcher.changed()
    touch(module)
    assert watcher.changed()
    monkeypatch.delitem(sys.modules, "imported_later")


PROGRAM = """
import os
from quart import Quart
from werkzeug.serving import is_running_from_reloader

app = Quart(__name__)

@app.get("/")
async def index():
    return f"VERSION {os.getpid()} {is_running_from_reloader()}"

@app.after_serving
async def after():
    print("stopped", flush=True)

if __name__ == "__main__":
    app.run(port=PORT)
"""


def wait_for(url: str, start: str) -> str:
    deadline = time.monotonic() + LIMIT
    while time.monotonic() < deadline:
        try:
            text = httpx.get(url, verify=False).text
        except httpx.TransportError:
            text = ""
        if text.startswith(start):
            return text
        time.sleep(0.1)
    raise AssertionError(f"expected {start!r} at {url} within {LIMIT} seconds")


class Running:
    """A command that runs in a process group of its own, and what it has printed."""

    def __init__(self, command: list[str], directory: Path) -> None:
        self.process = subprocess.Popen(
            [sys.executable, *command],
            cwd=directory,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self.output = ""
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.output += line

    def wait_for_output(self, text: str) -> None:
        deadline = time.monotonic() + LIMIT
        while text not in self.output:
            assert time.monotonic() < deadline, self.output
            time.sleep(0.05)

    def wait(self) -> int:
        code = self.process.wait(LIMIT)
        self._reader.join()
        return code

    def kill(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.wait()
        assert self.process.stdout is not None
        self.process.stdout.close()


@contextmanager
def running(command: list[str], directory: Path) -> Iterator[Running]:
    program = Running(command, directory)
    try:
        yield program
    finally:
        program.kill()


@pytest.mark.parametrize("way", ["script", "command"])
def test_reloading(tmp_path: Path, way: str) -> None:
    port = free_port()
    file = tmp_path / "app.py"

    def write(version: str) -> None:
        file.write_text(PROGRAM.replace("VERSION", version).replace("PORT", str(port)))

    write("one")
    command = ["app.py"]
    if way == "command":
        command = ["-m", "quart", "run", "--reload", "--port", str(port)]
    with running(command, tmp_path) as program:
        url = f"http://127.0.0.1:{port}/"
        first = wait_for(url, "one").split()
        assert first[2] == "True"
        assert int(first[1]) != program.process.pid
        # Of another length: Python tells a file that it has compiled by its second and its size.
        write("second")
        second = wait_for(url, "second").split()
        assert second[1] != first[1]
        file.write_text("def broken(:")
        program.wait_for_output("SyntaxError")
        write("three")
        wait_for(url, "three")
        program.process.send_signal(signal.SIGINT)
        assert program.wait() == 0
    assert program.output.count("Serving Quart app") == 1
    assert program.output.rstrip().endswith("stopped")


def test_a_failing_child_can_be_given_up(tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "app.py").write_text(PROGRAM.replace("PORT", str(port)))
    with running(["app.py"], tmp_path) as program:
        wait_for(f"http://127.0.0.1:{port}/", "VERSION")
        (tmp_path / "app.py").write_text("def broken(:")
        program.wait_for_output("SyntaxError")
        time.sleep(0.2)  # Until it waits for a change; what it says comes a little earlier.
        program.process.send_signal(signal.SIGTERM)
        assert program.wait() == 1


@pytest.mark.skipif(os.name != "posix", reason="the parent's socket is not inherited there")
def test_a_script_that_does_not_compile_answers_with_the_error_at_once(tmp_path: Path) -> None:
    """No line of it runs, so it is the reloading parent that answers."""
    port = free_port()
    file = tmp_path / "app.py"
    text = PROGRAM.replace("VERSION", "one").replace("PORT", f"{port}, debug=True")
    file.write_text(text)
    with running(["app.py"], tmp_path) as program:
        url = f"http://127.0.0.1:{port}/"
        wait_for(url, "one")
        for _ in range(2):
            file.write_text("def broken(:")
            assert "SyntaxError" in wait_for(url, "<!doctype html>")
            file.write_text("raise SystemExit(1)")
            wait_for(
                url, '<!doctype html>\n<html lang="en">\n<title>RuntimeError: The program ended'
            )
            file.write_text(text)
            wait_for(url, "one")
        program.process.send_signal(signal.SIGTERM)
        assert program.wait() == 0


FAILING_START = """
from quart import Quart
app = Quart(__name__)

@app.before_serving
async def start():
    raise LookupError("no database")
"""


@pytest.mark.parametrize(
    ("source", "told", "debug"),
    [
        ("def broken(:", "SyntaxError", True),
        ("def broken(:", "SyntaxError", False),
        (FAILING_START, "LookupError: no database", True),
    ],
    ids=["syntax", "without-debug", "start"],
)
def test_a_program_that_does_not_start_answers_with_the_error_at_once(
    tmp_path: Path, source: str, told: str, debug: bool
) -> None:
    port = free_port()
    file = tmp_path / "app.py"
    program_text = PROGRAM.replace("VERSION", "one").replace("PORT", str(port))
    file.write_text(program_text)
    command = ["-m", "quart", *(["--debug"] if debug else []), "run", "--reload", "--port"]
    with running([*command, str(port)], tmp_path) as program:
        url = f"http://127.0.0.1:{port}/"
        wait_for(url, "one")
        file.write_text(source)
        program.wait_for_output(told)
        page = wait_for(url, "<!doctype html>" if debug else "The program does not start")
        assert (told in page) is debug
        file.write_text(program_text)
        wait_for(url, "one")
        program.process.send_signal(signal.SIGTERM)
        assert program.wait() == 0
