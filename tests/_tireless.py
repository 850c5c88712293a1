"""A client whose server never waits: code that serves it must give others turns itself."""

from __future__ import annotations

from typing import Any

import anyio

Message = dict[str, Any]

#: This many steps take seconds, for which others would wait.
ENOUGH = 300_000
LIMIT = 20.0
CONNECT: dict[str, Message] = {
    "http": {"type": "http.request", "body": b"", "more_body": False},
    "websocket": {"type": "websocket.connect"},
}
CHUNK: dict[str, Message] = {
    "http": {"type": "http.request", "body": b"x", "more_body": True},
    "websocket": {"type": "websocket.receive", "text": "x"},
}


class Tireless:
    """A client whose server never waits: neither to send, nor, if it `floods`, to receive."""

    def __init__(self, kind: str, floods: bool) -> None:
        self._kind, self._floods = kind, floods
        self._gone = anyio.Event()
        self._says = [] if floods and kind == "http" else [CONNECT[kind]]
        #: How many messages have gone either way.
        self.steps = 0

    def leave(self) -> None:
        self._gone.set()

    async def receive(self) -> Message:
        if self._says:
            return self._says.pop()
        if not self._floods:
            await self._gone.wait()
        if self._gone.is_set():
            return {"type": f"{self._kind}.disconnect"}
        self.steps += 1
        return CHUNK[self._kind] if self.steps < ENOUGH else {"type": f"{self._kind}.disconnect"}

    async def send(self, message: Message) -> None:
        self.steps += 1


async def serve(app: Any, scope: Message, client: Tireless) -> None:
    """Serve *client* until it leaves, which it does as soon as others have had some turns."""
    with anyio.fail_after(LIMIT):
        async with anyio.create_task_group() as group:
            group.start_soon(app, scope, client.receive, client.send)
            while client.steps < 100:  # noqa: ASYNC110  # it is whether this goes on that matters
                await anyio.sleep(0.001)
            assert client.steps < ENOUGH, "nobody else had a turn before it ended by itself"
            client.leave()
    assert client.steps < ENOUGH, "it did not end when the client left"
