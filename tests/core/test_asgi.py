"""What crosses the ASGI border, in both directions, and when it does."""

from __future__ import annotations

import asyncio
import sys
import time
import traceback
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from itertools import product
from types import SimpleNamespace
from typing import Any

import pytest
from werkzeug.wrappers import Response as WSGIResponse

from quart import (
    after_this_websocket,
    Quart,
    request as current_request,
    Response,
    url_for,
    websocket as current,
)
from quart._connection import inbound
from quart._formats.target import path_within_root
from quart._watching.chain import frames_of
from quart.wrappers import ClientDisconnectedError

from .driver import (
    Client,
    connect,
    exchange,
    frame,
    hook,
    in_background,
    Message,
    request,
    route,
    run,
    scope_for,
    until,
    websocket,
)

GONE = {"http": {"type": "http.disconnect"}, "websocket": {"type": "websocket.disconnect"}}


def part(body: bytes, more: bool = True) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look out for a disconnect as soon as a handler waits."""
    monkeypatch.setattr(inbound, "WATCH_AFTER", 0.001)


# --- Paths


@pytest.mark.parametrize(
    ("path", "root_path", "expected"),
    [
        ("/", "", "/"),
        ("/a/b", "", "/a/b"),
        ("", "", "/"),
        ("/app/a", "/app", "/a"),
        ("/app/", "/app", "/"),
        ("/app", "/app", "/"),
        ("/application", "/app", None),
        ("/other", "/app", None),
        ("http://host/a", "", "/a"),
        ("http://host", "", "/"),
        ("http://host/app/a", "/app", "/a"),
        ("http://host/a", "/app", None),
        # What is left of these characters in a decoded path was percent-encoded.
        ("http://host/a?b", "", "/a?b"),
        ("http://host/admin#/public", "", "/admin#/public"),
        ("http://host/a://b/c", "", "/a://b/c"),
        ("/a://b/c", "", "/a://b/c"),
        # Hosts that cannot be one.
        ("http://[/", "", None),
        ("http://[::1/a", "", None),
        ("http://[::1]a/a", "", None),
        ("http:///a", "", None),
        ("://", "", None),
        ("http://[::1]:80/a", "", "/a"),
        ("http://me@h:80/a", "", "/a"),
        ("http://\u2100/", "", "/"),
        ("*", "", "*"),
        ("/\xe4", "", "/\xe4"),
        ("/\udcff", "", "/\ufffd\ufffd\ufffd"),
        # Neither follows ASGI, but people configure both.
        ("/app/a", "/app/", "/a"),
        ("/a", "/", "/a"),
    ],
)
def test_the_path_below_the_root_path(path: str, root_path: str, expected: str | None) -> None:
    assert path_within_root({"path": path, "root_path": root_path}) == expected


def test_a_root_path_is_stripped_and_known(app: Quart, kind: str) -> None:
    @route(app, kind, "/a")
    async def view() -> str:
        connection: Any = current_request if kind == "request" else current
        return f"{connection.root_path} {connection.path} {app.url_for('static', filename='x')}"

    assert exchange(app, kind, "/app/a", root_path="/app").text == "/app /a /app/static/x"


@pytest.mark.parametrize("target", ["http://[/", "http://[::1/a", "http://\u2100/a", ""])
def test_whatever_the_target_it_is_answered(app: Quart, kind: str, target: str) -> None:
    if target != "http://\u2100/a":
        route(app, kind, "/<path:anything>")(lambda anything: "found")

    @app.errorhandler(404)
    async def handle(error: Exception) -> tuple[str, int]:
        return f"not {(current_request or current).path}", 404

    first = part(b"", more=False) if kind == "request" else {"type": "websocket.connect"}
    scope = {**scope_for("http" if kind == "request" else kind), "path": target}
    client = run(connect(app, scope, Client(first)))
    assert (client.status, client.text[:5]) == (404, "not /")


@pytest.mark.parametrize("scheme", [None, "http", "https", "HTTPS", "ws", "wss"])
def test_the_scheme_does_not_tell_a_websocket(app: Quart, kind: str, scheme: str | None) -> None:
    route(app, "request", "/")(lambda: f"request {current_request.scheme}")

    @app.websocket("/")
    async def socket() -> None:
        await current.send(f"websocket {url_for('socket', _external=True)}")

    values = {} if scheme is None else {"scheme": scheme}
    client = exchange(app, kind, **values)
    is_secure = scheme in {"https", "HTTPS", "wss"}
    if kind == "websocket":
        assert client.frames == [f"websocket ws{'s' * is_secure}://localhost/"]
    elif scheme != "HTTPS":
        assert client.text == f"request http{'s' * is_secure}"


def test_what_is_not_below_the_root_path_is_not_found(app: Quart, kind: str) -> None:
    route(app, kind, "/a")(lambda: "ok")

    assert exchange(app, kind, "/a", root_path="/app").status == 404


def test_an_unknown_scope_is_refused(app: Quart) -> None:
    with pytest.raises(RuntimeError, match="'carrier-pigeon'"):
        run(app({"type": "carrier-pigeon"}, None, None))  # type: ignore[arg-type]


def test_middleware_around_asgi_app_sees_every_connection(app: Quart, kind: str) -> None:
    seen: list[str] = []
    inner = app.asgi_app

    async def middleware(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope["type"])
        await inner(scope, receive, send)

    app.asgi_app = middleware  # type: ignore[method-assign]
    route(app, kind)(lambda: "ok")

    assert exchange(app, kind).text == "ok"
    assert seen == [kind.replace("request", "http")]


# --- Responses


def test_a_body_of_bytes_is_sent_as_one_pair_of_messages(app: Quart) -> None:
    app.add_url_rule("/", view_func=lambda: "grüße", endpoint="view")

    client = exchange(app, "request")

    assert client.types == ["http.response.start", "http.response.body"]
    assert client.messages[1] == {
        "type": "http.response.body",
        "body": "grüße".encode(),
        "more_body": False,
    }
    assert client.headers["Content-Length"] == "7"


def test_headers_are_lower_case_bytes(app: Quart, kind: str) -> None:
    route(app, kind)(lambda: ("x", {"X-Mixed": "Ä"}))

    (start,) = exchange(app, kind).of("http.response.start")

    assert (b"x-mixed", b"\xc4") in start["headers"]


@pytest.mark.parametrize(
    ("method", "status", "expected"),
    [("HEAD", 200, b""), ("GET", 204, b""), ("GET", 304, b""), ("GET", 200, b"body")],
)
@pytest.mark.parametrize("streamed", [False, True])
def test_some_responses_have_no_body(
    app: Quart, method: str, status: int, expected: bytes, streamed: bool
) -> None:
    closed: list[bool] = []

    @app.route("/")
    async def view() -> Any:
        async def stream() -> AsyncIterator[bytes]:
            yield b"body"

        response = Response(stream() if streamed else "body", status)
        response.call_on_close(lambda: closed.append(True))
        return response

    client = exchange(app, "request", method=method)

    assert (client.status, client.body) == (status, expected)
    has_length = status == 200 and not streamed
    assert ("Content-Length" in client.headers) == has_length
    assert client.messages[-1]["more_body"] is False
    assert closed == [True]


def test_head_says_how_long_the_body_would_be(app: Quart) -> None:
    app.add_url_rule("/", view_func=lambda: "body", endpoint="view")

    assert exchange(app, "request", method="HEAD").headers["Content-Length"] == "4"


def async_chunks() -> Any:
    async def stream() -> AsyncIterator[Any]:
        yield "ä"
        yield b""
        yield bytearray(b"b")

    return stream()


def plain_chunks() -> Any:
    yield "ä"
    yield b""
    yield bytearray(b"b")


@pytest.mark.parametrize("chunks", [async_chunks, plain_chunks])
def test_a_stream_is_sent_chunk_by_chunk_as_bytes(
    app: Quart, kind: str, chunks: Callable[[], Any]
) -> None:
    @route(app, kind)
    async def view() -> Any:
        return chunks(), 401

    client = exchange(app, kind)

    assert client.chunks == ["ä".encode(), b"b", b""]
    assert [type(chunk) for chunk in client.chunks] == [bytes] * 3
    assert [m["more_body"] for m in client.of("http.response.body")] == [True, True, False]


def test_a_werkzeug_response_is_accepted(app: Quart, kind: str) -> None:
    route(app, kind)(lambda: WSGIResponse(["a", "b"], 418, {"X-From": "werkzeug"}))

    client = exchange(app, kind)

    assert (client.status, client.body) == (418, b"ab")
    assert client.headers["X-From"] == "werkzeug"


def test_functions_to_call_on_close_are_called_once_the_body_is_sent(app: Quart) -> None:
    log: list[str] = []

    @app.route("/")
    async def view() -> Response:
        async def stream() -> AsyncIterator[str]:
            yield "x"
            log.append("streamed")

        async def close() -> None:
            log.append("closed")

        response = Response(stream())
        response.call_on_close(close)
        response.call_on_close(lambda: log.append("closed plainly"))
        return response

    exchange(app, "request")

    assert log == ["streamed", "closed", "closed plainly"]


def test_a_stream_that_fails_ends_the_connection_with_the_error(app: Quart) -> None:
    closed: list[bool] = []

    @app.route("/")
    async def view() -> Response:
        async def stream() -> AsyncIterator[str]:
            yield "x"
            raise ValueError("half way")

        response = Response(stream())
        response.call_on_close(lambda: closed.append(True))
        return response

    client = Client(part(b"", False))
    with pytest.raises(ValueError, match="half way"):
        run(connect(app, scope_for("http"), client))

    # No end is sent, or the client would take the half for the whole.
    assert client.chunks == [b"x"]
    assert closed == [True]


def exits(*args: object) -> Any:
    sys.exit("from within")


async def exits_async(*args: object) -> Any:
    sys.exit("from within")


def exits_in_a_stream() -> Any:
    def stream() -> Iterator[str]:
        yield "x"
        sys.exit("from within")

    return Response(stream())


@pytest.mark.parametrize("kind", ["request", "websocket"])
@pytest.mark.parametrize("place", ["view", "before", "teardown", "stream"])
@pytest.mark.parametrize("function", [exits, exits_async])
def test_an_exit_ends_one_connection_and_not_the_server(
    app: Quart, kind: str, place: str, function: Callable[..., Any]
) -> None:
    torn_down: list[object] = []
    app.teardown_appcontext(torn_down.append)
    if place == "stream":
        kind, function = "request", exits_in_a_stream
    elif place != "view":
        hook(app, place, kind)(function)
    route(app, kind)(function)
    says = part(b"", False) if kind == "request" else {"type": "websocket.connect"}
    scope = scope_for("http" if kind == "request" else kind)

    with pytest.raises(RuntimeError, match=r"got a call of sys\.exit\(\)") as raised:
        run(connect(app, scope, Client(says)))

    assert isinstance(raised.value.__cause__, SystemExit)
    assert len(torn_down) == 1
    app.testing = True
    with pytest.raises(SystemExit, match="from within"):
        run(connect(app, scope, Client(says)))


@pytest.mark.parametrize("seconds", [0.01, None])
def test_the_time_for_a_response_is_limited(app: Quart, seconds: float | None) -> None:
    @app.route("/")
    async def view() -> Response:
        async def stream() -> AsyncIterator[str]:
            yield "x"
            await asyncio.sleep(0.05)  # Longer than the limit.
            yield "y"

        return Response(stream())

    app.config["RESPONSE_TIMEOUT"] = seconds

    if seconds is None:
        assert exchange(app, "request").body == b"xy"
    else:
        with pytest.raises(TimeoutError):
            exchange(app, "request")


def test_a_response_may_have_a_limit_of_its_own(app: Quart) -> None:
    app.config["RESPONSE_TIMEOUT"] = 0.01

    @app.route("/")
    async def view() -> Response:
        async def stream() -> AsyncIterator[str]:
            await asyncio.sleep(0.05)  # Longer than the limit of others.
            yield "x"

        response = Response(stream())
        response.timeout = None
        return response

    assert exchange(app, "request").body == b"x"


def test_push_promises_are_sent_before_the_answer(app: Quart) -> None:
    @app.route("/")
    async def view() -> Response:
        response = Response("ok")
        response.push_promises.add("/style.css")
        return response

    extensions = {"http.response.push": {}}
    client = exchange(app, "request", extensions=extensions, headers=[(b"accept", b"*/*")])

    assert client.types[0] == "http.response.push"
    assert client.messages[0]["path"] == "/style.css"
    assert (b"accept", b"*/*") in client.messages[0]["headers"]
    assert exchange(app, "request").types[0] == "http.response.start"


# --- Receiving


def test_the_application_returns_when_the_handler_has_ended(app: Quart, kind: str) -> None:
    """No server has to say that the client is gone for that."""
    route(app, kind)(lambda: "ok")

    assert exchange(app, kind).text == "ok"


def test_a_body_that_nobody_asks_for_is_not_received(app: Quart) -> None:
    app.add_url_rule("/", view_func=lambda: "ok", endpoint="view", methods=["POST"])
    client = Client(*[part(b"x")] * 100)

    run(connect(app, scope_for("http", method="POST"), client))

    assert client.status == 200
    assert client.taken == 0


def test_a_body_is_received_as_it_is_iterated_over(app: Quart) -> None:
    client = Client(*map(part, (b"a", b"b", b"c")), part(b"", False))
    seen: list[tuple[bytes, int]] = []

    @app.route("/", methods=["POST"])
    async def view() -> str:
        async for chunk in current_request.body:
            seen.append((chunk, client.taken))  # noqa: PERF401
        return "ok"

    run(connect(app, scope_for("http", method="POST"), client))

    assert seen == [(b"a", 1), (b"b", 2), (b"c", 3)]


@pytest.mark.parametrize("length", [None, 1_000_000])
@pytest.mark.parametrize("way", ["data", "iterate", "json", "form"])
def test_the_limit_of_a_body_holds_while_it_arrives(
    app: Quart, length: int | None, way: str
) -> None:
    app.config["MAX_CONTENT_LENGTH"] = 100
    client = Client(*[part(b"x" * 60)] * 50, part(b"", False))

    @app.route("/", methods=["POST"])
    async def view() -> str:
        if way == "iterate":
            async for _ in current_request.body:
                pass
        elif way == "json":
            await current_request.get_json()
        elif way == "form":
            await current_request.form
        else:
            await current_request.get_data()
        return "ok"

    kind = {"form": b"application/x-www-form-urlencoded", "json": b"application/json"}
    headers = [(b"content-type", kind.get(way, b"text/plain"))]
    if length is not None:
        headers.append((b"content-length", str(length).encode()))
    run(connect(app, scope_for("http", method="POST", headers=headers), client))

    assert client.status == 413
    assert client.taken_before_answer == (2 if length is None else 0)


def test_the_limit_may_be_set_per_request(app: Quart) -> None:
    app.config["MAX_CONTENT_LENGTH"] = 10

    @app.route("/", methods=["POST"])
    async def view() -> str:
        current_request.max_content_length = 1000
        return str(len(await current_request.get_data()))

    assert run(request(app, body=b"x" * 500, method="POST")).text == "500"


def test_reading_a_body_after_the_client_is_gone_raises(app: Quart) -> None:
    seen: list[BaseException] = []
    client = Client(part(b"half"), GONE["http"])

    @app.route("/", methods=["POST"])
    async def view() -> str:
        try:
            await current_request.get_data()
        except ClientDisconnectedError as error:
            seen.append(error)
            raise
        return "ok"

    run(connect(app, scope_for("http", method="POST"), client))

    assert len(seen) == 1


# --- Disconnects


@pytest.mark.usefixtures("soon")
def test_a_long_waiting_handler_is_cancelled_when_the_client_leaves(app: Quart) -> None:
    log: list[str] = []

    @app.route("/")
    async def view() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            log.append("cancelled")

    @app.teardown_request
    async def teardown(error: BaseException | None) -> None:
        await asyncio.sleep(0)
        log.append(f"teardown {type(error).__name__}")

    client = Client(part(b"", False), GONE["http"])
    run(connect(app, scope_for("http"), client))

    assert log == ["cancelled", "teardown CancelledError"]
    assert client.messages == []


def test_a_handler_that_ends_at_once_is_not_watched(app: Quart) -> None:
    """A disconnect that nobody had to look for leaves no task behind."""

    @app.route("/")
    async def view() -> str:
        await asyncio.sleep(0)
        return str(len(asyncio.all_tasks()))

    assert exchange(app, "request").text == "1"


@pytest.mark.usefixtures("soon")
def test_no_task_outlives_a_watched_handler(app: Quart, kind: str) -> None:
    @route(app, kind)
    async def view() -> str:
        await asyncio.sleep(0.02)  # Until it is watched.
        return "ok"

    async def main() -> None:
        serve: Any = request if kind == "request" else websocket
        client = await serve(app)
        assert client.text == "ok"
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(main())


@pytest.mark.usefixtures("soon")
def test_a_streamed_answer_stops_when_the_client_leaves(app: Quart) -> None:
    log: list[str] = []

    @app.route("/")
    async def view() -> Response:
        async def stream() -> AsyncIterator[str]:
            try:
                while True:
                    yield "tick"
                    await asyncio.sleep(0.001)
            finally:
                log.append("stream closed")

        response = Response(stream())
        response.call_on_close(lambda: log.append("response closed"))
        response.timeout = None
        return response

    async def main() -> None:
        client = Client(part(b"", False))
        served = in_background(connect(app, scope_for("http"), client))
        await client.until("http.response.body", 3)
        client.say(GONE["http"])
        await served
        assert client.messages[-1]["more_body"] is True

    run(main())

    assert log == ["stream closed", "response closed"]


@pytest.mark.usefixtures("soon")
def test_a_plain_generator_is_closed_when_the_client_leaves(app: Quart) -> None:
    closed: list[bool] = []

    @app.route("/")
    def view() -> Any:
        def stream() -> Iterator[str]:
            try:
                while True:
                    yield "tick"
            finally:
                closed.append(True)

        return stream()

    class Slow(Client):
        async def send(self, message: Message) -> None:
            await super().send(message)
            await asyncio.sleep(0.001)

    async def main() -> None:
        client = Slow(part(b"", False))
        served = in_background(connect(app, scope_for("http"), client))
        await client.until("http.response.body", 3)
        client.say(GONE["http"])
        await served

    run(main())

    assert closed == [True]


def test_a_send_that_fails_closes_the_stream(app: Quart) -> None:
    """Since ASGI 2.4 a server says so that the client is gone."""
    closed: list[bool] = []

    @app.route("/")
    async def view() -> Any:
        async def stream() -> AsyncIterator[str]:
            try:
                while True:
                    yield "tick"
            finally:
                closed.append(True)

        return stream()

    class Gone(Client):
        async def send(self, message: Message) -> None:
            await super().send(message)
            if len(self.messages) > 3:
                raise OSError("client is gone")

    client = Gone(part(b"", False))
    # It is no error of the application.
    run(connect(app, scope_for("http"), client))

    assert closed == [True]


@pytest.mark.parametrize("catches", [False, True])
def test_a_websocket_send_that_fails_tells_the_handler(app: Quart, catches: bool) -> None:
    log: list[str] = []

    @app.websocket("/")
    async def view() -> None:
        try:
            while True:
                await current.send("tick")
        except ClientDisconnectedError:
            log.append("gone")
            if not catches:
                raise

    class Gone(Client):
        async def send(self, message: Message) -> None:
            await super().send(message)
            if len(self.messages) > 3:
                raise OSError("client is gone")

    client = Gone({"type": "websocket.connect"})
    run(connect(app, scope_for("websocket"), client))

    assert log == ["gone"]


@pytest.mark.usefixtures("soon")
def test_a_waiting_websocket_handler_is_cancelled_when_the_client_leaves(app: Quart) -> None:
    log: list[str] = []

    @app.websocket("/")
    async def view() -> None:
        @after_this_websocket
        async def after_this(response: Any) -> Any:
            log.append("after this")
            return response

        await current.accept()
        try:
            await asyncio.Event().wait()
        finally:
            log.append("cancelled")

    @app.after_websocket
    async def after(response: Any) -> Any:
        log.append("after")
        return response

    @app.teardown_websocket
    async def teardown(error: BaseException | None) -> None:
        log.append("teardown")

    client = Client({"type": "websocket.connect"}, GONE["websocket"])
    run(connect(app, scope_for("websocket"), client))

    assert log == ["cancelled", "after this", "after", "teardown"]


async def by_a_task_beside(send: Any, receive: Any) -> None:
    task = asyncio.create_task(receive())
    try:
        await send()
    finally:
        task.cancel()
        await asyncio.wait([task])


async def by_gather(send: Any, receive: Any) -> None:
    await asyncio.gather(send(), receive())


async def by_a_task_group(send: Any, receive: Any) -> None:
    async with asyncio.TaskGroup() as group:
        group.create_task(send())
        group.create_task(receive())


async def by_two_tasks(send: Any, receive: Any) -> None:
    tasks = [asyncio.create_task(send()), asyncio.create_task(receive())]
    try:
        await asyncio.wait(tasks)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


@pytest.mark.parametrize("watched", [True, False])
@pytest.mark.parametrize("way", [by_a_task_beside, by_gather, by_a_task_group, by_two_tasks])
def test_a_handler_that_lets_a_task_receive_ends_when_the_client_leaves(
    app: Quart,
    way: Callable[..., Any],
    watched: bool,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """One task receives and another waits for something to send: so is every chat."""
    monkeypatch.setattr(inbound, "WATCH_AFTER", 0.001 if watched else 60)
    log: list[str] = []

    async def send() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            log.append("sending ended")

    async def receive() -> None:
        while True:
            log.append(str(await current.receive()))
            await asyncio.sleep(0.01)

    @app.websocket("/")
    async def view() -> None:
        await way(send, receive)

    @app.teardown_websocket
    def teardown(error: BaseException | None) -> None:
        log.append("teardown")

    async def main() -> None:
        client = Client({"type": "websocket.connect"}, frame("hi"))
        served = in_background(connect(app, scope_for("websocket"), client))
        await client.until("websocket.accept")
        await until(lambda: "hi" in log)
        client.say(GONE["websocket"])
        await served
        assert asyncio.all_tasks() == {asyncio.current_task()}

    run(main())

    assert log == ["hi", "sending ended", "teardown"]
    # A client that leaves is no error.
    assert not caplog.records


@pytest.mark.usefixtures("soon")
def test_a_handler_that_survives_the_cancellation_leaves_the_task_as_it_was(app: Quart) -> None:
    @app.route("/")
    async def view() -> str:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return "survived"
        return "never"

    async def main() -> None:
        client = await connect(app, scope_for("http"), Client(part(b"", False), GONE["http"]))
        assert client.body in {b"survived", b""}
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0
        # What the server does next in this task must not be cancelled for it.
        async with asyncio.timeout(1):
            await asyncio.sleep(0)

    run(main())


@pytest.mark.usefixtures("soon")
def test_a_plain_view_ends_before_its_request_does(app: Quart) -> None:
    """A thread cannot be interrupted, so its request waits for it."""
    log: list[str] = []

    @app.route("/")
    def view() -> str:
        time.sleep(0.03)  # Until after the disconnect, which nobody in here can see.
        log.append("view")
        return "ok"

    @app.teardown_request
    def teardown(error: BaseException | None) -> None:
        log.append("teardown")

    run(connect(app, scope_for("http"), Client(part(b"", False), GONE["http"])))

    assert log == ["view", "teardown"]


@pytest.mark.usefixtures("soon")
def test_a_handler_that_gave_up_receiving_is_cancelled_when_the_client_leaves(app: Quart) -> None:
    log: list[Any] = []
    given_up = asyncio.Event()

    @app.websocket("/")
    async def view() -> None:
        with pytest.raises(TimeoutError):
            # So long that the disconnect would have been watched for, had nobody received.
            await asyncio.wait_for(current.receive(), 0.05)
        given_up.set()
        log.append(await current.receive())
        try:
            await asyncio.Event().wait()
        finally:
            log.append("cancelled")

    async def main() -> None:
        client = Client({"type": "websocket.connect"})
        served = in_background(connect(app, scope_for("websocket"), client))
        await given_up.wait()
        client.say(frame("hi"))
        await until(lambda: "hi" in log)
        client.say(GONE["websocket"])
        await served

    run(main())

    assert log == ["hi", "cancelled"]


def test_a_websocket_reads_from_where_it_is_told_to(app: Quart) -> None:
    async def receive() -> Message:
        return frame("from elsewhere")

    @app.websocket("/")
    async def view() -> None:
        first = await current.receive()
        current.receive_from(receive)
        await current.send(f"{first}, {await current.receive()}")

    assert run(websocket(app, "/", "from the client")).frames == ["from the client, from elsewhere"]


def test_a_waiting_websocket_keeps_nothing_that_it_is_done_with(app: Quart) -> None:
    """There may be ten thousand of them."""
    waited: list[weakref.ref[asyncio.Future[Message]]] = []

    @app.websocket("/")
    async def view() -> None:
        while True:
            await current.send(await current.receive())

    async def main() -> None:
        client, futures = Client(), asyncio.Queue[asyncio.Future[Message]]()

        async def receive() -> Message:
            future: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
            waited.append(weakref.ref(future))
            futures.put_nowait(future)
            return await future

        task = asyncio.create_task(app(scope_for("websocket"), receive, client.send))  # type: ignore[arg-type]
        for message in {"type": "websocket.connect"}, frame("a"), frame("b"):
            (await futures.get()).set_result(message)
        await client.until("send", 2)
        last = await futures.get()
        assert [future() is not None for future in waited] == [False, False, False, True]
        frames = [each.f_code.co_name for each in frames_of(task.get_coro())]
        # Nothing is around the connection but what calls it.
        assert frames[:2] == ["__call__", "__call__"]
        last.set_result(GONE["websocket"])
        await task

    run(main())


def test_a_message_may_be_of_a_subclass_of_str_or_any_kind_of_bytes(app: Quart) -> None:
    class Text(str):
        __slots__ = ()

    @app.websocket("/")
    async def view() -> None:
        for data in (Text("a"), b"b", bytearray(b"c"), memoryview(b"d")):
            await current.send(data)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="Expected str or bytes to send, got int"):
            await current.send(1)  # type: ignore[arg-type]

    assert run(websocket(app)).frames == ["a", b"b", b"c", b"d"]


def test_a_receiving_websocket_handler_learns_of_the_disconnect(app: Quart) -> None:
    log: list[Any] = []

    @app.websocket("/")
    async def view() -> None:
        try:
            while True:
                log.append(await current.receive())
        except ClientDisconnectedError as error:
            log.append((error.close_code, error.reason))
            raise

    @app.after_websocket
    async def after(response: Any) -> Any:
        log.append("after")
        return response

    @app.teardown_websocket
    async def teardown(error: BaseException | None) -> None:
        log.append(("teardown", error))

    gone = {"type": "websocket.disconnect", "code": 4001, "reason": "bored"}
    client = Client({"type": "websocket.connect"}, frame("hi"), gone)
    run(connect(app, scope_for("websocket"), client))

    assert log == ["hi", (4001, "bored"), "after", ("teardown", None)]


@pytest.mark.usefixtures("soon")
def test_the_server_can_cancel_a_handler(app: Quart, kind: str) -> None:
    log: list[str] = []
    entered = asyncio.Event()

    @route(app, kind)
    async def view() -> None:
        entered.set()
        await asyncio.Event().wait()

    hook(app, "teardown", kind)(lambda error: log.append("teardown"))

    async def main() -> None:
        serve: Any = request if kind == "request" else websocket
        served = in_background(serve(app))
        await entered.wait()
        await asyncio.sleep(0.01)  # Until it is watched, where the test asks for that.
        served.cancel()
        await asyncio.wait([served])
        assert served.cancelled()

    run(main())

    assert log == ["teardown"]


@pytest.mark.usefixtures("soon")
@pytest.mark.parametrize("size", [0, 16 * 1024])
def test_receiving_ahead_is_bounded(app: Quart, size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A sender is held back while a handler that takes messages does something else."""
    monkeypatch.setattr(inbound, "PATIENCE", 60)
    client = Client({"type": "websocket.connect"}, *[frame("x" * size)] * 5000)
    taken: list[int] = []

    @app.websocket("/")
    async def view() -> None:
        assert await current.receive() == "x" * size
        for _ in range(30):
            await asyncio.sleep(0.001)
        taken.append(client.taken)
        for _ in range(4999):
            assert await current.receive() == "x" * size
        client.say(GONE["websocket"])

    run(connect(app, scope_for("websocket"), client))

    bound = inbound.AHEAD // (size + 256) + 4
    assert 1 < taken[0] <= bound


