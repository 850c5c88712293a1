"""The server side of ASGI without a server: what uvicorn does for a request, less the socket."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, Protocol

from ._scenarios import Answer, Headers, Scenario

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[MutableMapping[str, Any], Receive, Send], Awaitable[None]]


class Exchange(Protocol):
    """One connection, seen from the server."""

    def __init__(self, scenario: Scenario) -> None: ...
    async def receive(self) -> Message: ...
    async def send(self, message: Message) -> None: ...
    def is_complete(self) -> bool: ...
    def answer(self) -> Answer: ...


class _Gate:
    """Holds back the disconnect until the exchange is over, as a client that waits would."""

    __slots__ = ("_is_open", "_waiters")

    def __init__(self) -> None:
        self._is_open = False
        self._waiters: list[asyncio.Future[None]] = []

    def open(self) -> None:
        self._is_open = True
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def passed(self) -> None:
        if not self._is_open:
            self._waiters.append(waiter := asyncio.get_running_loop().create_future())
            await waiter


class HTTPExchange(_Gate):
    """One HTTP request and its response."""

    __slots__ = ("_at", "_paced", "_pieces", "body", "complete", "headers", "status")

    def __init__(self, scenario: Scenario) -> None:
        super().__init__()
        self._pieces, self._paced, self._at = scenario.pieces, scenario.paced, 0
        self.status, self.complete = 0, False
        self.headers: Iterable[tuple[bytes, bytes]] = []
        self.body: list[bytes] = []

    async def receive(self) -> Message:
        at = self._at
        if at == len(self._pieces):
            await self.passed()
            return {"type": "http.disconnect"}
        if self._paced:
            await asyncio.sleep(0)
        self._at = at + 1
        more = self._at < len(self._pieces)
        return {"type": "http.request", "body": self._pieces[at], "more_body": more}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], message.get("headers", [])
        else:
            self.body.append(message.get("body", b""))
            if not message.get("more_body", False):
                self.complete = True
                self.open()

    def is_complete(self) -> bool:
        return self.complete and self.status == 200

    def answer(self) -> Answer:
        headers = tuple((bytes(name), bytes(value)) for name, value in self.headers)
        return Answer(self.status, headers, b"".join(self.body))


class WebsocketExchange(_Gate):
    """One websocket connection whose every message is to be echoed."""

    __slots__ = ("_at", "_messages", "_paced", "accepted", "echoes")

    def __init__(self, scenario: Scenario) -> None:
        super().__init__()
        self._messages, self._paced, self._at = scenario.pieces, scenario.paced, -1
        self.accepted = False
        self.echoes: list[str] = []

    async def receive(self) -> Message:
        at = self._at
        if at == -1:
            self._at = 0
            return {"type": "websocket.connect"}
        if at == len(self._messages):
            await self.passed()
            return {"type": "websocket.disconnect", "code": 1000, "reason": ""}
        if self._paced:
            await asyncio.sleep(0)
        self._at = at + 1
        return {"type": "websocket.receive", "text": self._messages[at].decode()}

    async def send(self, message: Message) -> None:
        if message["type"] == "websocket.accept":
            self.accepted = True
        elif message["type"] == "websocket.send":
            self.echoes.append(message["text"])
            if len(self.echoes) == len(self._messages):
                self.open()
        else:
            self.open()

    def is_complete(self) -> bool:
        return self.accepted and len(self.echoes) == len(self._messages)

    def answer(self) -> Answer:
        return Answer(200 if self.accepted else 403, (), "\n".join(self.echoes).encode())


def _scope(scenario: Scenario, headers: Headers) -> dict[str, Any]:
    scope: dict[str, Any] = {
        "type": "websocket" if scenario.is_websocket else "http",
        # uvicorn's figures; Starlette, for one, does less work when a server claims 2.4 for HTTP.
        "asgi": {"version": "3.0", "spec_version": "2.4" if scenario.is_websocket else "2.3"},
        "http_version": "1.1",
        "scheme": "ws" if scenario.is_websocket else "http",
        "path": scenario.path,
        "raw_path": scenario.path.encode(),
        "query_string": scenario.query,
        "root_path": "",
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 8000),
        "extensions": {},
    }
    if scenario.is_websocket:
        return {**scope, "subprotocols": []}
    return {**scope, "method": scenario.method}


async def run(app: Application, scenario: Scenario, headers: Headers, count: int) -> Exchange:
    """Send ``count`` requests one after another and return the last exchange."""
    template = _scope(scenario, headers)
    kind: type[Exchange] = WebsocketExchange if scenario.is_websocket else HTTPExchange
    for _ in range(count):
        exchange = kind(scenario)
        scope = {**template, "headers": list(headers), "state": {}}
        await app(scope, exchange.receive, exchange.send)
        if not exchange.is_complete():
            raise RuntimeError(f"expected a whole answer, got {exchange.answer()!r:.200}")
    # What the app left behind in the loop belongs to the bill.
    await asyncio.sleep(0)
    return exchange


class Lifespan:
    """Starts an application and keeps it up until ``stop``, as a server does."""

    def __init__(self, app: Application) -> None:
        self._app = app
        self._messages: asyncio.Queue[Message] = asyncio.Queue()
        self._answers: asyncio.Queue[str] = asyncio.Queue()

    async def start(self) -> None:
        self._task = asyncio.create_task(self._serve())
        self._messages.put_nowait({"type": "lifespan.startup"})
        await self._answers.get()

    async def stop(self) -> None:
        self._messages.put_nowait({"type": "lifespan.shutdown"})
        await self._task

    async def _serve(self) -> None:
        scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
        try:
            await self._app(scope, self._messages.get, self._send)
        finally:
            self._answers.put_nowait("ended")

    async def _send(self, message: Message) -> None:
        self._answers.put_nowait(message["type"])
