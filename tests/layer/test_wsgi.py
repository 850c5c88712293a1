"""The application as WSGI: called by WSGI servers, wrapped in middleware, and by Flask's client."""

from __future__ import annotations

import asyncio
import inspect
import io
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from wsgiref.simple_server import make_server, WSGIRequestHandler
from wsgiref.validate import validator

import pytest
from flask import Flask, g, has_request_context, request, Response, session, stream_with_context
from hypercorn.utils import is_asgi
from uvicorn.config import Config
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.middleware.profiler import ProfilerMiddleware
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.serving import make_server as make_werkzeug_server
from werkzeug.test import create_environ, run_wsgi_app

from quart import websocket
from quart_flask_patch import genuine, wait

from ._asgi import Exchange, fetch, run, until


@pytest.fixture
def served(app: Flask) -> Flask:
    """An application with a view of each sort."""

    @app.route("/sync", methods=["GET", "POST"])
    def sync_view() -> Any:
        wait(asyncio.sleep(0.001))
        return {"got": request.get_data(as_text=True), "url": request.url}

    @app.route("/async", methods=["GET", "POST"])
    async def async_view() -> Any:
        await asyncio.sleep(0.001)
        return {"got": request.get_data(as_text=True), "url": request.url}

    @app.get("/stream")
    def stream() -> Any:
        def pieces() -> Iterator[str]:
            for number in range(3):
                wait(asyncio.sleep(0.001))
                yield f"{number} {request.path};"

        return Response(stream_with_context(pieces()))

    @app.get("/async-stream")
    async def async_stream() -> Any:
        async def pieces() -> Any:
            for number in range(3):
                await asyncio.sleep(0.001)
                yield f"{number};"

        return pieces()

    return app


def call(app: Any, *args: Any, **kwargs: Any) -> tuple[str, str]:
    body, status, _ = run_wsgi_app(app, create_environ(*args, **kwargs))
    return b"".join(body).decode(), status


# Called as PEP 3333 has it


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_a_call_is_answered(served: Flask, kind: str) -> None:
    body, status = call(served, f"/{kind}?a=1", method="POST", data=b"hello")
    assert status == "200 OK"
    assert '"got":"hello"' in body
    assert f'"url":"http://localhost/{kind}?a=1"' in body


def test_a_status_of_ones_own_is_kept(app: Flask) -> None:
    app.add_url_rule("/", "view", lambda: ("", "299 My Own"))
    assert call(app, "/")[1] == "299 My Own"


@pytest.mark.parametrize("path", ["/stream", "/async-stream"])
def test_streams_come_piece_by_piece(served: Flask, path: str) -> None:
    body, _, _ = run_wsgi_app(served, create_environ(path))
    pieces = [piece.decode() for piece in body if piece]
    assert len(pieces) == 3
    assert [piece[0] for piece in pieces] == ["0", "1", "2"]


def test_an_infinite_stream_may_be_closed(app: Flask) -> None:
    closed = []

    def pieces() -> Iterator[str]:
        try:
            while True:
                yield "more"
        finally:
            closed.append(True)

    app.add_url_rule("/", "view", lambda: Response(pieces()))
    body = app(create_environ("/"), lambda status, headers, exc_info=None: None)
    iterator = iter(body)
    assert [next(iterator), next(iterator)] == [b"more", b"more"]
    body.close()
    assert closed == [True]


@pytest.mark.parametrize("path", ["/sync", "/async", "/stream", "/async-stream"])
def test_it_keeps_to_the_rules_of_wsgi(served: Flask, path: str) -> None:
    """As `wsgiref.validate` knows them."""
    environ = create_environ(path)
    started: list[str] = []

    def start_response(status: str, headers: Any, exc_info: Any = None) -> Any:
        started.append(status)
        return lambda data: None

    body = validator(served)(environ, start_response)  # type: ignore[arg-type]  # it is WSGI too
    assert b"".join(body)
    body.close()  # type: ignore[attr-defined]  # the validator's has it
    assert started == ["200 OK"]


# On servers


@pytest.mark.parametrize("path", ["/plain", "/async", "/stream", "/failing"])
@pytest.mark.parametrize("own", [False, True], ids=["", "with ASGI middleware"])
def test_a_server_that_refuses_the_answer_is_left_nothing_of_the_request(
    app: Flask, path: str, own: bool
) -> None:
    """Servers look at names and values of headers when they are given them."""
    seen, ended = [], []

    @app.before_request
    def begin() -> None:
        seen.append(getattr(g, "user", None))
        g.user = "alice"

    app.teardown_request(lambda error: ended.append(g.user))
    app.add_url_rule("/plain", "plain", lambda: "plain")
    app.add_url_rule("/stream", "stream", lambda: stream_with_context(iter("stream")))
    app.add_url_rule("/failing", "failing", lambda: Response("x", headers={"X-A": str(1 / 0)}))

    @app.get("/async")
    async def view() -> str:
        return "async"

    if own:
        called = app.asgi_app

        async def middleware(scope: Any, receive: Any, send: Any) -> None:
            await called(scope, receive, send)

        app.asgi_app = middleware  # type: ignore[method-assign]

    def refuse(*args: Any) -> Any:
        raise ValueError("the name of a header")

    app.config["PROPAGATE_EXCEPTIONS"] = False
    for _ in range(2):
        with pytest.raises(ValueError, match="the name of a header"):
            app(create_environ(path), refuse)
    assert (seen, ended) == ([None, None], ["alice", "alice"])
    assert not has_request_context()


