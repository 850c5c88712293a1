"""Pass messages from a thread to a task, on any event loop."""

from __future__ import annotations

import asyncio
import sys
import types
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    nullcontext,
)
from contextvars import Context
from typing import Any, Protocol

from .._types import Stepping

_Shield = AbstractContextManager[object]

#: Seconds that the end of a connection may take after a cancellation.
CLEANUP = 5.0


class Mailbox(Protocol):
    """Takes messages from a thread for a task of an event loop."""

    cancelled: BaseException | None

    def put(self, message: object) -> None: ...
    def take(self) -> Any: ...
    def get(self, *, interruptible: bool = False) -> Awaitable[Any]: ...


class _AsyncioMailbox:
    """A mailbox that its task awaits like a future: a message wakes the task directly.

    With a real future, a message would wake the loop for a callback that wakes the task one turn
    later. A thread cannot be interrupted, so `get` cannot either: a cancellation is kept in
    `cancelled`.
    """

    __slots__ = (
        *("_asyncio_future_blocking", "_interruption", "_late", "_loop", "_messages", "_waiting"),
        *("_waits_for", "cancelled"),
    )

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        # A list, as there is hardly ever more than one message, and an empty deque has room for 64.
        self._messages: list[object] = []
        #: While the task waits: the callback that wakes it, and its Context. Whoever takes it out
        #: must call it.
        self._waiting: list[tuple[Callable[[object], None], Context | None]] = []
        #: The same callback until it has been called, and one that may not have been scheduled.
        self._waits_for: Callable[[object], None] | None = None
        self._late: Callable[[object], None] | None = None
        #: The error to wake the task with, if it is not woken for a message.
        self._interruption: asyncio.CancelledError | None = None
        self._asyncio_future_blocking = False
        self.cancelled: BaseException | None = None

    def put(self, message: object) -> None:
        # The task looks for messages after it has begun to wait. So either it sees this message, or
        # we see that it waits.
        self._messages.append(message)
        if self._waiting:
            self._wake()

    def take(self) -> object:
        return self._messages.pop(0) if self._messages else None

    @types.coroutine
    def get(self, *, interruptible: bool = False) -> Stepping[object]:
        while not self._messages:
            self._asyncio_future_blocking = True
            try:
                yield self
            except asyncio.CancelledError as error:
                if interruptible:
                    raise
                self.cancelled = error
        return self._messages.pop(0)

    def _wake(self) -> bool:
        waiting = self._waiting
        try:
            # Python raises nothing from outside between these two, as it might after `pop`.
            wake, context = waiting[0]
            del waiting[0]
        except IndexError:
            return False  # Another thread already wakes it.
        try:
            self._loop.call_soon_threadsafe(wake, self, context=context)
        except BaseException:
            # Struck by another thread's exception. Whoever puts the message again wakes the task.
            self._late = wake
            waiting += [(self._wake_late, context)]
            raise
        return True

    def _wake_late(self, _: object) -> None:
        """Wake the task, on the loop, if what was struck has not done so."""
        wake, self._late = self._late, None
        if wake is not None and wake is self._waits_for:
            wake(self)
        elif self._messages or self._interruption is not None:
            self._wake()

    # What a task needs of a future: https://docs.python.org/3/library/asyncio-extending.html

    def get_loop(self) -> asyncio.AbstractEventLoop:
        return self._loop

    def add_done_callback(
        self, wake: Callable[[object], None], *, context: Context | None = None
    ) -> None:
        self._waits_for = wake
        self._waiting.append((wake, context))
        if self._messages:
            self._wake()

    def cancel(self, msg: object = None) -> bool:
        if not self._wake():
            return False  # The task gets the cancellation at its next step.
        self._interruption = asyncio.CancelledError(*(() if msg is None else (msg,)))
        return True

    def result(self) -> None:
        self._waits_for = None
        interruption, self._interruption = self._interruption, None
        if interruption is not None:
            raise interruption


class _TrioMailbox:
    """The same for Trio, which raises a cancellation again at the next checkpoint."""

    def __init__(self) -> None:
        import trio

        self._trio: Any = trio
        self._token = trio.lowlevel.current_trio_token()
        self._messages: list[object] = []
        self._event = trio.Event()
        self.cancelled: BaseException | None = None

    def put(self, message: object) -> None:
        self._messages.append(message)
        self._token.run_sync_soon(self._wake)

    def _wake(self) -> None:
        self._event.set()

    def take(self) -> object:
        return self._messages.pop(0) if self._messages else None

    async def get(self, *, interruptible: bool = False) -> object:
        with self._trio.CancelScope(shield=not interruptible):
            while not self._messages:
                self._event = self._trio.Event()
                await self._event.wait()
        return self._messages.pop(0)


def in_trio() -> bool:
    """Whether this code runs in a Trio task."""
    trio = sys.modules.get("trio")
    return trio is not None and bool(trio.lowlevel.in_trio_run())


def shielded(after: type[BaseException] | None = asyncio.CancelledError) -> _Shield:
    """In this block, let a cancelled task wait for its cleanup, for up to `CLEANUP` seconds.

    Trio raises a cancellation again at each wait, so it needs a shield. asyncio raises it once, so
    usually nothing is to be done there; the exception is a cancellation that came too late to be
    raised and is still to come at the next wait. Nothing is to be done either if the work before
    this block has not ended *after* a cancellation.
    """
    if not in_trio():
        return nullcontext()
    trio: Any = sys.modules["trio"]
    now: float = trio.current_time()
    if (after is None or issubclass(after, Exception)) and now < trio.current_effective_deadline():
        return nullcontext()
    shield: _Shield = trio.CancelScope(shield=True, deadline=now + CLEANUP)
    return shield


def time_limit(seconds: float) -> AbstractAsyncContextManager[object]:
    """Raise TimeoutError in the block after *seconds*."""
    return _trio_time_limit(seconds) if in_trio() else asyncio.timeout(seconds)


@asynccontextmanager
async def _trio_time_limit(seconds: float) -> AsyncIterator[None]:
    trio: Any = sys.modules["trio"]
    with trio.move_on_after(seconds) as scope:
        yield
    if scope.cancelled_caught:
        raise TimeoutError(f"Expected an end within {seconds} seconds, got none.")


def make_event() -> Any:
    """Return an event for the event loop that runs here, Trio's or asyncio's."""
    return sys.modules["trio"].Event() if in_trio() else asyncio.Event()


def make_lock() -> Any:
    """Return a lock for the event loop that runs here, Trio's or asyncio's."""
    return sys.modules["trio"].Lock() if in_trio() else asyncio.Lock()


def make_mailbox() -> Mailbox:
    return _TrioMailbox() if in_trio() else _AsyncioMailbox()
