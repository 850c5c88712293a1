"""A buffer for a websocket's messages that other code receives."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable
from typing import Self

from ._changes import Changing
from .base import ClientDisconnectedError


class Buffer(Changing):
    """Messages that were received ahead of the handler.

    It is bounded: `put` waits while it is full.
    """

    max_size = 32

    _messages: deque[str | bytes]
    _disconnected: ClientDisconnectedError | None = None

    def __new__(cls, *args: object, **kwargs: object) -> Self:
        # Made outside of `__init__`, which subclasses for Quart 0.23 replace: there it makes the
        # queue, and does not call ours.
        buffer = super().__new__(cls)
        buffer._messages = deque()
        return buffer

    async def put(self, data: str | bytes) -> None:
        """Add a message when there is room for it; drop it if the client goes meanwhile."""
        while len(self._messages) >= self.max_size and self._disconnected is None:
            await self._wait_for_change()
        if self._disconnected is None:
            self._messages.append(data)
            self._notify()

    async def get(self) -> str | bytes:
        """Take the oldest message, waiting for one if need be.

        Raises:
            ClientDisconnectedError: if the client has gone and no message is left.
        """
        while not self._messages:
            if self._disconnected is not None:
                raise self._disconnected
            await self._wait_for_change()
        self._notify()
        return self._messages.popleft()

    def disconnect(self, close_code: int | None = None, reason: str = "") -> None:
        """Note that the client has gone, with its close code and reason."""
        self._disconnected = ClientDisconnectedError(close_code=close_code, reason=reason)
        self._notify()

    def __aiter__(self) -> Buffer:
        return self

    async def __anext__(self) -> str | bytes:
        try:
            return await self.get()
        except ClientDisconnectedError:
            raise StopAsyncIteration from None


class Pulled(Buffer):
    """A buffer that pulls each message from a function."""

    def __init__(self, give: Callable[[], Awaitable[str | bytes]]) -> None:
        self._give = give

    async def get(self) -> str | bytes:
        return await self._give()
