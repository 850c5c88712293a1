"""An ASGI server for tests, without a socket: the test decides when each message arrives.

`fetch` makes a whole request. On an `Exchange` or a `Handshake` the test speaks message by message,
to stop halfway, to leave, or to count how often the application has received.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Coroutine, Iterable
from types import TracebackType
from typing import Any, Self

from _asgi import LIMIT as LIMIT, run as run, scope_of, Sent, until as until

Pairs = Iterable[tuple[str, str]]


def run_apart(main: Coroutine[Any, Any, Any]) -> None:
    """Run *main* in a thread of its own, so that the test can give up if it hangs."""
    errors: list[BaseException] = []

    def target() -> None:
        try:
            run(main)
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=target, daemon=True)
    thread.start()
    thread.join(LIMIT)
    assert not thread.is_alive(), "This neither ends nor can it be cancelled."
    if errors:
        raise errors[0]


def scope_for(kind: str, path: str, method: str = "GET", headers: Pairs = ()) -> dict[str, Any]:
    named = {name.lower(): value for name, value in headers}
    named.setdefault("host", "localhost")
    raw = [(name.encode(), value.encode()) for name, value in named.items()]
    scope = scope_of(kind, path, raw, method)
    return {**scope, "server": ("localhost", 80), "client": ("127.0.0.1", 4321)}


class Answer(Sent):
    """The response that the application has sent, with header names in lower case."""

    @property
    def headers(self) -> dict[str, str]:
        (start,) = self.of("http.response.start")
        return {name.decode().lower(): value.decode() for name, value in start["headers"]}

    @property
    def chunks(self) -> list[bytes]:
        """Return the chunks of the body, without the empty one that ends it."""
        return [chunk for chunk in super().chunks if chunk]


class Connection(Answer):
    """A connection, served in a task of its own, on which the test decides what arrives."""

    def __init__(self, app: Any, scope: dict[str, Any]) -> None:
        super().__init__([])
        self.app = app
        self.scope = scope
        #: How often the application has called `receive`.
        self.asked = 0
        #: How often it has called that before it answered.
        self.asked_before_answer = 0
        self._incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._sent = asyncio.Condition()
        self.task: asyncio.Task[None]

    async def __aenter__(self) -> Self:
        self.task = asyncio.create_task(self.app(self.scope, self._receive, self._send))
        return self

    async def __aexit__(
        self, kind: type | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if not self.task.done():
            self.task.cancel()
        await asyncio.wait([self.task])

    async def _receive(self) -> dict[str, Any]:
        self.asked += 1
        return await self._incoming.get()

    async def _send(self, message: dict[str, Any]) -> None:
        async with self._sent:
            if not self.messages:
                self.asked_before_answer = self.asked
            self.messages.append(message)
            self._sent.notify_all()

    def tell(self, type_: str, **values: Any) -> None:
        self._incoming.put_nowait({"type": type_, **values})

    async def sent(self, count: int) -> dict[str, Any]:
        """Wait until the application has sent *count* messages; return the last of them."""
        async with self._sent:
            await self._sent.wait_for(lambda: len(self.messages) >= count)
        return self.messages[count - 1]

    async def until(self, condition: Callable[[], Any]) -> None:
        """Wait until *condition* holds; fail if the application ends the connection first."""
        await until(lambda: self.task.done() or condition())
        assert condition(), f"It did not come to that: {self.messages}"

    async def end(self) -> Self:
        """Wait until the application has ended the connection."""
        await self.task
        return self


class Exchange(Connection):
    """A request whose body the test sends piece by piece."""

    def __init__(self, app: Any, path: str, method: str = "GET", headers: Pairs = ()) -> None:
        super().__init__(app, scope_for("http", path, method, headers))

    def body_arrives(self, body: bytes = b"", more: bool = False) -> None:
        self.tell("http.request", body=body, more_body=more)

    def leave(self) -> None:
        self.tell("http.disconnect")


class Handshake(Connection):
    """A websocket whose client has sent its handshake."""

    def __init__(self, app: Any, path: str, headers: Pairs = ()) -> None:
        super().__init__(app, scope_for("websocket", path, headers=headers))
        self.tell("websocket.connect")

    def say(self, text: str) -> None:
        self.tell("websocket.receive", text=text)

    def leave(self) -> None:
        self.tell("websocket.disconnect", code=1001)

    @property
    def said(self) -> list[str]:
        return [m["text"] for m in self.messages if m["type"] == "websocket.send"]

    @property
    def code(self) -> int:
        """Return the code with which the application has closed it."""
        (close,) = [m for m in self.messages if m["type"] == "websocket.close"]
        return int(close["code"])


async def fetch(
    app: Any, path: str, method: str = "GET", body: bytes = b"", headers: Pairs = ()
) -> Exchange:
    """Make a whole request and return the response."""
    headers = dict(headers)
    if body:
        headers.setdefault("Content-Length", str(len(body)))
    async with Exchange(app, path, method, headers.items()) as exchange:
        exchange.body_arrives(body)
        return await exchange.end()


async def post_json(app: Any, path: str, value: Any) -> Exchange:
    body = json.dumps(value).encode()
    return await fetch(app, path, "POST", body, [("Content-Type", "application/json")])