class Quiet(WSGIRequestHandler):
    def log_message(self, *args: Any) -> None:
        """Keep still."""


@contextmanager
def serving(kind: str, app: Any) -> Iterator[str]:
    if kind == "wsgiref":
        server: Any = make_server("127.0.0.1", 0, app, handler_class=Quiet)
    else:
        server = make_werkzeug_server("127.0.0.1", 0, app, threaded=kind == "werkzeug threaded")
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def read(url: str, data: bytes | None = None) -> str:
    with urllib.request.urlopen(url, data, timeout=20) as answer:
        return str(answer.read().decode())


@pytest.mark.parametrize("kind", ["wsgiref", "werkzeug", "werkzeug threaded"])
def test_wsgi_servers_serve_it(served: Flask, kind: str) -> None:
    with serving(kind, served) as url:
        for path in ("/sync", "/async"):
            assert '"got":"hello"' in read(f"{url}{path}", b"hello")
        assert read(f"{url}/stream") == "0 /stream;1 /stream;2 /stream;"
        assert read(f"{url}/async-stream") == "0;1;2;"


# Middleware


def test_wsgi_middleware_takes_part_in_asgi_requests(served: Flask) -> None:
    served.wsgi_app = ProxyFix(served.wsgi_app)  # type: ignore[method-assign]  # as Flask's docs do
    headers = [("X-Forwarded-For", "9.8.7.6"), ("X-Forwarded-Proto", "https")]

    @served.get("/who")
    def who() -> list[Any]:
        return [request.remote_addr, request.scheme, request.url]

    @served.get("/who-async")
    async def who_async() -> list[Any]:
        return [request.remote_addr, request.scheme, request.url]

    for path in ("/who", "/who-async"):
        seen = run(fetch(served, path, headers=headers)).json
        assert seen == ["9.8.7.6", "https", f"https://localhost{path}"]


def test_a_dispatcher_mounts_others_beside_the_application(served: Flask) -> None:
    """One on the layer and one of the genuine Flask, for requests of either kind of server."""
    others = {"/new": Flask("new"), "/old": genuine.Flask("old")}
    for prefix, other in others.items():
        other.secret_key = served.secret_key
        other.add_url_rule("/who", "who", lambda prefix=prefix: prefix + request.script_root)
    others["/new"].add_url_rule("/async", "async", wait_and_tell)
    served.wsgi_app = DispatcherMiddleware(served.wsgi_app, others)  # type: ignore[method-assign]  # as Flask's docs do
    for path, text in {
        "/new/who": "/new/new",
        "/old/who": "/old/old",
        "/new/async": "/new",
    }.items():
        assert run(fetch(served, path)).text == text
        assert served.test_client().get(path).text == text
    assert run(fetch(served, "/sync", "POST", b"hello")).json["got"] == "hello"
    assert run(fetch(served, "/old/missing")).status == 404


async def wait_and_tell() -> str:
    await asyncio.sleep(0)
    return request.script_root


@pytest.mark.parametrize("path", ["/sync", "/async"])
def test_a_profiler_sees_plain_views(served: Flask, path: str) -> None:
    report = io.StringIO()
    served.wsgi_app = ProfilerMiddleware(served.wsgi_app, report)  # type: ignore[method-assign]  # as Werkzeug's docs do
    assert run(fetch(served, path, "POST", b"hello")).json["got"] == "hello"
    assert f"PATH: '{path}'" in report.getvalue()
    assert "function calls" in report.getvalue()


def test_wsgi_middleware_may_answer_and_change_answers(served: Flask) -> None:
    inner = served.wsgi_app

    def middleware(environ: Any, start_response: Any) -> Any:
        if environ["PATH_INFO"] == "/stop":
            start_response("418 I'M A TEAPOT", [("Content-Type", "text/plain")])
            return [b"stopped"]

        def start(status: str, headers: Any, exc_info: Any = None) -> Any:
            return start_response(status, [*headers, ("X-Passed", "yes")], exc_info)

        return inner(environ, start)

    served.wsgi_app = middleware  # type: ignore[method-assign]  # as Flask's docs do
    stopped = run(fetch(served, "/stop"))
    assert (stopped.status, stopped.text) == (418, "stopped")
    for path in ("/sync", "/async"):
        answer = run(fetch(served, path, "POST", b"hello"))
        assert answer.json["got"] == "hello"
        assert answer.headers["x-passed"] == "yes"
    assert run(fetch(served, "/stream")).text == "0 /stream;1 /stream;2 /stream;"


