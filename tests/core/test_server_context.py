"""The context variables of a connection, and those of the server: neither sees the other's."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextvars import Context, ContextVar, copy_context
from typing import Any

import pytest

from quart import g, Quart, request, Response, stream_with_context, websocket
from quart._connection import inbound
from quart._flask import flask_cv_app, flask_cv_request
from quart.asgi import ASGIHTTPConnection
from quart.globals import _cv_app

from .driver import frame, hook, Message, route, run, scope_for

#: Of the application's own, as those of loggers and tracers are.
USER: ContextVar[str] = ContextVar("user", default="nobody")
#: Of the server's, or of what it has around the application.
SERVER: ContextVar[str] = ContextVar("server", default="nothing")

Application = Callable[[Any, Any, Any], Awaitable[None]]


class Server:
    """A server that keeps the context in which it is asked to do something, as event loops do."""

    def __init__(self, app: Application) -> None:
        self.app = app
        #: What each `receive` and `send` found: the user, and whether there was a context of ours.
        self.found: set[tuple[str, bool]] = set()
        self.context: Context | None = None
        #: Waited for in each `receive` and `send`.
        self.pause: Callable[[], Awaitable[Any]] = lambda: asyncio.sleep(0)
        self.sent: list[Message] = []

    async def _look(self) -> None:
        for _ in range(2):
            ours = any(v in copy_context() for v in (_cv_app, flask_cv_app, flask_cv_request))
            self.found.add((USER.get(), ours))
            self.context = copy_context()
            await self.pause()

    async def answer(self, kind: str = "http", path: str = "/", *says: Message) -> str:
        """Have *app* called in this very task, and return the answer's body."""
        incoming, sent = asyncio.Queue[Message](), list[Message]()
        for message in says or [{"type": "http.request", "body": b"body", "more_body": False}]:
            incoming.put_nowait(message)

        async def receive() -> Message:
            await self._look()
            return await incoming.get()

        async def send(message: Message) -> None:
            await self._look()
            SERVER.set(message["type"])
            sent.append(message)

        await self.app(scope_for(kind, path), receive, send)
        self.sent = sent
        parts = [m.get("body") or (m.get("text") or "").encode() for m in sent]
        return b"".join(parts).decode()

    async def next(self, *args: Any) -> str:
        """The same in a new task, which begins with what the last connection has left."""
        return await asyncio.create_task(self.answer(*args), context=self.context)


def meet(app: Quart) -> list[str]:
    """Let *app* note what each of its connections begins with, and leave something behind."""
    begins: list[str] = []

    def first(*args: Any) -> None:
        begins.append(f"{USER.get()} {getattr(g, 'user', None)}")
        USER.set("alice")
        g.user = "alice"

    async def before() -> None:
        first()

    app.before_request(before)
    app.before_websocket(before)
    return begins


@pytest.fixture
def ends(app: Quart) -> list[str]:
    ends: list[str] = []

    @app.teardown_appcontext
    async def end(error: BaseException | None) -> None:
        ends.append(str(getattr(g, "user", None)))

    return ends


async def reads() -> str:
    return (await request.get_data()).decode()


async def reads_in_a_task() -> str:
    return await asyncio.create_task(reads())


async def leaves_the_body() -> str:
    return "done"


def streams() -> Response:
    @stream_with_context
    async def chunks() -> Any:
        for _ in range(3):
            await asyncio.sleep(0)
            yield await request.get_data()

    return Response(chunks())


def plain() -> str:
    USER.set("carol")
    return "done"


async def fails() -> str:
    raise LookupError("on purpose")


async def waits() -> str:
    await asyncio.sleep(0.02)  # Until it is watched.
    return await reads()


