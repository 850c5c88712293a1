"""Whatever a view answers with is closed, once, where it ran, and before what follows."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlencode

import anyio
import anyio.lowlevel
import pytest
from flask import Flask

from _streams import (
    add_streams,
    CHUNKS,
    expected,
    key_of_request,
    notes,
    OnPurpose,
    Stream,
    ways,
)
from quart import Quart, websocket
from quart._connection import inbound as _inbound

from ._asgi import scope_for

LIMIT = 10.0
Message = dict[str, Any]


class Server:
    """One request to an application, and what becomes of its client."""

    #: How the stream goes on.
    stream = "goes on"
    #: How many chunks are taken before `send` waits until the client has left.
    room = 10**9

    def __init__(self, scope: Message) -> None:
        self.scope = scope
        self.sent = 0
        self.gone, self.stalled = anyio.Event(), anyio.Event()
        self.asked = False
        self.key = scope["query_string"].decode()

    async def receive(self) -> Message:
        if not self.asked:
            self.asked = True
            return {"type": "http.request", "body": b"", "more_body": False}
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        self.sent += bool(message.get("body"))
        if self.sent > self.room:
            self.stalled.set()
            await self.gone.wait()

    async def serve(self, app: Any) -> None:
        with anyio.CancelScope() as self.scope_of_app:
            self.task = asyncio.current_task() if in_asyncio() else None
            async with anyio.create_task_group() as group:
                group.start_soon(self.end)
                try:
                    await app(self.scope, self.receive, self.send)
                except OnPurpose:
                    pass
                except asyncio.CancelledError:
                    assert self.task is not None
                    self.task.uncancel()
                group.cancel_scope.cancel()

    async def end(self) -> None:
        """Do what ends the stream."""

    def stop(self) -> None:
        """Cancel the application's task as servers do, which on asyncio is once."""
        if self.task is None:
            self.scope_of_app.cancel()
        else:
            self.task.cancel()


def in_asyncio() -> bool:
    return asyncio._get_running_loop() is not None


class Ends(Server):
    stream = "ends"


class Fails(Server):
    stream = "fails"


class LeftInSend(Server):
    """A task that waits in `send` goes on, as if it had been sent: so do most servers."""

    room = CHUNKS

    async def end(self) -> None:
        await self.stalled.wait()
        self.gone.set()


class SendFails(LeftInSend):
    """So have servers since version 2.4 of ASGI."""

    async def send(self, message: Message) -> None:
        await super().send(message)
        if self.gone.is_set():
            raise OSError("the client has left")


class StoppedInSend(Server):
    """The server is told to end."""

    room = CHUNKS

    async def end(self) -> None:
        await self.stalled.wait()
        self.stop()


class LeftUnnoticed(Server):
    """No `send` waits."""

    async def end(self) -> None:
        while self.sent < CHUNKS:  # noqa: ASYNC110  # it is the streams that count
            await anyio.sleep(0.001)
        self.gone.set()


class LeftInGenerator(Server):
    stream = "waits"

    async def wait(self) -> None:
        key = self.scope["key"]
        while "waits" not in notes[key]:  # noqa: ASYNC110  # it may be another thread that notes it
            await anyio.sleep(0.001)

    async def end(self) -> None:
        await self.wait()
        self.gone.set()


class StoppedInGenerator(LeftInGenerator):
    async def end(self) -> None:
        await self.wait()
        self.stop()


