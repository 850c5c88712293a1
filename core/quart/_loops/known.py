"""The event loops that handle connections in this process, asyncio's or Trio's."""

from __future__ import annotations

import asyncio
import sys
import threading
import weakref
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from .forks import in_child
from .mailbox import in_trio


class KnownLoop(Protocol):
    """What any thread may ask of a loop."""

    #: The identifier of the thread in which it runs.
    thread: int

    def coroutines(self) -> Iterator[tuple[object, asyncio.Task[object] | None]]:
        """Yield the coroutine of each task, and the task if it is asyncio's."""

    def is_running(self) -> bool:
        """Whether it runs now.

        Raises:
            RuntimeError: if it has ended and gone.
        """

    def call_soon(self, func: Callable[[], None]) -> None:
        """Have the loop call *func* soon.

        Raises:
            RuntimeError: if it has ended.
        """


class _Asyncio:
    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = weakref.ref(loop)
        self.thread = threading.get_ident()

    def coroutines(self) -> Iterator[tuple[object, asyncio.Task[object] | None]]:
        loop = self._loop()
        if loop is not None and not loop.is_closed():
            for task in asyncio.all_tasks(loop):
                yield task.get_coro(), task

    def is_running(self) -> bool:
        return self._running_or_not().is_running()

    def call_soon(self, func: Callable[[], None]) -> None:
        self._running_or_not().call_soon_threadsafe(func)

    def _running_or_not(self) -> asyncio.AbstractEventLoop:
        loop = self._loop()
        if loop is None or loop.is_closed():
            raise RuntimeError("The event loop is gone.")
        return loop


class _Trio:
    def __init__(self) -> None:
        trio: Any = sys.modules["trio"]
        self._root = weakref.ref(trio.lowlevel.current_root_task())
        self._token = trio.lowlevel.current_trio_token()
        self.thread = threading.get_ident()

    def coroutines(self) -> Iterator[tuple[object, None]]:
        tasks = [self._root()]
        while tasks:
            task = tasks.pop()
            if task is not None:
                yield task.coro, None
                tasks += [
                    child for nursery in task.child_nurseries for child in nursery.child_tasks
                ]

    def is_running(self) -> bool:
        return True  # If its run is over, `call_soon` raises.

    def call_soon(self, func: Callable[[], None]) -> None:
        try:
            self._token.run_sync_soon(func)
        except sys.modules["trio"].RunFinishedError as error:
            raise RuntimeError("Trio's run is over.") from error


_loops: weakref.WeakKeyDictionary[object, KnownLoop] = weakref.WeakKeyDictionary()
in_child(_loops.clear)


def known_loops() -> list[KnownLoop]:
    return list(_loops.values())


def know_loop() -> KnownLoop:
    """Register the loop that runs here as one that handles connections, and return it."""
    key: Any = (
        sys.modules["trio"].lowlevel.current_root_task()
        if in_trio()
        else asyncio.get_running_loop()
    )
    known = _loops.get(key)
    if known is None:
        known = _loops[key] = _Trio() if in_trio() else _Asyncio(key)
    return known