@pytest.mark.usefixtures("soon")
def test_a_body_that_was_received_ahead_is_complete(app: Quart) -> None:
    pieces = [bytes([65 + n]) * 10_000 for n in range(26)]
    client = Client(*map(part, pieces), part(b"", False))

    @app.route("/", methods=["POST"])
    async def view() -> Any:
        while client.taken < 27:  # noqa: ASYNC110  # all of it is to be received ahead
            await asyncio.sleep(0.001)
        return await current_request.get_data()

    run(connect(app, scope_for("http", method="POST"), client))

    assert client.body == b"".join(pieces)


@pytest.mark.usefixtures("soon")
def test_a_handler_that_reads_slowly_is_not_cancelled(app: Quart) -> None:
    """The watcher starts while the handler is waiting for a message."""

    @app.route("/", methods=["POST"])
    async def view() -> Any:
        return await current_request.get_data()

    async def main() -> bytes:
        client = Client(part(b"a"))
        served = in_background(connect(app, scope_for("http", method="POST"), client))
        for number, piece in enumerate((b"b", b"c"), 1):
            await until(lambda number=number: client.taken == number)
            client.say(part(piece))
        client.say(part(b"", False))
        await served
        return client.body

    assert run(main()) == b"abc"


# --- Websockets


def test_frames_keep_their_type_and_may_be_empty(app: Quart) -> None:
    received: list[Any] = []
    frames = ["text", b"binary", "", b""]

    @app.websocket("/")
    async def view() -> None:
        for _ in frames:
            received.append(await current.receive())
            await current.send(received[-1])

    client = run(websocket(app, "/", *frames))

    assert received == frames
    assert client.frames == frames
    assert [type(data) for data in client.frames] == [str, bytes, str, bytes]


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({"bytes": b"", "text": None}, b""),
        ({"bytes": None, "text": ""}, ""),
        ({"bytes": b"x", "text": None}, b"x"),
        ({"bytes": None, "text": "x"}, "x"),
    ],
)
def test_a_server_may_give_both_keys(app: Quart, message: Message, expected: Any) -> None:
    received: list[Any] = []

    @app.websocket("/")
    async def view() -> None:
        received.append(await current.receive())

    connected = {"type": "websocket.connect"}
    client = Client(connected, {"type": "websocket.receive", **message})
    run(connect(app, scope_for("websocket"), client))

    assert received == [expected]


