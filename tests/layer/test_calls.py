"""A WSGI call, or one of Flask's client, is answered where it is made, without an event loop."""

from __future__ import annotations

import asyncio
import gc
import io
import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar, copy_context
from typing import Any

import pytest
import trio
from flask import Flask, g, has_request_context, request, Response, session, stream_with_context
from werkzeug.test import create_environ, run_wsgi_app

import quart
from quart_flask_patch import runs_in, wait
from quart_flask_patch._waiting import green

Ask = Callable[[Callable[[], Any]], Any]


def _here(ask: Callable[[], Any]) -> Any:
    return ask()


def _within_a_loop(ask: Callable[[], Any]) -> Any:
    async def main() -> Any:
        return ask()

    return asyncio.run(main())


def _within_trio(ask: Callable[[], Any]) -> Any:
    async def main() -> Any:
        return ask()

    return trio.run(main)


def _within_a_callback(ask: Callable[[], Any]) -> Any:
    loop, answers = asyncio.new_event_loop(), []
    loop.call_soon(lambda: answers.append(ask()))
    loop.call_soon(loop.stop)
    loop.run_forever()
    loop.close()
    return answers[0]


def _in_a_thread(ask: Callable[[], Any]) -> Any:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(ask).result(20)


def _in_a_context(ask: Callable[[], Any]) -> Any:
    return copy_context().run(ask)


HELD_UP = [_within_a_loop, _within_a_callback, _within_trio]
WAYS = [_here, _in_a_thread, _in_a_context, *HELD_UP]


@pytest.fixture(params=WAYS, ids=lambda way: way.__name__.strip("_"))
def ask(request: pytest.FixtureRequest) -> Ask:
    """Call a function where Flask's client works."""
    return request.param  # type: ignore[no-any-return]  # one of the above


@pytest.fixture(params=HELD_UP, ids=lambda way: way.__name__.strip("_"))
def hold_up(request: pytest.FixtureRequest) -> Ask:
    """Call a function where a loop runs."""
    return request.param  # type: ignore[no-any-return]  # one of the above


