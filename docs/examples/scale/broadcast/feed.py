"""What one process has heard of a broadcast, for all of its clients.

One task reads for the whole process and calls `add`. A client has nothing but its place, the id of
the last message that it was sent, so 2,000 clients take no more memory than one window.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import NamedTuple

Place = tuple[int, int]  # grows from message to message


class Message(NamedTuple):
    place: Place
    text: str
    key: str = ""  # by which its sender knows it again


class TooSlow(Exception):
    """A client that does not take what it is sent, or that the window has gone on without."""


class Feed:
    def __init__(self, kept: int = 1000) -> None:
        self._kept = kept
        self.start((0, 0))

    def start(self, place: Place) -> None:
        self.last = place
        self._floor = place  # what came after it is in the window
        self._window: list[Message] = []
        self._more = asyncio.Event()

    def add(self, messages: Sequence[Message]) -> None:
        """Take in what was read, and wake all clients that wait for it."""
        if not messages:
            return
        self._window += messages
        self.last = messages[-1].place
        if len(self._window) >= 2 * self._kept:  # seldom, as it moves all that stay
            self._floor = self._window[-self._kept - 1].place
            del self._window[: -self._kept]
        self.wake()

    def wake(self) -> None:
        """Have all clients look, be there something new or not."""
        waiting, self._more = self._more, asyncio.Event()
        waiting.set()

    def reaches(self, place: Place) -> bool:
        """Whether all that came after *place* is in the window."""
        return place >= self._floor

    async def follow(
        self,
        place: Place,
        older: Callable[[Place], Awaitable[Sequence[Message]]] | None = None,
    ) -> AsyncIterator[Message | None]:
        """The messages after *place*, without an end; None where it was woken and there is none.

        What the window does not have any more is asked of *older*; without that it is `TooSlow`.
        """
        while True:
            if self.reaches(place):
                start = bisect_right(self._window, place, key=lambda message: message.place)
                page: Sequence[Message] = self._window[start : start + 100]
            elif older:
                page = await older(place)
            else:
                raise TooSlow
            for message in page:
                yield message
                place = message.place
            if not page:
                await self._more.wait()
                if self.last <= place:
                    yield None