def test_accepting_gives_headers_and_the_subprotocol(app: Quart) -> None:
    @app.websocket("/")
    async def view() -> None:
        assert current.requested_subprotocols == ["a", "b"]
        await current.accept({"X-Extra": "1"}, "b")

    client = run(websocket(app, subprotocols=["a", "b"]))

    (accept,) = client.of("websocket.accept")
    assert accept["subprotocol"] == "b"
    assert client.headers["X-Extra"] == "1"


@pytest.mark.parametrize(
    ("ending", "code"), [("return", 1000), ("close", 4000), ("raise", 1011), ("answer", 1011)]
)
def test_an_accepted_websocket_is_closed_with_a_code(app: Quart, ending: str, code: int) -> None:
    @app.websocket("/")
    async def view() -> Any:
        await current.accept()
        if ending == "close":
            await current.close(4000, "enough")
        if ending == "raise":
            raise ValueError
        return "too late" if ending == "answer" else None

    client = run(websocket(app))

    assert client.types == ["websocket.accept", "websocket.close"]
    assert client.close_code == code
    if ending == "close":
        assert client.messages[1]["reason"] == "enough"


def test_an_error_that_propagates_closes_the_websocket_too(app: Quart) -> None:
    app.testing = True

    @app.websocket("/")
    async def view() -> None:
        await current.accept()
        raise ValueError

    client = Client({"type": "websocket.connect"})
    with pytest.raises(ValueError, match=r"^$"):
        run(connect(app, scope_for("websocket"), client))

    assert client.close_code == 1011