@pytest.fixture
def no_loop(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Return what makes it an error to make a loop, a task or a future."""

    def refuse(*args: Any, **kwargs: Any) -> Any:
        raise AssertionError("a loop is asked for")

    def forbid() -> None:
        for name in ("new_event_loop", "get_running_loop", "create_task", "Event", "Future"):
            monkeypatch.setattr(asyncio, name, refuse)

    return forbid


# Plain code


@pytest.fixture
def plain(app: Flask) -> Flask:
    """An application with all that waits for nothing."""

    @app.before_request
    def before() -> None:
        g.steps = ["before"]

    @app.after_request
    def after(response: Response) -> Response:
        response.headers["X-Steps"] = ",".join(g.steps)
        return response

    @app.teardown_request
    def teardown(error: BaseException | None) -> None:
        g.steps.append("teardown")

    @app.post("/form")
    def form() -> str:
        session["name"] = request.form["name"]
        g.steps.append("view")
        return f"{request.form['name']}, {request.files['file'].read().decode()}"

    @app.get("/session")
    def read_session() -> str:
        return str(session["name"])

    @app.get("/stream")
    def stream() -> Any:
        return stream_with_context(f"{number} {request.path};" for number in range(3))

    @app.get("/error")
    def error() -> str:
        raise LookupError("from the view")

    app.register_error_handler(LookupError, lambda error: (str(error), 400))
    return app


def test_plain_code_needs_no_loop(plain: Flask, ask: Ask, no_loop: Callable[[], None]) -> None:
    def conversation() -> list[tuple[int, str]]:
        client = plain.test_client()
        upload = {"name": "Ada", "file": (io.BytesIO(b"content"), "a.txt")}
        answers = [client.post("/form", data=upload)]
        assert answers[0].headers["X-Steps"] == "before,view"
        answers += [client.get(path) for path in ("/session", "/stream", "/error", "/missing")]
        return [(answer.status_code, answer.text[:30]) for answer in answers]

    def asking() -> Any:
        no_loop()
        return conversation()

    assert ask(asking) == [
        (200, "Ada, content"),
        (200, "Ada"),
        (200, "0 /stream;1 /stream;2 /stream;"),
        (400, "from the view"),
        (404, "<!doctype html>\n<html lang=en>"),
    ]


@pytest.mark.parametrize("place", [None, "loop", "decorated"])
def test_asyncio_is_in_a_plain_view_what_it_is_on_flask(
    app: Flask, monkeypatch: pytest.MonkeyPatch, place: str | None
) -> None:
    """Whatever the place: on a server alone there is a loop to run on."""
    if place == "loop":
        monkeypatch.setenv("QUART_SYNC_PLACE", "loop")

    async def double(value: int) -> int:
        await asyncio.sleep(0)
        return value * 2

    def view() -> str:
        with pytest.raises(RuntimeError, match="no running event loop"):
            asyncio.get_running_loop()
        with pytest.raises(RuntimeError, match="no running event loop"):
            asyncio.create_task(double(1))  # noqa: RUF006
        return str(asyncio.run(double(2)))

    app.add_url_rule("/", "view", runs_in("loop")(view) if place == "decorated" else view)
    with pytest.warns(RuntimeWarning, match="never awaited"):
        assert app.test_client().get("/").text == "4"


def test_a_loop_that_runs_is_seen(app: Flask) -> None:
    seen = []
    app.add_url_rule("/", "view", lambda: str(seen.append(asyncio.get_running_loop())))

    async def main() -> None:
        app.test_client().get("/")
        assert seen == [asyncio.get_running_loop()]

    asyncio.run(main())


def test_nobody_is_told_off_for_holding_up_no_loop(
    app: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    app.debug = True
    app.config["SLOW_CALLBACK_DURATION"] = 0.001

    async def async_view() -> str:
        time.sleep(0.05)  # noqa: ASYNC251  # that is what is not to be reported
        return ""

    # The same for a plain one.
    app.add_url_rule("/", "view", lambda: str(time.sleep(0.05)))
    app.add_url_rule("/async", "async", async_view)
    with caplog.at_level(logging.WARNING):
        for path in ("/", "/async"):
            assert app.test_client().get(path).status_code == 200
    assert not caplog.records


# Async code


variable: ContextVar[str] = ContextVar("variable", default="")


def add(name: str) -> None:
    variable.set(f"{variable.get()} {name}".strip())


@pytest.fixture
def mixed(app: Flask) -> Flask:
    """An application with async code of each sort, and the threads of its plain code."""
    app.config["threads"] = threads = set()

    @app.before_request
    def plain_hook() -> None:
        threads.add(threading.get_ident())
        add("plain")

    @app.before_request
    async def async_hook() -> None:
        await asyncio.sleep(0)
        add("async")

    @app.after_request
    async def after(response: Response) -> Response:
        await asyncio.sleep(0)
        response.headers["X-Seen"] = variable.get()
        return response

    @app.get("/plain")
    def plain_view() -> str:
        threads.add(threading.get_ident())
        return wait(double("plain"))

    @app.post("/async")
    async def async_view() -> str:
        await asyncio.sleep(0)
        add("view")
        return request.form["name"] + str(len(await quart.request.get_data()))

    @app.get("/stream")
    async def stream() -> Any:
        event = asyncio.Event()

        async def pieces() -> Any:
            for number in range(3):
                asyncio.get_running_loop().call_soon(event.set)
                await event.wait()
                event.clear()
                yield f"{number};"

        return pieces()

    return app


async def double(value: str) -> str:
    await asyncio.sleep(0)
    return value * 2


def test_async_code_is_awaited_wherever_the_call_is_made(mixed: Flask, ask: Ask) -> None:
    def conversation() -> None:
        variable.set("")
        client = mixed.test_client()
        answer = client.get("/plain")
        assert (answer.text, answer.headers["X-Seen"]) == ("plainplain", "plain async")
        answer = client.post("/async", data={"name": "Ada"})
        assert (answer.text, answer.headers["X-Seen"]) == ("Ada0", "plain async plain async view")
        assert client.get("/stream").text == "0;1;2;"
        assert variable.get() == "plain async plain async view plain async"
        assert mixed.config["threads"] == {threading.get_ident()}

    ask(conversation)


def test_a_body_is_read_where_the_call_is_made(mixed: Flask, ask: Ask) -> None:
    """A server's stream may be of use in its own thread only, or keep it waiting."""
    threads = set()

    class Input:
        def __init__(self, stream: Any) -> None:
            self.stream = stream

        def read(self, size: int = -1) -> Any:
            threads.add(threading.get_ident())
            return self.stream.read(size)

    def call() -> bytes:
        environ = create_environ("/async", method="POST", data={"name": "Ada"})
        environ["wsgi.input"] = Input(environ["wsgi.input"])
        body, status, _ = run_wsgi_app(mixed, environ, buffered=True)
        assert status == "200 OK"
        assert threads == {threading.get_ident()}
        return b"".join(body)

    assert ask(call) == b"Ada0"


def test_an_error_of_async_code_reaches_the_caller(app: Flask, ask: Ask) -> None:
    app.testing = True

    @app.get("/<name>")
    async def view(name: str) -> str:
        await asyncio.sleep(0)
        raise {"lookup": LookupError, "exit": SystemExit}[name]("from the view")

    def call() -> None:
        for path, error in {"/lookup": LookupError, "/exit": SystemExit}.items():
            with pytest.raises(error, match="from the view"):
                app.test_client().get(path)

    ask(call)


def test_calls_may_be_made_within_calls(mixed: Flask, ask: Ask) -> None:
    @mixed.get("/outer")
    async def outer() -> str:
        async def beside() -> str:
            return mixed.test_client().post("/async", data={"name": "c"}).text

        client = mixed.test_client()
        inner = [client.post("/async", data={"name": "a"}), client.get("/plain")]
        # There is no bridge above a task of one's own; its loop is held up.
        return " ".join([*(answer.text for answer in inner), await asyncio.create_task(beside())])

    assert ask(lambda: mixed.test_client().get("/outer").text) == "a0 plainplain c0"


def test_a_task_of_ones_own_is_told_to_await(app: Flask, ask: Ask) -> None:
    """As on a server: whoever waits there would hold up the loop that it waits for."""

    async def waiting() -> None:
        wait(double(""))

    @app.get("/")
    async def view() -> str:
        with pytest.raises(RuntimeError, match="nothing bridges them"):
            await asyncio.create_task(waiting())
        return "told"

    assert ask(lambda: app.test_client().get("/").text) == "told"


def test_an_interrupted_wait_ends_what_is_waited_for(app: Flask) -> None:
    """A notebook's user presses a key, a gunicorn worker's time is over."""
    ended = threading.Event()

    async def forever() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    @app.get("/")
    def view() -> str:
        wait(forever())
        return ""

    class Interrupted(BaseException):
        """Raised by what the caller does meanwhile."""

    def interrupt() -> None:
        raise Interrupted

    from quart_flask_patch._waiting import loop_thread

    async def main() -> None:
        with pytest.raises(Interrupted):
            app.test_client().get("/")

    original = loop_thread.Caller.wait_for

    def wait_for(self: Any, future: Any) -> Any:
        self._jobs.append(interrupt)
        self._signal.give()
        return original(self, future)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop_thread.Caller, "wait_for", wait_for)
        asyncio.run(main())
    assert ended.wait(20)


