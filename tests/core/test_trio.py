"""The core under Trio: a client's leaving ends what it asked for, as it does under asyncio."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import trio

from quart import Quart, request, Response, stream_with_context, websocket
from quart._connection import inbound
from quart.wrappers.base import ClientDisconnectedError

from .driver import hook, Message, route, scope_for

LIMIT = 10.0
GONE = {"request": {"type": "http.disconnect"}, "websocket": {"type": "websocket.disconnect"}}
CONNECT = {"request": {"type": "http.request"}, "websocket": {"type": "websocket.connect"}}


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Watch for a disconnect soon."""
    monkeypatch.setattr(inbound, "WATCH_AFTER", 0.001)


class Client:
    """The client's end of one connection."""

    def __init__(self) -> None:
        self._say, self._says = trio.open_memory_channel[Message](10_000)
        self.messages: list[Message] = []
        self.taken = 0
        self.sent = trio.Event()

    def say(self, *messages: Message) -> None:
        for message in messages:
            self._say.send_nowait(message)

    async def receive(self) -> Message:
        message = await self._says.receive()
        self.taken += 1
        return message

    async def send(self, message: Message) -> None:
        await trio.lowlevel.checkpoint()
        self.messages.append(message)
        self.sent.set()

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.messages)


def serve(app: Quart, kind: str, talk: Callable[[Client], Any], **values: Any) -> Client:
    """Handle a connection of *kind* from a client that says what *talk* has it say."""

    async def main() -> Client:
        client = Client()
        scope = scope_for("http" if kind == "request" else kind, **values)
        with trio.fail_after(LIMIT):
            async with trio.open_nursery() as nursery:
                client.say(CONNECT[kind])
                nursery.start_soon(talk, client)
                # Here, as a nursery would raise a group of what this raises.
                await app(scope, client.receive, client.send)
        return client

    return trio.run(main)


def leaving(kind: str) -> Callable[[Client], Any]:
    async def leave(client: Client) -> None:
        await trio.sleep(0.01)  # Until it is watched.
        client.say(GONE[kind])

    return leave


async def silence(client: Client) -> None:
    """Say nothing, and stay."""


def test_a_waiting_handler_ends_when_the_client_leaves(app: Quart, kind: str) -> None:
    log = []

    @route(app, kind)
    async def view() -> None:
        try:
            await trio.sleep_forever()
        finally:
            log.append("ended")

    assert b"500" not in serve(app, kind, leaving(kind)).body
    assert log == ["ended"]


def test_what_follows_may_wait_though_the_handler_was_ended(app: Quart, kind: str) -> None:
    """Trio raises a cancellation at each wait; what cleans up is shielded."""
    log = []

    @route(app, kind)
    async def view() -> None:
        await trio.sleep_forever()

    @app.after_websocket
    async def after(response: Any) -> Any:
        await trio.sleep(0.001)
        log.append("after")
        return response

    @hook(app, "teardown", kind)
    async def teardown(error: BaseException | None) -> None:
        await trio.sleep(0.001)
        log.append(f"teardown {type(error).__name__}")

    @app.teardown_appcontext
    async def end(error: BaseException | None) -> None:
        await trio.sleep(0.001)
        log.append("end")

    serve(app, kind, leaving(kind))

    assert log == [*(["after"] if kind == "websocket" else []), "teardown Cancelled", "end"]


def test_what_follows_may_wait_though_a_cancellation_has_come_late(app: Quart, kind: str) -> None:
    """It is raised at the next wait, which is in a teardown function then."""
    log = []
    over = trio.CancelScope()

    @route(app, kind)
    async def view() -> str | None:
        if kind == "websocket":
            await websocket.accept()
        over.cancel()
        return "done" if kind == "request" else None

    @hook(app, "teardown", kind)
    async def teardown(error: BaseException | None) -> None:
        await trio.sleep(0.001)
        log.append(f"teardown {error}")

    async def main() -> None:
        client = Client()
        client.say(CONNECT[kind])
        scope = scope_for("http" if kind == "request" else kind)
        with trio.fail_after(LIMIT), over:
            await app(scope, client.receive, client.send)

    trio.run(main)
    assert log == ["teardown None"]