def test_closing_before_accepting_refuses(app: Quart) -> None:
    @app.websocket("/")
    async def view() -> None:
        await current.close(1000)

    assert run(websocket(app)).types == ["websocket.close"]


def test_a_refusal_is_a_whole_response_where_the_server_can_send_one(app: Quart) -> None:
    @app.websocket("/")
    async def view() -> Any:
        return "nö", 403, {"X-Why": "because"}

    client = run(websocket(app))

    assert client.types == ["websocket.http.response.start", "websocket.http.response.body"]
    assert (client.status, client.body) == (403, "nö".encode())
    assert client.headers["X-Why"] == "because"


def test_a_refusal_may_be_streamed_as_text(app: Quart) -> None:
    @app.websocket("/")
    async def view() -> Any:
        async def why() -> AsyncIterator[str]:
            yield "nö"
            yield "t today"

        return why(), 503

    client = run(websocket(app))

    assert client.status == 503
    assert client.chunks == ["nö".encode(), b"t today", b""]


def test_elsewhere_a_refusal_is_a_close(app: Quart) -> None:
    @app.websocket("/")
    async def view() -> Any:
        return "no", 403

    for extensions in ({}, None):
        assert run(websocket(app, extensions=extensions)).types == ["websocket.close"]


def test_a_websocket_on_a_plain_route_is_refused_and_the_reverse(app: Quart) -> None:
    app.add_url_rule("/http", view_func=lambda: "ok", endpoint="http")

    @app.websocket("/ws")
    async def view() -> None:
        await current.accept()

    assert run(websocket(app, "/http")).status in {400, 404}
    assert run(request(app, "/ws")).status in {400, 404}


