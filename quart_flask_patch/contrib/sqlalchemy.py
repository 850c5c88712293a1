"""A pool for SQLAlchemy beneath async views, which does not hold the event loop while it is empty.

To use it with Flask-SQLAlchemy, set::

    SQLALCHEMY_ENGINE_OPTIONS = {"poolclass": quart_flask_patch.contrib.sqlalchemy.WaitingPool}
"""

from __future__ import annotations

import threading
from collections import deque
from queue import Empty as NothingGiven, SimpleQueue
from typing import Any, Protocol

from sqlalchemy.pool import QueuePool
from sqlalchemy.util.queue import Empty, Full, QueueCommon

from quart._loops.mailbox import Mailbox, make_mailbox, time_limit

from .._waiting import bridge, runner


class _Waiting(Protocol):
    """What a caller waits with: `_Thread` in a thread, a `Mailbox` on an event loop."""

    def put(self, item: object) -> None: ...

    def take(self) -> object: ...


class _Thread:
    """Blocks a thread until somebody puts a connection."""

    def __init__(self) -> None:
        self._given: SimpleQueue[object] = SimpleQueue()

    def put(self, item: object) -> None:
        self._given.put(item)

    def take(self) -> object:
        return self._given.get_nowait()

    def get(self, timeout: float | None) -> object:
        return self._given.get(timeout=timeout)


class _Queue(QueueCommon[Any]):
    """The free connections, and the callers that wait for one, in the order they came."""

    def __init__(self, maxsize: int = 0, use_lifo: bool = False) -> None:
        self.maxsize, self.use_lifo = maxsize, use_lifo
        self._items: deque[object] = deque()
        self._waiting: dict[_Waiting, None] = {}
        # Reentrant, as the garbage collector may return a connection while the lock is held.
        self._lock = threading.RLock()

    def empty(self) -> bool:
        return not self._items

    def full(self) -> bool:
        return 0 < self.maxsize <= len(self._items)

    def qsize(self) -> int:
        return len(self._items)

    def put_nowait(self, item: object) -> None:
        self.put(item, block=False)

    def put(self, item: object, block: bool = True, timeout: float | None = None) -> None:
        """Give *item* to the caller that has waited longest, or keep it; this never waits."""
        with self._lock:
            if self._waiting:
                waiting = next(iter(self._waiting))
                del self._waiting[waiting]
                waiting.put(item)
            elif self.full():
                raise Full
            else:
                self._items.append(item)

    def get_nowait(self) -> object:
        return self.get(block=False)

    def get(self, block: bool = True, timeout: float | None = None) -> object:
        """Return a connection, waiting for *timeout* seconds at most.

        Raises:
            Empty: if no connection is free, or none is returned in time.
        """
        with self._lock:
            if self._items:
                return self._items.pop() if self.use_lifo else self._items.popleft()
            if not block:
                raise Empty
            mailbox, thread = make_mailbox() if runner.loop_runs() else None, _Thread()
            waiting: _Waiting = thread if mailbox is None else mailbox
            self._waiting[waiting] = None
        try:
            if mailbox is None:
                return thread.get(timeout)
            return bridge.wait(_given(mailbox, timeout))
        except BaseException as error:
            self._give_up(waiting)
            if isinstance(error, (NothingGiven, TimeoutError)):
                raise Empty from None
            raise

    def _give_up(self, waiting: _Waiting) -> None:
        with self._lock:
            if waiting in self._waiting:
                del self._waiting[waiting]
                return
        # It was given a connection at the same moment; pass that on.
        self.put(waiting.take())


async def _given(mailbox: Mailbox, timeout: float | None) -> object:
    if timeout is None:
        return await mailbox.get(interruptible=True)
    async with time_limit(timeout):
        return await mailbox.get(interruptible=True)


class WaitingPool(QueuePool):
    """SQLAlchemy's usual pool, except that waiting for a connection does not hold the event loop.

    Plain code beneath an async view waits as it waits for anything else, so the views that have the
    connections can go on and give them back. In a thread, waiting blocks that thread, as usual.
    """

    # SQLAlchemy's own pools for asyncio and for threads also differ in this attribute alone.
    _queue_class = _Queue
