"""How plain code waits for async code in the layer: `wait`, its one function for that.

To wait, somebody has to await in your place. `wait` finds out who can from the greenlets above the
caller, and from nothing else: tasks and threads inherit context variables, so a variable would say
that a task is above where none is. There are four cases:

1. A `Bridge` is above: the caller was called by a task, beneath an async function of a request.
   Each future is switched up to that task, which yields it as its own. So a cancellation, a timeout
   and `current_task` are the task's.
2. A `WorkGreenlet` is above: the caller is in a request's worker thread. The awaitable goes to the
   request's task through its mailbox, and the thread takes other work of that request until the
   reply comes. If a bridge is above as well, the `WorkGreenlet` comes first: the awaitable is
   awaited on the loop's thread, where that bridge cannot follow.
3. Nothing is above, and no loop runs in this thread. A loop that the thread keeps awaits
   (`runner.py`).
4. Nothing is above, but a loop runs in this thread. Waiting would block that loop. So the awaitable
   is stepped once, in case it never suspends. If it does, it is closed, and the error says what to
   do. There is one exception: if a WSGI call holds up the loop anyway, a loop in another thread
   awaits (`loop_thread.py`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from quart._threads import bridge as _core
from quart._threads.bridge import (
    above as above,
    await_bridged as await_bridged,
    Bridge as Bridge,
    call_bridged as call_bridged,
    drive_here as drive_here,
)
from quart._types import CoroutineOf

from . import runner

T = TypeVar("T")
P = ParamSpec("P")


def can_wait() -> bool:
    """Whether plain code here is beneath a bridge or in a request's worker thread."""
    return above() is not None


def is_beneath_task() -> bool:
    """Whether the task that awaits for us is on this thread, so a step can be taken for it."""
    return isinstance(above(), Bridge)


def wait(awaitable: Awaitable[T], otherwise: Callable[[Awaitable[T]], T] | None = None) -> T:
    """Wait for *awaitable* from sync code, and return its result.

    Beneath an async function of a request, the request's task awaits it; in a worker thread too.
    Elsewhere *otherwise* is called with it, or an event loop runs it: this thread's own, or one in
    another thread if a WSGI call holds up the loop that runs here.

    Raises:
        RuntimeError: if you call this in a task of a running loop without a bridge above, and
            *awaitable* has to wait; it is closed. Call the function through `bridged` instead.
    """
    return _core.wait(awaitable, otherwise or runner.run)


def bridged(func: Callable[P, T]) -> Callable[P, CoroutineOf[T]]:
    """Return an async function that calls the plain *func* beneath a bridge, so it may `wait`."""

    @wraps(func)
    async def call(*args: P.args, **kwargs: P.kwargs) -> T:
        return await call_bridged(func, *args, **kwargs)

    return call


def awaited(func: Callable[P, Awaitable[T]]) -> Callable[P, T]:
    """Return a plain function that calls the async *func* and waits for what it gives.

    Decorate an async view with it, next to the function, where decorators or an extension use what
    the view returns and would not await it. The request runs where an async view does.
    """

    @wraps(func)
    def call(*args: P.args, **kwargs: P.kwargs) -> T:
        return wait(func(*args, **kwargs))

    return call