def test_a_client_that_sends_no_host_is_answered(app: Quart, kind: str) -> None:
    route(app, kind)(lambda: "ok")
    scope = scope_for("http" if kind == "request" else "websocket")
    scope["headers"] = []

    assert run(bare(app, scope)).text == "ok"


async def bare(app: Quart, scope: dict[str, Any]) -> Client:
    first = part(b"", False) if scope["type"] == "http" else {"type": "websocket.connect"}
    return await connect(app, scope, Client(first))


def test_only_what_asgi_demands_has_to_be_in_a_scope(app: Quart, kind: str) -> None:
    route(app, kind)(lambda: "ok")
    full = scope_for("http" if kind == "request" else "websocket")
    # The others are optional in the ASGI specification.
    wanted = ("type", "asgi", "http_version", "method", "path", "query_string", "headers")
    scope = {key: full[key] for key in wanted if key in full}
    if kind == "websocket":
        scope["extensions"] = full["extensions"]

    assert run(bare(app, scope)).text == "ok"


def test_any_byte_may_be_in_a_header(app: Quart, kind: str) -> None:
    @route(app, kind)
    async def view() -> str:
        connection: Any = current_request if kind == "request" else current
        return ascii(connection.headers["X-Odd"])

    assert exchange(app, kind, headers=[(b"x-odd", b"\xff\xe4")]).text == "'\\xff\\xe4'"