VIEWS = [reads, reads_in_a_task, leaves_the_body, streams, plain, fails, waits]


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("through", ["the application", "asgi_app", "middleware", "a subclass"])
def test_nothing_of_a_request_is_caught_by_the_server(
    app: Quart, ends: list[str], monkeypatch: pytest.MonkeyPatch, view: Any, through: str
) -> None:
    monkeypatch.setattr(inbound, "WATCH_AFTER", 0.001)
    app.route("/", methods=["GET"])(view)
    begins = meet(app)
    if through == "middleware":
        wrap(app)
    elif through == "a subclass":
        app.asgi_http_class = type("Connection", (app.asgi_http_class,), {})
    server = Server(app.asgi_app if through == "asgi_app" else app)

    async def main() -> None:
        for _ in range(3):
            await server.next()

    run(main())
    assert begins == ["nobody None"] * 3
    assert server.found == {("nobody", False)}
    assert ends == ["alice"] * 3


def wrap(app: Quart) -> None:
    inner = app.asgi_app

    async def middleware(scope: Any, receive: Any, send: Any) -> None:
        assert USER.get() == "nobody"
        assert _cv_app.get(None) is None
        token = USER.set("somebody")

        async def sending(message: Any) -> None:
            USER.set("sending")
            await send(message)

        async def receiving() -> Any:
            # As many do it: in a task of its own.
            return await asyncio.create_task(receive())

        USER.reset(token)
        await inner(scope, receiving, sending)
        USER.set("after")

    app.asgi_app = middleware  # type: ignore[method-assign]


def test_requests_in_one_task_begin_with_what_the_caller_has_set(
    app: Quart, ends: list[str]
) -> None:
    app.route("/")(reads)
    begins, server = meet(app), Server(app)

    async def main() -> None:
        await server.answer()
        assert USER.get() == "nobody"
        USER.set("around")
        await server.answer()
        assert USER.get() == "around"

    run(main())
    assert begins == ["nobody None", "around None"]
    assert ends == ["alice"] * 2


def test_what_the_server_sets_stays_the_servers(app: Quart) -> None:
    @app.route("/")
    async def view() -> str:
        await request.get_data()
        return SERVER.get()

    server = Server(app)

    async def main() -> tuple[str, str]:
        SERVER.set("task")
        return await server.answer(), SERVER.get()

    assert run(main()) == ("task", "http.response.body")


def test_middleware_and_the_application_see_each_others_variables(app: Quart) -> None:
    inner, seen = app.asgi_app, []

    async def middleware(scope: Any, receive: Any, send: Any) -> None:
        USER.set("middleware")
        await inner(scope, receive, send)
        seen.append(USER.get())

    app.asgi_app = middleware  # type: ignore[method-assign]

    @app.route("/")
    async def view() -> str:
        seen.append(USER.get())
        USER.set("view")
        return ""

    run(Server(app).answer())
    assert seen == ["middleware", "view"]


@pytest.mark.parametrize("left", [True, False], ids=["left", "active"])
def test_contexts_that_the_caller_is_in_are_not_around_a_connection(
    app: Quart, ends: list[str], kind: str, left: bool
) -> None:
    begins = meet(app)

    @route(app, kind)
    async def view() -> str:
        assert flask_cv_request.get(None) is None
        await websocket.send("") if kind == "websocket" else None
        return ""

    @hook(app, "before", kind)
    async def look() -> None:
        assert flask_cv_app.get(None) is None

    says = [{"type": "websocket.connect"}, frame("")] if kind == "websocket" else []
    scope_type = "http" if kind == "request" else kind

    async def main() -> None:
        context = app.app_context()
        await context.push()
        context.g.user = "caller"
        flask_cv_app.set(object())  # type: ignore[arg-type]
        flask_cv_request.set(object())  # type: ignore[arg-type]
        if left:
            await context.pop()
            _cv_app.set(context)
        await Server(app).answer(scope_type, "/", *says)
        assert _cv_app.get() is context
        if not left:
            await context.pop()

    run(main())
    assert begins == ["nobody None"]
    assert sorted(ends) == ["alice", "caller"]


def test_a_context_that_has_been_left_is_no_outer_one(app: Quart, ends: list[str]) -> None:
    async def main() -> None:
        context = app.test_request_context("/")
        await context.push()
        g.user = "first"
        await context.pop()
        _cv_app.set(context)
        async with app.test_request_context("/"):
            assert "user" not in g
            g.user = "second"

    run(main())
    assert ends == ["first", "second"]