# The body is the server's, to take in any thread


def take_elsewhere(body: Any) -> bytes:
    """Iterate over *body* in one thread, and close it in another."""
    with ThreadPoolExecutor(1) as one, ThreadPoolExecutor(1) as two:
        data = one.submit(lambda: b"".join(body)).result(20)
        two.submit(body.close).result(20)
        return data


def start(*args: Any) -> Callable[[bytes], None]:
    return lambda data: None


def test_another_thread_may_take_and_close_the_body(mixed: Flask, ask: Ask) -> None:
    @mixed.get("/pieces")
    def pieces() -> Any:
        return (str(number) * 10 for number in range(5))

    @mixed.get("/file")
    def file() -> Response:
        return Response(io.BytesIO(b"x" * 300_000), direct_passthrough=False)

    def call(path: str) -> bytes:
        return take_elsewhere(mixed(create_environ(path), start))

    assert len(ask(lambda: call("/pieces"))) == 50
    assert len(ask(lambda: call("/file"))) == 300_000
    assert ask(lambda: call("/stream")) == b"0;1;2;"


def test_the_loop_of_a_thread_serves_those_that_come_meanwhile(app: Flask) -> None:
    """One thread waits for a stream of another's loop, on which that one answers a call."""
    go_on = threading.Event()

    @app.get("/stream")
    async def stream() -> Any:
        asked = asyncio.Event()
        app.config["asked"] = asked

        async def pieces() -> Any:
            yield "first"
            await asked.wait()
            yield "last"

        return pieces()

    @app.get("/ask")
    async def ask() -> str:
        await asyncio.sleep(0)
        app.config["asked"].set()
        return "asked"

    body = iter(app(create_environ("/stream"), start))
    assert next(body) == b"first"

    def take() -> bytes:
        go_on.set()
        return next(body)

    with ThreadPoolExecutor(1) as pool:
        last = pool.submit(take)
        assert go_on.wait(20)
        assert app.test_client().get("/ask").text == "asked"
        assert last.result(20) == b"last"