@pytest.mark.parametrize("name", ["X\r\nSet-Cookie: a=b; X", "X: a", "\xe4", "\u20ac", " ", ""])
def test_what_cannot_be_the_name_of_a_header_is_not_sent(app: Quart, kind: str, name: str) -> None:
    closed = []

    @route(app, kind)
    async def view() -> Any:
        response = Response("x", 403)
        response.headers[name] = "1"
        response.call_on_close(lambda: closed.append(True))
        return response

    answer = exchange(app, kind)
    assert (answer.status, closed) == (500, [True])
    assert sorted(answer.headers.keys()) == ["content-length", "content-type"]


@pytest.mark.parametrize("status", [0, 99, 1000])
def test_a_status_that_no_server_can_send_is_an_error(
    app: Quart, kind: str, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    closed = []

    @route(app, kind)
    async def view() -> Any:
        response = Response("x", status)
        response.call_on_close(lambda: closed.append(True))
        return response

    answer = exchange(app, kind)
    assert (answer.status, closed) == (500, [True])
    assert f"from 100 to 999 (RFC 9110, section 15), got {status}." in caplog.text


@pytest.mark.parametrize("status", [100, 600, 999])
def test_any_other_status_is_sent(app: Quart, status: int) -> None:
    app.get("/")(lambda: ("x", status))
    assert run(request(app)).status == status


@pytest.mark.parametrize("coding", ["chunked", "identity", "gzip, chunked"])
@pytest.mark.parametrize("body", ["whole", "stream", "none", "bare", "one more", "first"])
def test_how_bytes_travel_is_left_to_the_server(
    app: Quart, kind: str, body: str, coding: str
) -> None:
    """Views that pass on another server's answer send its headers, this one too."""

    @route(app, kind)
    async def view() -> Any:
        content = (piece for piece in ["x"]) if body == "stream" else "x"
        response = Response(content, 204 if body == "none" else 403)
        response.headers["Transfer-Encoding"] = coding
        if body == "bare":
            del response.headers["Content-Type"]
            response.headers["X-Other"] = "1"
        elif body == "one more":
            del response.headers["Content-Type"]
        elif body == "first":
            length = response.headers.pop("Content-Length")
            response.headers.pop("Content-Type")
            response.headers["Content-Length"] = length
        return response

    answer = exchange(app, kind)
    assert "transfer-encoding" not in answer.headers
    assert answer.text == ("" if body == "none" else "x")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("a=" + " " * 300 + '"', "a=" + " " * 32 + '"'),
        ("a" + "\t " * 300 + "b", "a" + "\t " * 16 + "b"),
        ("a" * 300 + " " * 32 + "b", "a" * 300 + " " * 32 + "b"),
        ("a" + " " * 200, "a" + " " * 200),
    ],
    ids=["many", "of both kinds", "as many as may be", "short"],
)
def test_many_blanks_in_a_long_header_are_a_few(
    app: Quart, kind: str, value: str, expected: str
) -> None:
    @route(app, kind)
    async def view() -> str:
        connection: Any = current_request if kind == "request" else current
        assert connection.headers["X-Odd"] == connection.headers.getlist("x-odd")[0] == expected
        assert dict(connection.headers)["X-Odd"] == expected
        return "as expected"

    assert exchange(app, kind, headers=[(b"x-odd", value.encode())]).text == "as expected"


