"""How the layer's plain code waits: the core's bridge, and what to do where none is above.

`wait` is the one function of the layer that does. Beneath an async function of a request the task
awaits, through the bridge that the request's place has opened; in a worker thread the request's
task does; and where no loop runs, one of the thread's own.

Which of the cases it is, `wait` finds out from the greenlets above the caller and from nothing
else: a variable would be inherited by the tasks and threads that the caller starts.

1. A `Bridge` is above. Each future is switched up to the task, which yields it as its own. So a
   cancellation, a timeout and `current_task` are those of the task.
2. A `WorkGreenlet` is above: a request's worker thread. The awaitable goes to the task by its
   mailbox, and the thread takes other work of that request until the reply comes. It comes before a
   bridge within it, as that bridge's task is on another thread.
3. Nothing is above, and no loop runs here: a loop that the thread keeps (`runner.py`).
4. Nothing is above, but a loop runs here. What needs no loop is stepped in place. To wait for more
   would block the loop, so that is an error that says what to do, and the awaitable is closed.
   Unless a WSGI call holds up that loop anyway: then a loop in another thread awaits (`apart.py`).
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
    """Whether plain code here is beneath a bridge, or in a request's worker thread."""
    return above() is not None


def is_beneath_task() -> bool:
    """Whether a task is above that awaits on this thread, so that a step can be taken for it."""
    return isinstance(above(), Bridge)


def wait(awaitable: Awaitable[T], otherwise: Callable[[Awaitable[T]], T] | None = None) -> T:
    """Return what *awaitable* gives, from sync code.

    Beneath an async function of a request, its task awaits; in a worker thread, the request's task
    does. Where there is no such task, *otherwise* is called, or an event loop is run: this thread's
    own, or, where a loop runs that a WSGI call holds up, one in another thread.

    Raises:
        RuntimeError: in a task of a running loop that nothing bridges; the awaitable is closed.
    """
    return _core.wait(awaitable, otherwise or runner.run)


def bridged(func: Callable[P, T]) -> Callable[P, CoroutineOf[T]]:
    """Return an async function that calls the plain *func* so that it may wait."""

    @wraps(func)
    async def call(*args: P.args, **kwargs: P.kwargs) -> T:
        return await call_bridged(func, *args, **kwargs)

    return call
