"""Brings news from any thread to the event streams that are open."""

import asyncio
import threading
from collections.abc import AsyncGenerator
from typing import Any

QUEUE_SIZE = 100


class Listener:
    """One open stream: a queue, and the event loop that it belongs to."""

    def __init__(self, user_id: int) -> None:
        self.user_id = user_id
        self.loop = asyncio.get_running_loop()
        self.queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue(QUEUE_SIZE)

    def put(self, event: dict[str, Any]) -> None:
        if self.queue.full():  # a client this slow misses the oldest news
            self.queue.get_nowait()
        self.queue.put_nowait(event)


class Announcer:
    def __init__(self) -> None:
        self._listeners: set[Listener] = set()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """How many are listening."""
        return len(self._listeners)

    def publish(self, event: dict[str, Any], *, only_for: int | None = None) -> None:
        """Hand the event to all listeners, or to those of one user; from any thread."""
        with self._lock:
            for listener in self._listeners:
                if only_for in (None, listener.user_id):
                    listener.loop.call_soon_threadsafe(listener.put, event)

    async def listen(
        self, user_id: int, idle: float
    ) -> AsyncGenerator[dict[str, Any] | None, None]:
        """Yield None at first and after `idle` seconds of silence, and each event as it comes."""
        listener = Listener(user_id)
        with self._lock:
            self._listeners.add(listener)
        try:
            yield None
            while True:
                try:
                    yield await asyncio.wait_for(listener.queue.get(), idle)
                except TimeoutError:
                    yield None
        finally:
            with self._lock:
                self._listeners.discard(listener)


announcer = Announcer()