# --- Lifespan


async def lifespan(app: Quart, *phases: str) -> list[Message]:
    client = Client(*({"type": f"lifespan.{phase}"} for phase in phases))
    await connect(app, {"type": "lifespan", "asgi": {"version": "3.0"}}, client)
    return client.messages


def test_lifespan_runs_the_serving_hooks(app: Quart, log: list[str]) -> None:
    app.before_serving(lambda: log.append("before"))
    app.after_serving(lambda: log.append("after"))

    @app.while_serving
    async def around() -> AsyncIterator[None]:
        log.append("up")
        yield
        log.append("down")

    messages = run(lifespan(app, "startup", "shutdown"))

    assert log == ["before", "up", "down", "after"]
    assert [m["type"] for m in messages] == [
        "lifespan.startup.complete",
        "lifespan.shutdown.complete",
    ]


@pytest.mark.parametrize(
    ("error", "colour"),
    [
        *product([ValueError, SystemExit, KeyboardInterrupt], ["plain", "async"]),
        # Out of a coroutine it would be another one, Python's own.
        (StopIteration, "plain"),
    ],
)
@pytest.mark.parametrize("phase", ["startup", "shutdown"])
def test_a_phase_that_fails_says_why(
    app: Quart,
    caplog: pytest.LogCaptureFixture,
    phase: str,
    error: type[BaseException],
    colour: str,
) -> None:
    def fail() -> None:
        raise error("no database")

    async def fail_async() -> None:
        fail()

    register = app.before_serving if phase == "startup" else app.after_serving
    register(fail if colour == "plain" else fail_async)
    messages = run(lifespan(app, "startup", "shutdown"))

    (failed,) = (m for m in messages if m["type"].endswith("failed"))
    assert failed["type"] == f"lifespan.{phase}.failed"
    assert failed["message"] == "no database"
    assert messages[-1] is failed
    (record,) = [r for r in caplog.records if r.exc_info]
    assert record.exc_info is not None
    assert traceback.extract_tb(record.exc_info[2])[-1].name == "fail"