def test_wsgi_middleware_does_not_make_a_stream_wait_for_its_end(served: Flask) -> None:
    go_on = threading.Event()

    @served.get("/slow")
    async def slow() -> Any:
        async def pieces() -> Any:
            yield "first"
            await until(go_on.is_set)
            yield "last"

        return pieces()

    served.wsgi_app = ProxyFix(served.wsgi_app)  # type: ignore[method-assign]  # as Flask's docs do

    async def main() -> None:
        async with Exchange(served, "/slow") as exchange:
            await exchange.until(lambda: exchange.chunks == [b"first"])
            go_on.set()
            assert (await exchange.end()).text == "firstlast"

    run(main())


# Flask's client


def test_the_client_runs_views_in_the_callers_thread(app: Flask) -> None:
    threads = []
    app.add_url_rule("/", "view", lambda: str(threads.append(threading.get_ident())))
    assert app.test_client().get("/").status_code == 200
    assert threads == [threading.get_ident()]


@pytest.mark.parametrize("path", ["/sync", "/async"])
def test_the_client_in_a_block_keeps_the_context(app: Flask, path: str) -> None:
    torn_down = []

    @app.teardown_request
    def teardown(error: BaseException | None) -> None:
        torn_down.append(request.path)

    def view() -> str:
        g.value = path
        session["path"] = path
        return "ok"

    async def async_view() -> str:
        await asyncio.sleep(0)
        return view()

    app.add_url_rule("/sync", "sync", view)
    app.add_url_rule("/async", "async", async_view)
    with app.test_client() as client:
        assert client.get(f"{path}?a=1").text == "ok"
        assert request.args["a"] == "1"
        assert (g.value, session["path"]) == (path, path)
        # As with Flask, it is entered anew for the block, and so torn down twice.
        assert torn_down == [path]
        client.get(path)
        assert torn_down == [path] * 3
        with client.session_transaction() as transaction:
            assert transaction["path"] == path
    assert torn_down[-1] == path
    assert not has_request_context()


def test_the_client_raises_the_views_error(app: Flask) -> None:
    app.testing = True

    @app.get("/")
    async def view() -> str:
        raise LookupError("from the view")

    with pytest.raises(LookupError, match="from the view"):
        app.test_client().get("/")


def test_the_client_sees_a_stream(served: Flask) -> None:
    client = served.test_client()
    assert client.get("/stream").text == "0 /stream;1 /stream;2 /stream;"
    assert client.get("/async-stream").text == "0;1;2;"
    # One that nobody reads to its end.
    client.get("/stream").close()


def test_the_client_works_in_other_threads(served: Flask) -> None:
    texts: list[str] = []

    def ask() -> None:
        texts.extend(served.test_client().get(path).json["got"] for path in ("/sync", "/async"))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert texts == [""] * 8


def test_the_client_works_within_a_view(served: Flask) -> None:
    """Both where a loop is running in the thread and where none is."""

    @served.get("/outer")
    def outer() -> str:
        return str(served.test_client().get("/async").json["got"] == "")

    @served.get("/outer-async")
    async def outer_async() -> str:
        return str(served.test_client().get("/sync").json["got"] == "")

    assert served.test_client().get("/outer").text == "True"
    assert served.test_client().get("/outer-async").text == "True"
    assert run(fetch(served, "/outer")).text == "True"
    assert run(fetch(served, "/outer-async")).text == "True"


def test_the_client_is_told_that_websockets_are_not_wsgi(app: Flask) -> None:
    @app.websocket("/ws")
    async def handler() -> None:
        await websocket.accept()

    assert app.test_client().get("/ws").status_code in {400, 404}


# ASGI servers and WSGI servers tell which it is


def test_servers_take_it_for_an_asgi_application(app: Flask) -> None:
    assert inspect.iscoroutinefunction(app.__call__)
    assert is_asgi(app)
    config = Config(app)
    config.load()
    assert config.interface == "asgi3"


@pytest.mark.parametrize("names", [("scope", "receive", "send"), ("receive", "send"), ()])
def test_asgis_arguments_may_be_given_by_name(app: Flask, names: tuple[str, ...]) -> None:
    app.add_url_rule("/", "index", lambda: "index")

    async def by_name(scope: Any, receive: Any, send: Any) -> None:
        given = {"scope": scope, "receive": receive, "send": send}
        named = {name: given.pop(name) for name in names}
        await app(*given.values(), **named)

    assert run(fetch(by_name, "/")).text == "index"


def test_a_request_without_an_address_has_none() -> None:
    """As one that is made up for a test; what takes it for an address would fail."""
    app = Flask(__name__)
    with app.test_request_context("/"):
        assert request.remote_addr is None
    app.add_url_rule("/", "view", lambda: repr(request.remote_addr))
    assert app.test_client().get("/").text == "'127.0.0.1'"
    with app.test_request_context("/"):
        assert app.full_dispatch_request().get_data() == b"None"
