"""A miniature ASGI server and client: they talk to an application and keep what it sent."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from werkzeug.datastructures import Headers

from _asgi import (
    LIMIT as LIMIT,
    Message as Message,
    run as run,
    scope_of,
    Sent,
    turns as turns,
    until as until,
)
from quart._kind import Kind, REQUEST, WEBSOCKET
from quart.globals import _cv_app
from quart.utils import decode_headers

T = TypeVar("T")

KINDS: dict[str, Kind] = {"request": REQUEST, "websocket": WEBSOCKET}


class Client(Sent):
    """The client's end of one connection, which never hangs up unless told to."""

    def __init__(self, *says: Message) -> None:
        super().__init__([])
        self._says: asyncio.Queue[Message] = asyncio.Queue()
        self._sent = asyncio.Event()
        #: How many messages the application has taken.
        self.taken = 0
        #: How many of them it has taken before it answered.
        self.taken_before_answer = 0
        self.say(*says)

    def say(self, *messages: Message) -> None:
        for message in messages:
            self._says.put_nowait(message)

    async def receive(self) -> Message:
        message = await self._says.get()
        self.taken += 1
        return message

    async def send(self, message: Message) -> None:
        if not self.messages:
            self.taken_before_answer = self.taken
        self.messages.append(message)
        self._sent.set()

    async def until(self, kind: str, count: int = 1) -> None:
        """Wait until the application has sent *count* messages of this type."""
        while len(self.of(kind)) < count:
            self._sent.clear()
            await self._sent.wait()

    # What was sent

    @property
    def headers(self) -> Headers:
        (start,) = self.of("http.response.start", "websocket.accept")
        return decode_headers(start["headers"])

    @property
    def close_code(self) -> int | None:
        codes = [message["code"] for message in self.of("websocket.close")]
        return codes[0] if codes else None

    @property
    def frames(self) -> list[str | bytes]:
        sent = self.of("websocket.send")
        return [m["text"] if m["bytes"] is None else m["bytes"] for m in sent]


def scope_for(
    kind: str, path: str = "/", *, host: bytes = b"localhost", **values: Any
) -> dict[str, Any]:
    headers = [(b"host", host), *values.pop("headers", [])]
    return {**scope_of(kind, path, headers), **values}


async def connect(app: Any, scope: dict[str, Any], client: Client) -> Client:
    """Let *app* handle one connection in this task, and check that it leaves no context behind."""
    before = _cv_app.get(None)
    try:
        await app(scope, client.receive, client.send)
    finally:
        assert _cv_app.get(None) is before, "a context was left behind"
    return client


async def request(app: Any, path: str = "/", body: bytes = b"", **values: Any) -> Client:
    """Make a request; *values* are entries of its scope."""
    client = Client({"type": "http.request", "body": body, "more_body": False})
    return await connect(app, scope_for("http", path, **values), client)


async def websocket(app: Any, path: str = "/", *says: str | bytes, **values: Any) -> Client:
    """Open a websocket, say something and wait for the application to end it."""
    client = Client({"type": "websocket.connect"}, *map(frame, says))
    return await connect(app, scope_for("websocket", path, **values), client)


def frame(data: str | bytes) -> Message:
    """Return the message of one frame, with only the key that it needs, as servers may do."""
    key = "text" if isinstance(data, str) else "bytes"
    return {"type": "websocket.receive", key: data}


def exchange(app: Any, kind: str, path: str = "/", **values: Any) -> Client:
    """Handle one connection of *kind* from start to end, outside of any event loop."""
    serve: Any = request if kind == "request" else websocket
    return run(serve(app, path, **values))


def in_background(work: Awaitable[T]) -> asyncio.Task[T]:
    async def awaited() -> T:
        return await work

    return asyncio.create_task(awaited())


# Register for either kind


def route(scaffold: Any, kind: str, path: str = "/") -> Callable[[Any], Any]:
    decorate = scaffold.route if kind == "request" else scaffold.websocket
    return decorate(path)  # type: ignore[no-any-return]


def hook(scaffold: Any, when: str, kind: str) -> Callable[[Any], Any]:
    return getattr(scaffold, f"{when}_{kind}")  # type: ignore[no-any-return]


def noting(
    log: list[str], name: str, colour: str, passes_on: bool = False, result: Any = None
) -> Callable[..., Any]:
    """Return a function that notes its call; it returns *result*, or *passes_on* its argument."""

    def plain(*args: Any) -> Any:
        log.append(name)
        return args[0] if passes_on else result

    async def asynchronous(*args: Any) -> Any:
        await asyncio.sleep(0)
        return plain(*args)

    return plain if colour == "plain" else asynchronous