def test_a_start_that_ends_without_a_word_has_failed(app: Quart) -> None:
    app.before_serving(sys.exit)

    (failed,) = run(lifespan(app, "startup", "shutdown"))

    assert failed == {"type": "lifespan.startup.failed", "message": "SystemExit"}


@pytest.mark.parametrize("phase", ["startup", "shutdown"])
def test_a_phase_that_is_cancelled_has_not_failed(app: Quart, phase: str) -> None:
    async def main() -> list[Message]:
        begun = asyncio.Event()

        async def waits() -> None:
            begun.set()
            await asyncio.sleep(60)

        (app.before_serving if phase == "startup" else app.after_serving)(waits)
        client = Client({"type": "lifespan.startup"}, {"type": "lifespan.shutdown"})
        scope = {"type": "lifespan", "asgi": {"version": "3.0"}}
        task = asyncio.create_task(connect(app, scope, client))
        await begun.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return client.messages

    assert not [m for m in run(main()) if m["type"].endswith("failed")]


@pytest.mark.parametrize("adds", [True, False])
@pytest.mark.parametrize("server", ["hypercorn.fake", "uvicorn.fake", "another"])
def test_a_date_is_not_sent_twice(app: Quart, server: str, adds: bool) -> None:
    """Servers that are known to add one are known by what their `send` is a method of."""

    @app.get("/")
    async def view() -> tuple[str, dict[str, str]]:
        return "", {"Date": "Thu, 01 Jan 1970 00:00:00 GMT"}

    class Stream:
        config = SimpleNamespace(include_date_header=adds)
        default_headers = [(b"date", b"now")] if adds else []  # as uvicorn's
        messages: list[Any] = []  # noqa: RUF012  # one is made

        async def send(self, message: Any) -> None:
            self.messages.append(message)

    Stream.__module__ = server
    run(app(scope_for("http", "/"), partial(asyncio.sleep, 60), Stream().send))
    names = [name for name, _ in Stream.messages[0]["headers"]]
    assert (b"date" in names) == (not adds or server == "another")
