"""WSGI middleware around an application that is served as ASGI keeps to PEP 3333."""

from __future__ import annotations

import asyncio
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any
from wsgiref.validate import validator

import pytest
from flask import Flask, request, Response
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.middleware.lint import LintMiddleware
from werkzeug.middleware.proxy_fix import ProxyFix

from quart.asgi import ASGIHTTPConnection
from quart_flask_patch import runs_in, threads, wait

from ._asgi import Connection, Exchange, fetch, run, scope_for

Middleware = Callable[[Any], Any]


async def double(text: str) -> str:
    await asyncio.sleep(0)
    return text * 2


@pytest.fixture
def served(app: Flask, place: str) -> Flask:
    app.testing = False

    @app.route("/plain", methods=["GET", "POST"])
    def plain() -> str:
        return wait(double(request.get_data(as_text=True) or "plain"))

    @app.route("/async", methods=["GET", "POST"])
    async def async_view() -> str:
        return await double(request.get_data(as_text=True) or "async")

    @app.get("/stream")
    def stream() -> Any:
        return Response(wait(double(str(number))) for number in range(3))

    @app.get("/async-stream")
    async def async_stream() -> Any:
        async def pieces() -> Any:
            for number in range(3):
                yield await double(str(number))

        return pieces()

    return app


ANSWERS = {
    "/plain": "plainplain",
    "/async": "asyncasync",
    "/stream": "001122",
    "/async-stream": "001122",
}


def wrap(app: Flask, middleware: Middleware) -> None:
    app.wsgi_app = middleware(app.wsgi_app)  # type: ignore[method-assign]  # as Flask's docs do


def on_the_loop(inner: Any) -> Any:
    return runs_in("loop")(passed_to(inner))


def passed_to(inner: Any) -> Any:
    def middleware(environ: Any, start: Any) -> Any:
        return inner(environ, start)

    return middleware


def within_a_generator(inner: Any) -> Any:
    def middleware(environ: Any, start: Any) -> Iterator[bytes]:
        yield from inner(environ, start)

    return middleware


def dispatcher(inner: Any) -> Any:
    return DispatcherMiddleware(inner, {"/elsewhere": Flask("elsewhere")})


WAYS: list[Middleware] = [
    ProxyFix,
    dispatcher,
    lambda inner: ProxyFix(dispatcher(ProxyFix(inner))),
    passed_to,
    on_the_loop,
    within_a_generator,
]
NAMES = ["proxy_fix", "dispatcher", "several", "function", "on_the_loop", "generator"]


@pytest.mark.parametrize("middleware", WAYS, ids=NAMES)
def test_what_is_behind_middleware_is_served_as_without(
    served: Flask, middleware: Middleware
) -> None:
    wrap(served, middleware)
    for path, text in ANSWERS.items():
        assert run(fetch(served, path)).text == text
        head = run(fetch(served, path, "HEAD"))
        assert (head.status, head.text) == (200, "")
        assert served.test_client().get(path).text == text
    for path in ("/plain", "/async"):
        assert run(fetch(served, path, "POST", b"ab")).text == "abab"
    assert run(fetch(served, "/missing")).status == 404


@pytest.mark.parametrize("check", [validator, LintMiddleware], ids=["wsgiref", "werkzeug"])
@pytest.mark.parametrize("path", ANSWERS)
def test_both_sides_of_middleware_keep_to_the_rules(
    served: Flask, check: Middleware, path: str
) -> None:
    """What is around the check, and what is within it."""
    wrap(served, lambda inner: check(ProxyFix(check(inner))))
    with warnings.catch_warnings():
        # Werkzeug's looks at what `environ` promises of its stream, which is more than WSGI asks.
        warnings.filterwarnings("ignore", "WSGI does not guarantee an EOF marker")
        assert run(fetch(served, path)).text == ANSWERS[path]
        body = served.test_client().get(path)
        assert body.text == ANSWERS[path]
        body.close()