def test_the_test_client_shares_the_context_of_the_test(app: Quart, ends: list[str]) -> None:
    @app.route("/")
    async def view() -> str:
        return f"{g.user} {USER.get()}"

    async def main() -> str:
        async with app.app_context():
            g.user = "test"
            USER.set("set")
            response = await app.test_client().get("/")
            assert ends == []
            return await response.get_data(as_text=True)

    assert run(main()) == "test set"
    assert ends == ["test"]


@pytest.mark.parametrize("middleware", [False, True], ids=["view", "middleware"])
def test_an_application_that_is_called_once_more_begins_anew(app: Quart, middleware: bool) -> None:
    """By its own view, or by middleware that takes one connection apart into several."""
    begins, seen = meet(app), []

    @app.route("/")
    async def inner() -> str:
        return "inner"

    async def twice() -> str:
        seen.append(await Server(app).answer())
        seen.append(await Server(app).answer())
        return "outer"

    app.route("/twice")(twice)
    if middleware:
        called = app.asgi_app

        async def batch(scope: Any, receive: Any, send: Any) -> None:
            await called(scope, receive, send)
            await called(scope, receive, send)

        app.asgi_app = batch  # type: ignore[method-assign]
    run(Server(app).answer("http", "/" if middleware else "/twice"))
    # Variables are those of the caller, be that a view or middleware; contexts are not.
    assert begins == ["nobody None", *["alice None"] * (1 if middleware else 2)]


def test_a_websocket_after_a_request(app: Quart, ends: list[str]) -> None:
    app.route("/")(reads)
    begins, server = meet(app), Server(app)

    @app.websocket("/socket")
    async def socket() -> None:
        while True:
            await websocket.send(await websocket.receive())

    says = [{"type": "websocket.connect"}, frame("a"), {"type": "websocket.disconnect"}]

    async def main() -> None:
        await server.next()
        assert await server.next("websocket", "/socket", *says) == "a"
        await server.next()

    run(main())
    assert begins == ["nobody None"] * 3
    assert server.found == {("nobody", False)}
    assert ends == ["alice"] * 3


def test_receiving_is_cancelled_and_timed_as_if_it_was_awaited(app: Quart) -> None:
    tasks: list[Any] = []
    limits: list[asyncio.Timeout] = []

    async def receive() -> Any:
        tasks.append(asyncio.current_task())
        for limit in limits:
            limit.reschedule(asyncio.get_running_loop().time())
        await asyncio.Event().wait()

    async def send(message: Any) -> None:
        pass

    @app.route("/")
    async def view() -> str:
        limits.append(asyncio.timeout(None))
        with pytest.raises(TimeoutError):
            async with limits[0]:
                await request.get_data()
        limits.clear()
        await request.get_data()
        return ""

    async def main() -> None:
        task = asyncio.create_task(app(scope_for("http"), receive, send))
        while len(tasks) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert tasks == [task, task]

    run(main())


def test_what_is_put_around_handling_a_request_ends_when_the_answer_has_been_sent(
    app: Quart, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As instruments for monitoring do it, to measure how long it took."""
    handle = ASGIHTTPConnection.handle_request
    order: list[str] = []

    async def timed(self: ASGIHTTPConnection, request: Any, send: Any) -> None:
        await handle(self, request, send)
        order.append("handled")

    monkeypatch.setattr(ASGIHTTPConnection, "handle_request", timed)
    app.route("/")(leaves_the_body)

    async def send(message: Message) -> None:
        order.append(message["type"])

    run(app(scope_for("http"), asyncio.Event().wait, send))
    assert order == ["http.response.start", "http.response.body", "handled"]


def test_a_client_that_left_before_the_answer_ends_the_connection_quietly(app: Quart) -> None:
    app.route("/")(leaves_the_body)

    async def send(message: Message) -> None:
        raise OSError("gone")

    run(app(scope_for("http"), asyncio.Event().wait, send))