def test_an_endless_stream_ends_when_the_client_leaves(app: Quart) -> None:
    log = []

    @app.route("/")
    async def view() -> Response:
        @stream_with_context
        async def stream() -> AsyncIterator[str]:
            try:
                while True:
                    yield f"tick {request.path}"
                    await trio.sleep(0.001)
            finally:
                log.append("stream")

        response = Response(stream())
        response.timeout = None
        return response

    @app.teardown_request
    async def teardown(error: BaseException | None) -> None:
        await trio.sleep(0.001)
        log.append("teardown")

    client = serve(app, "request", leaving("request"))

    assert b"tick /" in client.body
    assert log == ["stream", "teardown"]


def test_the_time_for_a_response_is_limited(app: Quart) -> None:
    app.config["RESPONSE_TIMEOUT"] = 0.01

    @app.route("/")
    async def view() -> Any:
        async def stream() -> AsyncIterator[str]:
            yield "x"
            await trio.sleep_forever()

        return stream()

    with pytest.RaisesGroup(TimeoutError):
        serve(app, "request", silence)


class Stalled(Client):
    """Its server shields each piece that it sends, as Hypercorn does, and closes it at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.closed = trio.Event()

    async def send(self, message: Message) -> None:
        await super().send(message)
        if message["type"] in ("http.response.body", "websocket.send"):
            with trio.CancelScope(shield=True):
                await self.closed.wait()
            raise OSError("the connection is closed")


def serve_stalled(app: Any, kind: str, seconds: float) -> Stalled:
    """Serve a client that takes nothing, and tell the application to end after *seconds*."""

    async def main() -> Stalled:
        client = Stalled()
        client.say(CONNECT[kind])
        scope = scope_for("http" if kind == "request" else kind)
        with trio.fail_after(LIMIT):
            try:
                with trio.move_on_after(seconds):
                    await app(scope, client.receive, client.send)
            finally:
                client.closed.set()
        return client

    return trio.run(main)


@pytest.fixture(params=["a whole answer", "a stream", "a message"])
def told(request: pytest.FixtureRequest, app: Quart) -> tuple[str, list[str]]:
    """Give *app* something that sends; return the kind of connection, and what is noted."""
    log: list[str] = []

    async def stream() -> AsyncIterator[bytes]:
        try:
            yield b"x"
        finally:
            log.append("closed")

    if request.param == "a message":

        @app.websocket("/")
        async def talk() -> None:
            try:
                await websocket.send("x")
            finally:
                log.append("closed")

        app.teardown_websocket(lambda error: log.append("teardown"))
        return "websocket", log

    @app.route("/")
    async def view() -> Any:
        if request.param == "a stream":
            return stream()
        log.append("closed")
        return "x"

    app.teardown_request(lambda error: log.append("teardown"))
    return "request", log


def test_a_client_that_takes_nothing_does_not_keep_the_server(
    app: Quart, told: tuple[str, list[str]]
) -> None:
    kind, log = told
    serve_stalled(app, kind, 0.05)
    assert sorted(log) == ["closed", "teardown"]


def test_a_client_that_takes_nothing_does_not_keep_a_stream_longer_than_allowed(app: Quart) -> None:
    app.config["RESPONSE_TIMEOUT"] = 0.01

    @app.route("/")
    async def view() -> Any:
        async def stream() -> AsyncIterator[str]:
            yield "x"

        return stream()

    with pytest.raises(TimeoutError):
        serve_stalled(app, "request", LIMIT)


def test_what_the_server_raises_as_it_sends_is_raised_to_who_sends(app: Quart) -> None:
    log = []

    @app.websocket("/")
    async def talk() -> None:
        client.closed.set()
        try:
            await websocket.send("x")
        except ClientDisconnectedError as error:
            log.append(type(error))
            raise

    client = Stalled()

    async def main() -> None:
        client.say(CONNECT["websocket"])
        with trio.fail_after(LIMIT):
            await app(scope_for("websocket"), client.receive, client.send)

    trio.run(main)
    assert log == [ClientDisconnectedError]


def test_a_handler_that_receives_is_told(app: Quart) -> None:
    got = []

    @app.websocket("/")
    async def view() -> None:
        try:
            while True:
                got.append(await websocket.receive())
        except ClientDisconnectedError as gone:
            got.append(str(gone.close_code))

    async def talk(client: Client) -> None:
        for number in range(3):
            await trio.sleep(0.01)  # Until it has received the one before, and waits.
            client.say({"type": "websocket.receive", "text": str(number)})
        client.say({**GONE["websocket"], "code": 4001})

    serve(app, "websocket", talk)

    assert got == ["0", "1", "2", "4001"]


def test_a_handler_that_lets_a_task_receive_ends_when_the_client_leaves(app: Quart) -> None:
    log = []
    heard = trio.Event()

    @app.websocket("/")
    async def view() -> None:
        async def reader() -> None:
            while True:
                log.append(await websocket.receive())
                heard.set()

        async with trio.open_nursery() as nursery:
            nursery.start_soon(reader)
            try:
                await trio.sleep_forever()
            finally:
                log.append("ended")

    async def talk(client: Client) -> None:
        client.say({"type": "websocket.receive", "text": "hello"})
        await heard.wait()
        client.say(GONE["websocket"])

    serve(app, "websocket", talk)

    assert log == ["hello", "ended"]


def test_receiving_ahead_is_bounded_and_loses_nothing(
    app: Quart, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbound, "PATIENCE", 60)
    taken = []

    @app.websocket("/")
    async def view() -> None:
        first = str(await websocket.receive())
        await trio.sleep(0.03)  # Until as much is received ahead as may be.
        taken.append(client_of[0].taken)
        rest = [str(await websocket.receive()) for _ in range(1999)]
        await websocket.send("x".join([first, *rest]))

    client_of: list[Client] = []

    async def talk(client: Client) -> None:
        client_of.append(client)
        client.say(*[{"type": "websocket.receive", "text": str(n)} for n in range(2000)])

    client = serve(app, "websocket", talk)

    assert 1 < taken[0] < 300
    (sent,) = [m["text"] for m in client.messages if m["type"] == "websocket.send"]
    assert sent == "x".join(map(str, range(2000)))


def test_an_error_is_raised_as_it_is(app: Quart, kind: str) -> None:
    """Not in a group, though there is a nursery."""
    app.testing = True

    @route(app, kind)
    async def view() -> None:
        await trio.sleep(0.01)  # Until it is watched, and so there is a nursery.
        raise ZeroDivisionError("on purpose")

    with pytest.RaisesGroup(pytest.RaisesExc(ZeroDivisionError, match="on purpose")):
        serve(app, kind, silence)


def test_the_server_can_cancel_a_handler(app: Quart, kind: str) -> None:
    log = []

    @route(app, kind)
    async def view() -> None:
        try:
            await trio.sleep_forever()
        finally:
            log.append("ended")

    async def main() -> bool:
        client = Client()
        client.say(CONNECT[kind])
        scope = scope_for("http" if kind == "request" else kind)
        with trio.move_on_after(0.02) as limit:
            await app(scope, client.receive, client.send)
        return limit.cancelled_caught

    assert trio.run(main)
    assert log == ["ended"]


def test_a_short_request_is_answered(app: Quart, kind: str, colour: str) -> None:
    def plain() -> str:
        return "hello"

    async def asynchronous() -> str:
        return "hello"

    route(app, kind)(plain if colour == "plain" else asynchronous)

    assert serve(app, kind, silence).body == b"hello"


def test_what_the_server_raises_is_raised_to_who_receives(app: Quart) -> None:
    app.testing = True

    @app.websocket("/")
    async def view() -> None:
        await websocket.accept()
        await trio.sleep(0.01)  # Until the server was received from ahead.
        with pytest.raises(OSError, match="broken"):
            await websocket.receive()
        await websocket.send("told")

    class Broken(Client):
        async def receive(self) -> Message:
            message = await super().receive()
            if message == GONE["websocket"]:
                raise OSError("broken")
            return message

    async def main() -> list[Any]:
        client = Broken()
        client.say(CONNECT["websocket"], GONE["websocket"])
        with trio.fail_after(LIMIT):
            await app(scope_for("websocket"), client.receive, client.send)
        return [m["text"] for m in client.messages if m["type"] == "websocket.send"]

    assert trio.run(main) == ["told"]


READERS: dict[str, tuple[bytes, bytes, Callable[[], Any]]] = {
    "data": (b"text/plain", b"a=1", lambda: request.get_data(as_text=True)),
    "json": (b"application/json", b'{"a": 1}', lambda: request.json),
    "form": (b"application/x-www-form-urlencoded", b"a=1", lambda: request.form),
    "multipart": (
        b"multipart/form-data; boundary=x",
        b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--x--\r\n',
        lambda: request.form,
    ),
}


@pytest.mark.parametrize("reader", READERS)
def test_a_body_that_comes_late_is_read_whole(app: Quart, reader: str) -> None:
    """Within its time, and where middleware has a limit of its own around `receive` too."""
    content_type, body, read = READERS[reader]

    @app.post("/")
    async def view() -> str:
        return repr(await read())

    class Slow(Client):
        async def receive(self) -> Message:
            with trio.fail_after(LIMIT):
                return await super().receive()

    async def talk(client: Client) -> None:
        for at, byte in enumerate(body):
            await trio.lowlevel.checkpoint()
            more = at + 1 < len(body)
            client.say({"type": "http.request", "body": bytes([byte]), "more_body": more})

    async def main() -> Client:
        client = Slow()
        headers = [(b"content-type", content_type), (b"content-length", b"%d" % len(body))]
        with trio.fail_after(LIMIT):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(talk, client)
                scope = scope_for("http", method="POST", headers=headers)
                await app(scope, client.receive, client.send)
        return client

    client = trio.run(main)

    assert client.messages[0]["status"] == 200
    assert b"a" in client.body
    assert b"1" in client.body


def test_a_body_that_does_not_come_in_time_is_a_408(app: Quart) -> None:
    app.config["BODY_TIMEOUT"] = 0.01

    @app.route("/")
    async def view() -> bytes:
        return await request.get_data()

    async def main() -> list[Message]:
        client = Client()
        client.say({"type": "http.request", "body": b"a", "more_body": True})
        with trio.fail_after(LIMIT):
            await app(scope_for("http"), client.receive, client.send)
        return client.messages

    assert trio.run(main)[0]["status"] == 408


def test_what_is_to_happen_around_serving_does(app: Quart) -> None:
    log = []
    app.before_serving(lambda: log.append("before"))
    app.after_serving(lambda: log.append("after"))

    @app.while_serving
    async def around() -> AsyncIterator[None]:
        log.append("start")
        yield
        await trio.sleep(0.001)
        log.append("end")

    async def main() -> list[str]:
        client = Client()
        client.say({"type": "lifespan.startup"}, {"type": "lifespan.shutdown"})
        with trio.fail_after(LIMIT):
            await app({"type": "lifespan", "asgi": {}}, client.receive, client.send)
        return [message["type"] for message in client.messages]

    assert trio.run(main) == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert log == ["before", "start", "end", "after"]


@pytest.mark.parametrize("error", [SystemExit, KeyboardInterrupt])
def test_what_could_end_the_server_ends_the_request(error: type[BaseException]) -> None:
    app = Quart(__name__)

    @app.route("/")
    def view() -> None:
        raise error

    async def stay(client: Client) -> None:
        await trio.lowlevel.checkpoint()

    with pytest.raises(BaseExceptionGroup) as raised:
        serve(app, "request", stay)
    (failure,) = raised.value.exceptions
    assert isinstance(failure, RuntimeError)
    assert isinstance(failure.__cause__, error)