@pytest.mark.parametrize("middleware", [*WAYS[:3], on_the_loop], ids=[*NAMES[:3], NAMES[4]])
def test_async_views_behind_what_does_not_block_keep_no_thread(
    app: Flask, middleware: Middleware
) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    @app.get("/")
    async def view() -> str:
        begun.set()
        await go_on.wait()
        return "done"

    wrap(app, middleware)

    async def main() -> None:
        async with Exchange(app, "/") as exchange:
            await exchange.until(begun.is_set)
            assert threads(app).busy == 0
            go_on.set()
            assert (await exchange.end()).text == "done"

    run(main())


@pytest.mark.parametrize("adds", [True, False])
@pytest.mark.parametrize("middleware", WAYS, ids=NAMES)
def test_a_date_is_not_sent_twice(app: Flask, middleware: Middleware, adds: bool) -> None:
    """A server that adds one is known by what its `send` is a method of, middleware or not."""
    app.get("/")(lambda: ("", {"Date": "Thu, 01 Jan 1970 00:00:00 GMT"}))

    class Stream:
        default_headers = [(b"date", b"now")] if adds else []  # as uvicorn's
        messages: list[Any] = []  # noqa: RUF012  # one is made

        async def send(self, message: Any) -> None:
            self.messages.append(message)

    Stream.__module__ = "uvicorn.fake"
    wrap(app, middleware)
    run(app(scope_for("http", "/"), partial(asyncio.sleep, 60), Stream().send))
    assert (b"date" in dict(Stream.messages[0]["headers"])) == (not adds)


# Other applications


def mounted(other: Flask) -> Middleware:
    return lambda inner: DispatcherMiddleware(inner, {"/other": other})


@pytest.mark.parametrize("middleware", WAYS, ids=NAMES)
@pytest.mark.parametrize("kind", ["plain", "async"])
def test_a_view_may_answer_with_another_application(
    served: Flask, middleware: Middleware, kind: str
) -> None:
    """As it has the environ that came through the middleware."""

    @served.get("/other/<path:path>")
    def other(path: str) -> Response:
        environ = {**request.environ, "PATH_INFO": f"/{path}"}
        inner = served if path == kind else Flask("missing")
        return Response.from_app(inner.wsgi_app, environ, buffered=True)

    wrap(served, middleware)
    assert run(fetch(served, f"/other/{kind}")).text == kind * 2
    assert run(fetch(served, "/other/missing")).status == 404


@pytest.mark.parametrize("own", ["asgi_app", "asgi_http_class"])
@pytest.mark.parametrize("outer", [False, True], ids=["mounted", "outer"])
def test_what_an_application_has_of_its_own_sees_what_is_passed_on(
    served: Flask, own: str, outer: bool
) -> None:
    other, seen = Flask("other"), []
    other.get("/")(lambda: request.script_root)
    target = served if outer else other
    if own == "asgi_app":
        inner = target.asgi_app

        async def asgi_app(scope: Any, receive: Any, send: Any) -> None:
            seen.append(scope["root_path"])
            await inner(scope, receive, send)

        target.asgi_app = asgi_app  # type: ignore[method-assign]  # as Quart's docs do
    else:

        class Own(ASGIHTTPConnection):
            async def handle_request(self, request: Any, send: Any) -> None:
                seen.append(self.scope["root_path"])
                await super().handle_request(request, send)

        target.asgi_http_class = Own

    wrap(served, mounted(other))
    assert run(fetch(served, "/plain" if outer else "/other/")).text == (
        "plainplain" if outer else "/other"
    )
    assert seen == ["" if outer else "/other"]


def test_what_is_not_below_the_root_path_is_not_found(served: Flask) -> None:
    served.get("/<path:path>")(lambda path: path)
    wrap(served, ProxyFix)
    scope = {**scope_for("http", "/elsewhere"), "root_path": "/root"}

    async def main() -> int:
        async with Connection(served, scope) as connection:
            connection.tell("http.request")
            return (await connection.end()).status

    assert run(main()) == 404


def test_a_port_need_be_no_number(served: Flask) -> None:
    """A proxy says what its client says, and at a Unix socket there is none."""
    wrap(served, lambda inner: ProxyFix(inner, x_port=1))
    headers = [("X-Forwarded-Port", "none")]
    assert run(fetch(served, "/plain", headers=headers)).text == "plainplain"
    environ = {"SERVER_PORT": "", "REMOTE_PORT": "x"}
    assert served.test_client().get("/plain", environ_overrides=environ).text == "plainplain"