@pytest.mark.parametrize("path", ["/pieces", "/stream"])
def test_a_body_may_be_dropped(mixed: Flask, ask: Ask, path: str) -> None:
    mixed.add_url_rule("/pieces", "pieces", lambda: (str(number) for number in range(5)))

    def call() -> None:
        body = iter(mixed(create_environ(path), start))
        next(body)
        with ThreadPoolExecutor(1) as pool:
            pool.submit(gc.collect).result(20)
        del body
        gc.collect()

    ask(call)


@pytest.mark.parametrize("view", ["plain", "async"])
@pytest.mark.parametrize("end", ["close", "close twice", "drop"])
@pytest.mark.parametrize("taken", ["none", "one", "all"])
@pytest.mark.parametrize(("taker", "closer"), ["ab", "ba", "bc"])
def test_a_request_that_a_body_keeps_ends_once(
    app: Flask, taker: str, closer: str, taken: str, end: str, view: str
) -> None:
    """Thread *a* makes the call, *taker* takes some of the body, and *closer* is done with it."""
    log: list[str] = []
    app.teardown_request(lambda error: log.append(f"request {request.path}"))
    app.teardown_appcontext(lambda error: log.append(f"app {g.name}"))

    @app.before_request
    def name() -> None:
        g.name = "Ada"

    def plain() -> Response:
        def pieces() -> Iterator[str]:
            try:
                yield from (request.path, g.name)
            finally:
                log.append("pieces")

        return Response(stream_with_context(pieces()))

    async def waiting() -> Response:
        await asyncio.sleep(0)
        return plain()

    app.add_url_rule("/", "view", plain if view == "plain" else waiting)
    torn_down = ["request /", "app Ada"]
    bodies: list[Any] = []

    def finish() -> None:
        body, iterator = bodies
        bodies.clear()
        for _ in range(["drop", "close", "close twice"].index(end)):
            body.close()
        del body, iterator
        gc.collect()

    with ThreadPoolExecutor(1) as a, ThreadPoolExecutor(1) as b, ThreadPoolExecutor(1) as c:
        threads = {"a": a, "b": b, "c": c}
        body = a.submit(lambda: app(create_environ("/"), start)).result(20)
        bodies += body, iter(body)
        del body
        assert log == torn_down
        count = ["none", "one", "all"].index(taken)
        for _ in range(3 if taken == "all" else count):
            threads[taker].submit(next, bodies[1], b"").result(20)
        threads[closer].submit(finish).result(20)
        assert log == torn_down + (["pieces", *torn_down] if count else [])
        assert [pool.submit(has_request_context).result(20) for pool in (b, c)] == [
            closer != taker and taker == "b" and taken == "one",
            False,
        ]
        log.clear()
        for pool in (a, b, c):
            assert pool.submit(lambda: app.test_client().get("/").data).result(20) == b"/Ada"
        assert log == [*torn_down, "pieces", *torn_down] * 3


# What an application has of its own before its pipeline


class OverriddenFlask(Flask):
    """Looks at what the client sends, as ASGI and as a request."""

    async def asgi_app(self, scope: Any, receive: Any, send: Any) -> None:
        messages: list[Any] = []

        async def receiving() -> Any:
            messages.append(await receive())
            return messages[-1]

        await super().asgi_app(scope, receiving, send)
        self.config["messages"] = [message["body"] for message in messages]


class HandlingFlask(Flask):
    """Reads the body before the request is handled."""

    async def handle_request(self, request: Any) -> Any:
        await asyncio.sleep(0)
        self.config["messages"] = [await request.get_data()]
        return await super().handle_request(request)  # type: ignore[misc]  # of the core


