"""How the layer's plain code waits: the core's portal, and what to do where none is above.

`wait` is the one function of the layer that does. Beneath an async function of a request the task
awaits, through the portal that the request's place has opened; in a worker thread the request's
task does; and where no loop runs, one of the thread's own.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import wraps
from typing import ParamSpec, TypeVar

from greenlet import getcurrent

from quart._threads import portal as _portal
from quart._threads.portal import portal as portal
from quart._types import CoroutineOf

from . import runner

T = TypeVar("T")
P = ParamSpec("P")


def enter(work: Callable[P, CoroutineOf[T]], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Run the coroutine of *work* within a bridge."""
    task = getcurrent().parent
    assert task is not None
    return _portal.drive(work(*args, **kwargs), task)


def can_wait() -> bool:
    """Whether plain code here is beneath a bridge, or in a request's worker thread."""
    return _portal.above() is not None


def wait(awaitable: Awaitable[T], otherwise: Callable[[Awaitable[T]], T] | None = None) -> T:
    """Return what *awaitable* gives, from sync code.

    Beneath an async function of a request, its task awaits; in a worker thread, the request's task
    does. Where there is no such task, *otherwise* is called, or an event loop is run: this thread's
    own, or, where a loop runs that a WSGI call holds up, one in another thread.

    Raises:
        RuntimeError: in a task of a running loop that nothing bridges; the awaitable is closed.
    """
    return _portal.wait(awaitable, otherwise or runner.run)


def bridged(func: Callable[P, T]) -> Callable[P, CoroutineOf[T]]:
    """Return an async function that calls the plain *func* so that it may wait."""

    @wraps(func)
    async def call(*args: P.args, **kwargs: P.kwargs) -> T:
        return await portal(func, *args, **kwargs)

    return call
