"""Helpers for all tests that speak ASGI: a loop with a time limit, scopes, and what was sent.

`tests/core/driver.py` and `tests/layer/_asgi.py` build connections from them.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, TypeVar

T = TypeVar("T")
Message = dict[str, Any]

#: Seconds after which a test counts as hanging, as nothing here takes long.
LIMIT = 10.0
DENIAL = {"websocket.http.response": {}}


def run(main: Coroutine[Any, Any, T], loop_factory: Callable[..., Any] | None = None) -> T:
    """Run *main* on a new event loop; a test that hangs fails."""

    async def limited() -> T:
        async with asyncio.timeout(LIMIT):
            return await main

    with asyncio.Runner(loop_factory=loop_factory) as runner:
        return runner.run(limited())


async def until(condition: Callable[[], Any]) -> None:
    """Wait until *condition* holds; another thread may change it."""
    while not condition():  # noqa: ASYNC110  # another thread may change it
        await asyncio.sleep(0.001)


async def turns(count: int = 20) -> None:
    """Let everything else that is ready on this loop run."""
    for _ in range(count):
        await asyncio.sleep(0)


def scope_of(
    kind: str, path: str, headers: Iterable[tuple[bytes, bytes]], method: str = "GET"
) -> Message:
    """Return the scope of a connection of this *kind* as a server would make it."""
    path, _, query = path.partition("?")
    scope: Message = {
        "type": kind,
        "asgi": {"version": "3.0", "spec_version": "2.4"},
        "http_version": "1.1",
        "scheme": "http" if kind == "http" else "ws",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": "",
        "headers": list(headers),
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 80),
        # No extensions, as ASGI allows, and as Uvicorn does.
    }
    if kind == "websocket":
        return {**scope, "subprotocols": [], "extensions": dict(DENIAL)}
    return {**scope, "method": method}


class Sent:
    """What the application has sent on one connection."""

    def __init__(self, messages: list[Message]) -> None:
        self.messages = messages

    def of(self, *kinds: str) -> list[Message]:
        return [message for message in self.messages if message["type"].endswith(kinds)]

    @property
    def types(self) -> list[str]:
        return [message["type"] for message in self.messages]

    @property
    def status(self) -> int:
        (start,) = self.of("http.response.start")
        return int(start["status"])

    @property
    def chunks(self) -> list[bytes]:
        return [message.get("body", b"") for message in self.of("http.response.body")]

    @property
    def body(self) -> bytes:
        return b"".join(self.chunks)

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def complete(self) -> bool:
        """Whether the body has ended; a server cuts the connection if it has not."""
        bodies = self.of("http.response.body")
        return bool(bodies) and not bodies[-1].get("more_body", False)

    @property
    def accepted(self) -> bool:
        return bool(self.of("websocket.accept"))