@pytest.mark.parametrize("kind", [OverriddenFlask, HandlingFlask])
def test_overrides_see_what_the_client_sends(kind: type[Flask], ask: Ask) -> None:
    app = kind("app")

    @app.post("/")
    def view() -> str:
        return request.get_data(as_text=True)

    @app.get("/stream")
    def stream() -> Any:
        return (str(number) for number in range(3))

    assert ask(lambda: app.test_client().post("/", data="hello").text) == "hello"
    assert b"".join(app.config["messages"]) == b"hello"
    assert ask(lambda: take_elsewhere(app(create_environ("/stream"), start))) == b"012"

    def drop() -> None:
        next(iter(app(create_environ("/stream"), start)))
        gc.collect()

    ask(drop)


# In a worker thread, where that is asked for


@pytest.fixture(params=["environment", "decorator"])
def threaded(app: Flask, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Flask:
    def view() -> Iterator[str]:
        app.config["view"] = threading.current_thread()

        def pieces() -> Iterator[str]:
            yield "first"
            assert threading.current_thread() is app.config["view"]
            yield wait(double("a"))

        return pieces()

    if request.param == "environment":
        monkeypatch.setenv("QUART_SYNC_PLACE", "thread")
        app.add_url_rule("/", "view", view)
    else:
        app.add_url_rule("/", "view", runs_in("thread")(view))
    return app


def test_a_thread_may_be_asked_for(threaded: Flask, ask: Ask) -> None:
    def call() -> None:
        answer = threaded.test_client().get("/")
        assert answer.text == "firstaa"
        assert threaded.config["view"] is not threading.current_thread()

    ask(call)


def test_its_body_may_be_dropped_too(threaded: Flask, ask: Ask) -> None:
    """The thread is given back, which the suite looks after."""

    def call() -> None:
        next(iter(threaded(create_environ("/"), start)))
        gc.collect()

    ask(call)


def test_a_large_body_needs_no_loop_either(
    app: Flask, ask: Ask, no_loop: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a server, reading it lets others have their turns."""
    monkeypatch.setattr("quart._loops.turns.SLICE", 0.0)
    app.config["BODY_TIMEOUT"] = 10
    app.add_url_rule("/", "view", lambda: str(len(request.get_data())), methods=["POST"])

    def call() -> str:
        no_loop()
        return app.test_client().post("/", data=b"x" * 1_000_000).text

    assert ask(call) == "1000000"


@pytest.mark.parametrize("kind", ["async", "plain"])
def test_a_websockets_url_is_refused(app: Flask, kind: str) -> None:
    """Not that of a view which speaks over the server's socket by itself, as extensions do."""

    async def async_view() -> None:
        raise AssertionError

    def plain_view() -> None:
        raise AssertionError

    app.websocket("/ws")(async_view if kind == "async" else plain_view)
    app.add_url_rule("/socket", "socket", lambda: "spoken", websocket=True)
    client = app.test_client()
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket"}
    assert client.get("/ws").status_code == 400
    refused = client.get("/ws", headers=upgrade)
    assert (refused.status_code, "cannot open one" in refused.text) == (400, True)
    assert client.get("/socket", headers=upgrade).text == "spoken"


@pytest.mark.parametrize("name", ["gevent.monkey", "eventlet.patcher"])
def test_patching_that_comes_too_late_is_told(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    class Patcher:
        patched = False

        def is_patched(self, name: str) -> bool:
            return self.patched

        is_module_patched = is_monkey_patched = is_patched

    patcher = Patcher()
    monkeypatch.setitem(sys.modules, name, patcher)  # type: ignore[arg-type]  # a fake
    assert green.late_patching() is None
    patcher.patched = True
    told = green.late_patching()
    assert told is not None
    assert told.startswith(name.partition(".")[0])
    app = Flask("app")
    with pytest.raises(RuntimeError, match="has patched Python's modules after"):
        app.run(port=0)
    monkeypatch.setattr(green, "_BEFORE", green._patchers())
    assert green.late_patching() is None


def test_running_a_server_where_a_loop_runs_says_what_to_do(app: Flask) -> None:
    with pytest.raises(RuntimeError, match=r"as in a notebook.*app\.test_client\(\)"):
        _within_a_loop(lambda: app.run(port=0))
