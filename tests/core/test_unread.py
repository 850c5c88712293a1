"""What a client sends that nobody reads: its leaving is noticed anyway, and nothing is lost."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import random
import weakref
from collections.abc import Awaitable, Callable
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from quart import Quart, request, Response, websocket
from quart._connection import inbound
from quart._connection.backlog import Backlog, IN_MEMORY

from .driver import Message, route, run, scope_for

LIMIT = 10.0
PIECE = b"x" * 16_000
Read = Callable[[Any], Awaitable[Any]]


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look out for a disconnect as soon as a handler waits."""
    monkeypatch.setattr(inbound, "WATCH_AFTER", 0.001)
    monkeypatch.setattr(inbound, "PATIENCE", 0.01)


@pytest.fixture
def late(soon: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not look out for a disconnect: that receives too, if the request takes a while."""
    monkeypatch.setattr(inbound, "WATCH_AFTER", 60)


@pytest.fixture(params=["asyncio", "trio"])
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


class Server:
    """A server that has one message at a time, as one that holds its client back."""

    def __init__(self, kind: str, messages: list[Message], leaves: bool = True) -> None:
        first: Message = {"type": "websocket.connect"}
        self.messages = messages if kind == "http" else [first, *messages]
        self.leaves = {"type": f"{kind}.disconnect"} if leaves else None
        self.sent: list[Message] = []
        #: How much of what was sent had not been received by then.
        self.left_at: list[int] = []

    async def receive(self) -> Message:
        await anyio.lowlevel.checkpoint()
        if self.messages:
            return self.messages.pop(0)
        if self.leaves is None:
            await anyio.sleep_forever()
        return self.leaves  # type: ignore[return-value]  # it is not None, or never comes here

    async def send(self, message: Message) -> None:
        self.sent.append(message)
        self.left_at.append(len(self.messages))

    def serve(self, app: Quart, backend: str, **values: Any) -> None:
        kind = "http" if not self.messages or "body" in self.messages[0] else "websocket"

        async def main() -> None:
            with anyio.fail_after(LIMIT):
                await app(scope_for(kind, **values), self.receive, self.send)

        anyio.run(main, backend=backend)

    @property
    def body(self) -> bytes:
        return b"".join(m["body"] for m in self.sent if m["type"] == "http.response.body")

    @property
    def start(self) -> Message:
        return self.sent[0]


def part(data: bytes, more: bool = True) -> Message:
    return {"type": "http.request", "body": data, "more_body": more}


def body(count: int, piece: bytes = PIECE) -> list[Message]:
    return [*[part(piece)] * count, part(b"", False)]


def flood(kind: str, count: int) -> list[Message]:
    if kind == "request":
        return body(count)
    return [{"type": "websocket.receive", "bytes": PIECE, "text": None}] * count


@pytest.mark.parametrize("ends", [True, False], ids=["whole", "cut off"])
def test_a_client_that_leaves_is_noticed_whatever_it_has_sent(
    app: Quart, kind: str, backend: str, ends: bool
) -> None:
    app.config["MAX_CONTENT_LENGTH"] = None
    log = []

    @route(app, kind, "/")
    async def view() -> None:
        if kind == "websocket":
            await websocket.accept()
        try:
            await anyio.sleep(60)
        finally:
            log.append("ended")

    if kind == "request":
        app.add_url_rule("/", view_func=view, methods=["POST"])
    messages = flood(kind, 300)
    server = Server("http" if kind == "request" else kind, messages if ends else messages[:-1])
    server.serve(app, backend, method="POST")

    assert log == ["ended"]


@pytest.mark.parametrize("limit", [10_000_000, None])
def test_a_body_that_was_received_ahead_is_read_whole(
    app: Quart, backend: str, limit: int | None
) -> None:
    app.config["MAX_CONTENT_LENGTH"] = limit
    pieces = [random.Random(n).randbytes(n * 100) for n in range(200)]
    server = Server("http", [*map(part, pieces), part(b"", False)], leaves=False)

    @app.post("/")
    async def view() -> bytes:
        while server.messages:  # noqa: ASYNC110  # all of it is to be received ahead
            await anyio.sleep(0.001)
        return await request.get_data()

    server.serve(app, backend, method="POST")

    assert server.body == b"".join(pieces)


def test_a_body_that_is_too_large_is_not_kept(app: Quart, backend: str) -> None:
    app.config["MAX_CONTENT_LENGTH"] = 100_000
    server = Server("http", body(200), leaves=False)

    @app.post("/")
    async def view() -> bytes:
        while server.messages:  # noqa: ASYNC110  # all of it is to be received ahead
            await anyio.sleep(0.001)
        return await request.get_data()

    server.serve(app, backend, method="POST")

    assert server.start["status"] == 413


def test_a_body_that_is_read_slowly_holds_its_client_back(
    app: Quart, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbound, "PATIENCE", 60)
    server = Server("http", body(200), leaves=False)
    left = []

    @app.post("/")
    async def view() -> str:
        async for _ in request.body:
            await anyio.sleep(0.005)  # Slower than it arrives.
            left.append(len(server.messages))
            if len(left) == 20:
                break
        return ""

    server.serve(app, backend, method="POST")

    ahead = inbound.AHEAD // len(PIECE) + 2
    assert 201 - 20 - ahead <= left[-1] <= 201 - 20


def test_a_websocket_that_nobody_receives_from_is_closed(
    app: Quart, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbound, "UNHEARD", 200_000)
    log = []

    @app.websocket("/")
    async def view() -> None:
        await websocket.accept()
        try:
            await anyio.sleep(60)
        finally:
            log.append("ended")

    server = Server("websocket", flood("websocket", 100))
    server.serve(app, backend)

    assert log == ["ended"]
    assert [m["code"] for m in server.sent if m["type"] == "websocket.close"] == [1008]


LENGTH = [(b"content-length", b"%d" % (5 * len(PIECE)))]
CHUNKED = [(b"transfer-encoding", b"chunked")]


@pytest.mark.parametrize("headers", [LENGTH, CHUNKED], ids=["length", "chunked"])
@pytest.mark.parametrize("made", ["whole", "stream", "closed by a function"])
def test_what_was_not_read_is_received_before_the_end_of_the_answer(
    app: Quart, backend: str, headers: Any, made: str
) -> None:
    server = Server("http", body(5), leaves=False)

    @app.post("/")
    async def view() -> Any:
        async def stream() -> Any:
            yield b"no"

        if made == "stream":
            return stream(), 401
        response = Response("no", 401)
        if made != "whole":
            response.call_on_close(lambda: None)
        return response

    server.serve(app, backend, method="POST", headers=headers)

    *_, answer, end = server.sent
    # The client has had its answer by then.
    assert (answer["body"], end["body"], end["more_body"]) == (b"no", b"", False)
    assert server.left_at[-2:] == [6, 0]


def test_a_connection_is_given_up_for_a_body_that_is_large(
    app: Quart, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("quart._connection.rest.LINGER", 1000)

    @app.post("/")
    async def view() -> Any:
        return "no", 401

    for version, says_so in (("1.1", True), ("2", False)):
        server = Server("http", body(5), leaves=False)
        server.serve(app, backend, method="POST", headers=LENGTH, http_version=version)
        assert ((b"connection", b"close") in server.start["headers"]) is says_so


@pytest.mark.usefixtures("late")
def test_nothing_more_is_received_of_a_request_that_is_complete(app: Quart, backend: str) -> None:

    @app.get("/")
    async def view() -> str:
        return "ok"

    for headers in ([], [(b"content-length", b"0")]):
        server = Server("http", body(5), leaves=False)
        server.serve(app, backend, headers=headers)
        assert [len(server.messages), len(server.sent)] == [6, 2]


@pytest.mark.usefixtures("late")
@pytest.mark.parametrize("reads", [True, False])
def test_a_last_part_need_not_say_that_it_is_the_last(
    app: Quart, backend: str, reads: bool
) -> None:
    """The ASGI specification lets a server leave `more_body` out."""
    server = Server("http", [{"type": "http.request", "body": b"body"}], leaves=False)

    @app.post("/")
    async def view() -> bytes:
        return await request.get_data() if reads else b"unread"

    asked: list[None] = []
    receive = server.receive

    def counted() -> Awaitable[Message]:
        asked.append(None)
        return receive()

    server.receive = counted  # type: ignore[method-assign, assignment]
    server.serve(app, backend, method="POST", headers=[(b"content-length", b"4")])
    assert len(asked) == 1


# -- Where it is kept


def test_messages_come_back_as_they_were() -> None:
    made = random.Random(1)
    messages: list[Message] = []
    for _ in range(400):
        data = made.randbytes(made.choice([0, 1, 1000, 30_000]))
        messages += [
            {"type": "http.request", "body": data, "more_body": True},
            {"type": "http.request", "body": data, "more_body": False},
            {"type": "websocket.receive", "bytes": data, "text": None},
            {"type": "websocket.receive", "bytes": None, "text": data.decode("latin-1")},
        ]
    backlog, taken = Backlog(), []
    for number, message in enumerate(messages):
        backlog.put(message)
        if number % 3 == 0:
            taken.append(backlog.take())
        assert backlog._in_memory <= IN_MEMORY + 31_000
    while backlog:
        taken.append(backlog.take())

    assert taken == messages
    assert (backlog.size, backlog.length) == (0, 0)
    backlog.close()


class OpaqueFuture(asyncio.Future[Message]):
    """A server's future that still knows who waited for it, unseen by the garbage collector.

    An extension module's objects may: Granian's do.
    """

    known: int | None = None

    def add_done_callback(self, func: Any, *, context: Any = None) -> None:
        ctypes.pythonapi.Py_IncRef(ctypes.py_object(func))
        self.known = id(func)
        super().add_done_callback(func, context=context)

    def __del__(self) -> None:
        if self.known is not None:
            ctypes.pythonapi.Py_DecRef(ctypes.cast(self.known, ctypes.py_object))


def test_what_watched_for_the_client_is_gone_whatever_its_server_knows() -> None:
    app = Quart("watched")
    watchers: weakref.WeakSet[asyncio.Task[Any]] = weakref.WeakSet()

    @app.get("/")
    async def view() -> str:
        before = asyncio.all_tasks()
        while not (watching := asyncio.all_tasks() - before):  # noqa: ASYNC110  # Nobody says.
            await asyncio.sleep(0.001)
        watchers.update(watching)
        del watching
        await asyncio.sleep(0.001)  # Now it waits.
        return ""

    async def main() -> None:
        async def send(message: Message) -> None: ...

        await app(scope_for("http"), receive, send)

    async def receive() -> Message:
        return await OpaqueFuture()

    run(main())
    gc.collect()
    assert len(watchers) == 0