ENDS = [
    *(Ends, Fails, LeftInSend, SendFails, StoppedInSend),
    *(LeftUnnoticed, LeftInGenerator, StoppedInGenerator),
]


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look out for a disconnect as soon as a handler waits."""
    monkeypatch.setattr(_inbound, "WATCH_AFTER", 0.001)


async def notes_of(app: Any, way: str, end: type[Server]) -> list[str]:
    """Return what is noted of a stream that comes to this *end*."""
    key = f"{way} {end.__name__}"
    notes.pop(key, None)
    query = urlencode({"way": way, "end": end.stream, "key": key})
    server = end(scope_for("http", f"/stream?{query}") | {"key": key})
    with anyio.fail_after(LIMIT):
        await server.serve(app)
    return [note for note in notes[key] if note != "waits"]


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("kind", ["plain", "async"])
@pytest.mark.parametrize("end", ENDS)
def test_a_stream_is_closed_however_it_ends(
    either_app: Flask | Quart, backend: str, kind: str, end: type[Server], each_place: str
) -> None:
    either_app.config["SYNC_PLACE"] = each_place
    add_streams(either_app, kind == "async")

    async def main() -> dict[str, list[str]]:
        return {way: await notes_of(either_app, way, end) for way in wanted}

    application = "quart" if type(either_app) is Quart else "flask"
    wanted = {way: expected(way) for way in ways(application, kind, end.stream)}
    assert anyio.run(main, backend=backend) == wanted


class Middleware:
    """WSGI middleware that has the answer as it comes, or puts a body of its own around it."""

    def __init__(self, app: Any, has_own_body: bool) -> None:
        self._app = app
        self._has_own_body = has_own_body

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        body = self._app(environ, start_response)
        if not self._has_own_body:
            return body
        (key,) = parse_qs(environ["QUERY_STRING"])["key"]
        return OwnBody(body, Stream(key, ""))


class OwnBody:
    def __init__(self, body: Any, stream: Stream) -> None:
        self._body, self._stream = body, stream

    def __iter__(self) -> Iterator[bytes]:
        self._stream.begin()
        yield from self._body

    def close(self) -> None:
        if hasattr(self._body, "close"):
            self._body.close()
        notes[self._stream.key].append("middleware")


def expected_behind(way: str, has_own_body: bool) -> list[str]:
    noted = expected(way)
    if has_own_body and "send_file" in way:
        # As on Flask: what is passed through as it is closes without the response.
        noted.remove("on close")
    return [*noted, "middleware"] if has_own_body else noted


@pytest.mark.parametrize("has_own_body", [True, False], ids=["own body", "as it is"])
@pytest.mark.parametrize("kind", ["plain", "async"])
@pytest.mark.parametrize("end", ENDS)
def test_a_stream_behind_middleware_is_closed_however_it_ends(
    kind: str, end: type[Server], each_place: str, has_own_body: bool
) -> None:
    app = Flask(__name__)
    app.config["SYNC_PLACE"] = each_place
    add_streams(app, kind == "async")
    app.wsgi_app = Middleware(app.wsgi_app, has_own_body)  # type: ignore[method-assign]

    async def main() -> dict[str, list[str]]:
        return {way: await notes_of(app, way, end) for way in wanted}

    names = ways("flask", kind, end.stream)
    wanted = {way: expected_behind(way, has_own_body) for way in names}
    assert anyio.run(main) == wanted


class Speaking(Server):
    """A websocket that is accepted, and whose handler then does something until this ends it."""

    async def receive(self) -> Message:
        if not self.asked:
            self.asked = True
            return {"type": "websocket.connect"}
        await self.gone.wait()
        return {"type": "websocket.disconnect", "code": 1006}

    async def send(self, message: Message) -> None:
        self.sent += message["type"] == "websocket.send"
        if self.sent:
            self.stalled.set()
        if self.stream == "stalls" and message["type"] == "websocket.send":
            await self.gone.wait()

    async def end(self) -> None:
        if self.stream not in ("ends", "fails"):
            await self.stalled.wait()
            if self.is_stopped:
                self.stop()
            else:
                self.gone.set()

    is_stopped = False


class Stopped(Speaking):
    is_stopped = True


def add_websockets(app: Any, kind: str) -> None:
    async def handle() -> None:
        key, end = (websocket.args[name] for name in ("key", "end"))
        key_of_request.set(key)
        stream = Stream(key, end)
        try:
            await websocket.send("x")
            while end == "sends on":
                await websocket.send("x")
            if end == "fails":
                raise OnPurpose
            if end == "receives":
                await websocket.receive()
            if end == "waits":
                await anyio.sleep(60)
        finally:
            stream.note_closed()

    def teardown(error: BaseException | None) -> None:
        Stream(websocket.args["key"], "").note("teardown")

    async def async_teardown(error: BaseException | None) -> None:
        await anyio.lowlevel.checkpoint()
        teardown(error)

    app.add_websocket("/stream", "stream", handle)
    chosen = async_teardown if kind == "async" else teardown
    (app.teardown_websocket if type(app) is Quart else app.teardown_request)(chosen)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize("kind", ["plain", "async"])
@pytest.mark.parametrize("server", [Speaking, Stopped], ids=["the client leaves", "it is stopped"])
@pytest.mark.parametrize("end", ["ends", "fails", "stalls", "sends on", "receives", "waits"])
def test_a_websocket_is_torn_down_however_it_ends(
    either_app: Flask | Quart, backend: str, kind: str, server: type[Speaking], end: str
) -> None:
    add_websockets(either_app, kind)
    key = f"{backend} {kind} {server.__name__} {end}"
    notes.pop(key, None)

    async def main() -> None:
        scope = scope_for("websocket", f"/stream?{urlencode({'key': key, 'end': end})}")
        client = server(scope | {"key": key})
        client.stream = end
        with anyio.fail_after(LIMIT):
            await client.serve(either_app)

    anyio.run(main, backend=backend)
    assert notes[key] == ["closed", "teardown"]


@pytest.fixture(params=["thread", "loop"])
def each_place(request: pytest.FixtureRequest) -> str:
    return str(request.param)