# start_response


def answer_with(function: Callable[[Any], Iterator[bytes]]) -> Middleware:
    return lambda inner: lambda environ, start: function(start)


HEADERS = [("Content-Type", "text/plain")]


def test_write_comes_before_what_is_returned(served: Flask) -> None:
    def answering(start: Any) -> Any:
        write = start("202 ACCEPTED", HEADERS)
        write(b"one ")
        write(b"two ")
        return [b"three"]

    wrap(served, answer_with(answering))
    answer = run(fetch(served, "/"))
    assert (answer.status, answer.text) == (202, "one two three")


def test_how_bytes_travel_is_left_to_the_server(served: Flask) -> None:
    def answering(start: Any) -> list[bytes]:
        start("200 OK", [*HEADERS, ("Transfer-Encoding", "chunked")])
        return [b"x"]

    wrap(served, answer_with(answering))
    answer = run(fetch(served, "/"))
    assert (answer.text, "transfer-encoding" in answer.headers) == ("x", False)


def test_a_status_that_no_server_can_send_is_an_error(
    served: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    def answering(start: Any) -> list[bytes]:
        start("1000 ODD", HEADERS)
        return [b"x"]

    wrap(served, answer_with(answering))
    assert run(fetch(served, "/")).status == 500
    assert "from 100 to 999 (RFC 9110, section 15), got 1000." in caplog.text


def test_an_error_replaces_a_head_that_was_not_sent(served: Flask) -> None:
    def answering(start: Any) -> Iterator[bytes]:
        start("200 OK", [*HEADERS, ("X-Old", "yes")])
        yield b""
        try:
            raise ValueError
        except ValueError:
            start("503 BUSY", HEADERS, sys.exc_info())
        yield b"busy"

    wrap(served, answer_with(answering))
    answer = run(fetch(served, "/"))
    assert (answer.status, answer.text) == (503, "busy")
    assert "x-old" not in answer.headers


def fails_later(start: Any) -> Iterator[bytes]:
    start("200 OK", HEADERS)
    yield b"first"
    yield from fail(start)


def fails_after_write(start: Any) -> Iterator[bytes]:
    start("200 OK", HEADERS)(b"first")
    yield from fail(start)


def fail(start: Any) -> Iterator[bytes]:
    try:
        raise ValueError("later")
    except ValueError:
        start("500 FAILED", HEADERS, sys.exc_info())
    yield b"never"


@pytest.mark.parametrize("answering", [fails_later, fails_after_write])
def test_an_error_after_the_head_is_raised(served: Flask, answering: Any) -> None:
    wrap(served, answer_with(answering))

    async def main() -> None:
        async with Exchange(served, "/") as exchange:
            with pytest.raises(ValueError, match="later"):
                await exchange.end()
            assert exchange.chunks == [b"first"]

    run(main())


def test_a_second_call_without_an_error_is_one(
    served: Flask, caplog: pytest.LogCaptureFixture
) -> None:
    def answering(start: Any) -> list[bytes]:
        start("200 OK", HEADERS)
        start("201 CREATED", HEADERS)
        return [b"never"]

    wrap(served, answer_with(answering))
    assert run(fetch(served, "/")).status == 500
    assert "Expected one call of start_response" in caplog.text


def test_a_body_without_a_head_is_an_error(served: Flask, caplog: pytest.LogCaptureFixture) -> None:
    wrap(served, answer_with(lambda start: iter([b"body"])))

    async def main() -> None:
        async with Exchange(served, "/") as exchange:
            with pytest.raises(RuntimeError, match="to call start_response before its body"):
                await exchange.end()

    run(main())


@pytest.mark.parametrize("header", [("X-A", "1\r\nX-Evil: 1"), ("X-A: 1\r\nX-Evil", "1")])
def test_a_header_stays_one(
    served: Flask, header: tuple[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    called = served.wsgi_app

    def adding(environ: Any, start_response: Any) -> Any:
        def start(status: str, headers: list[Any], exc_info: Any = None) -> Any:
            return start_response(status, [*headers, header], exc_info)

        return called(environ, start)

    served.wsgi_app = adding  # type: ignore[method-assign]
    answer = run(fetch(served, "/plain"))
    assert (answer.status, answer.body) == (500, b"Internal Server Error")
    assert set(answer.headers) == {"content-type"}
    assert "X-Evil" in caplog.text or "newline" in caplog.text


# The end


@pytest.mark.parametrize("path", ["/plain", "/endless", "/async-endless"])
def test_a_body_is_closed_once(served: Flask, path: str) -> None:
    """Also when the client leaves before its end, and where it was made."""
    closed: list[str] = []

    def pieces() -> Iterator[str]:
        try:
            while True:
                yield wait(double("x"))
        finally:
            wait(double("x"))
            closed.append("pieces")

    @served.get("/endless")
    def endless() -> Response:
        response = Response(pieces())
        response.call_on_close(lambda: closed.append("response"))
        return response

    @served.get("/async-endless")
    async def async_endless() -> Response:
        return endless()

    class Body:
        def __init__(self, body: Any) -> None:
            self._body = body

        def __iter__(self) -> Iterator[bytes]:
            yield from self._body

        def close(self) -> None:
            closed.append("outer")
            self._body.close()

    wrap(served, lambda inner: lambda environ, start: Body(inner(environ, start)))

    async def main() -> None:
        async with Exchange(served, path) as exchange:
            if path == "/plain":
                exchange.body_arrives()
                await exchange.end()
                return
            await exchange.until(lambda: bool(exchange.chunks))
            exchange.leave()
            await exchange.end()

    run(main())
    expected = ["outer"] if path == "/plain" else ["outer", "pieces", "response"]
    assert sorted(closed) == expected


def test_plain_views_run_in_the_middlewares_thread(app: Flask) -> None:
    seen: list[int] = []

    def middleware(inner: Any) -> Any:
        def noting(environ: Any, start: Any) -> Any:
            seen.append(threading.get_ident())
            return inner(environ, start)

        return noting

    app.add_url_rule("/", "view", lambda: str(seen.append(threading.get_ident())))
    wrap(app, middleware)
    run(fetch(app, "/"))
    assert seen[0] == seen[1] != threading.get_ident()


@pytest.mark.parametrize("path", ["/waiting", "/async-waiting"])
def test_a_client_that_leaves_is_no_error_to_middleware(served: Flask, path: str) -> None:
    """Tools for monitoring report every exception that the body raises."""
    ended: list[object] = []
    waits = threading.Event()

    async def for_ever() -> str:
        waits.set()
        await asyncio.Event().wait()
        return ""

    def pieces() -> Iterator[str]:
        yield "x"
        try:
            yield wait(for_ever())
        finally:
            ended.append("pieces")

    @served.get("/waiting")
    def waiting() -> Response:
        return Response(pieces())

    @served.get("/async-waiting")
    async def async_waiting() -> Response:
        return Response(pieces())

    class Body:
        def __init__(self, body: Any) -> None:
            self._body = body

        def __iter__(self) -> Iterator[bytes]:
            try:
                yield from self._body
            except BaseException as error:
                ended.append(error)
                raise

        def close(self) -> None:
            ended.append("body")
            self._body.close()

    wrap(served, lambda inner: lambda environ, start: Body(inner(environ, start)))

    async def main() -> None:
        async with Exchange(served, path) as exchange:
            await exchange.until(waits.is_set)
            exchange.leave()
            await exchange.end()

    run(main())
    assert ended == ["pieces", "body"]


def test_a_whole_body_is_given_to_middleware_without_a_wait(served: Flask) -> None:
    """A wait could be given up, for a client that has its answer and leaves."""
    waits: list[str] = []
    thread: list[bool] = []

    @served.get("/whole")
    async def whole() -> str:
        return "whole"

    class Body:
        def __init__(self, body: Any) -> None:
            self._body = body

        def __iter__(self) -> Iterator[bytes]:
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(
                    "quart_flask_patch._waiting.bridge.wait", lambda *args: waits.append("wait")
                )
                thread.append(threading.current_thread() is not threading.main_thread())
                yield from list(self._body)

        def close(self) -> None:
            self._body.close()

    wrap(served, lambda inner: lambda environ, start: Body(inner(environ, start)))
    assert run(fetch(served, "/whole")).text == "whole"
    assert (thread, waits) == ([True], [])
