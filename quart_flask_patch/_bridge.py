"""How sync code waits beneath an async task: the only place that knows.

A task enters plain code in a child greenlet (`portal`). When that code waits (`wait`), each
future that the awaitable yields is switched up to the task, which yields it to its event loop as
its own. The loop sees an ordinary task: cancellation, timeouts, `current_task` and context
variables behave as if the code had awaited, on any loop.

The invariant: a bridge's greenlet runs in its task's Context object, and whoever switched a future
up is the one that is switched back to with the reply.
"""

from __future__ import annotations

import types
from collections.abc import Awaitable, Callable, Coroutine, Generator
from functools import wraps
from typing import Any, cast, ParamSpec, TypeVar

from greenlet import getcurrent, greenlet

from quart import _worker
from quart._parked import Parked

from . import _runner

T = TypeVar("T")
P = ParamSpec("P")


class Bridge(Parked):
    """A greenlet in which plain code runs on behalf of the task above it."""


@types.coroutine
def portal(func: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Generator[Any, Any, T]:
    """Call *func*; what it, or any plain code beneath it, waits for is awaited here."""
    bridge = Bridge.take(getcurrent().gr_context)
    step = bridge.begin(func, args, kwargs)
    while not bridge.ended:
        waiter, future = step
        try:
            reply = yield future
        except BaseException as error:
            step = waiter.throw(error)
        else:
            step = waiter.switch(reply)
    return cast(T, bridge.outcome())


def drive(awaitable: Awaitable[T], task: greenlet) -> T:
    """Step *awaitable* here, beneath *task*, whose coroutine yields its futures."""
    current = getcurrent()
    steps: Any = awaitable.__await__()
    try:
        future = next(steps)
        while True:
            try:
                reply = task.switch((current, future))
            except BaseException as error:
                future = steps.throw(error)
            else:
                future = steps.send(reply) if reply is not None else next(steps)
    except StopIteration as stop:
        return cast(T, stop.value)


def enter(work: Callable[P, Coroutine[Any, Any, T]], /, *args: P.args, **kwargs: P.kwargs) -> T:
    """Run the coroutine of *work* within a bridge."""
    task = getcurrent().parent
    assert task is not None
    return drive(work(*args, **kwargs), task)


def can_wait() -> bool:
    """Whether plain code here is beneath a bridge, or in a request's worker thread."""
    return _above() is not None


def _above() -> Bridge | _worker.Work | None:
    """Return what awaits for the plain code that runs now; code may have greenlets of its own."""
    current: greenlet | None = getcurrent()
    while current is not None:
        if isinstance(current, (Bridge, _worker.Work)):
            return current
        current = current.parent
    return None


def wait(awaitable: Awaitable[T]) -> T:
    """Return what *awaitable* gives, from sync code.

    Beneath an async function of a request, its task awaits; in a worker thread, the request's task
    does; where no event loop runs, one of this thread's own does. The event loop is never blocked.

    Raises:
        RuntimeError: in a task of a running loop that nothing bridges; the awaitable is closed.
    """
    above = _above()
    if above is None:
        return _runner.run(awaitable)
    if isinstance(above, _worker.Work):
        return above.wait(awaitable)
    assert above.parent is not None
    return drive(awaitable, above.parent)


def bridged(func: Callable[P, T]) -> Callable[P, Coroutine[Any, Any, T]]:
    """Return an async function that calls the plain *func* so that it may wait."""

    @wraps(func)
    async def call(*args: P.args, **kwargs: P.kwargs) -> T:
        return await portal(func, *args, **kwargs)

    return call
