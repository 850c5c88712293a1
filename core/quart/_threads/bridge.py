"""How plain code waits beneath an async task: the only place that knows.

A task enters plain code in a child greenlet (`call_bridged`). When that code waits (`wait`), each
future that the awaitable yields is switched up to the task, which yields it to its event loop as
its own. The loop sees an ordinary task: cancellation, timeouts, `current_task` and context
variables behave as if the code had awaited, on any loop.

The invariant: a bridge's greenlet runs in its task's Context object, and whoever switched a future
up is the one that is switched back to with the reply.
"""

from __future__ import annotations

import types
from collections.abc import Awaitable, Callable
from typing import Any, cast, ParamSpec, TypeVar

from greenlet import getcurrent, greenlet

from .._loops.forks import in_child
from .._loops.raised import raise_again
from .._types import Stepping
from .greenlets import ReusableGreenlet
from .worker import current_work, WorkGreenlet

T = TypeVar("T")
P = ParamSpec("P")


class Bridge(ReusableGreenlet):
    """A greenlet in which plain code runs on behalf of the task above it."""


class _Severed(ReusableGreenlet):
    """A bridge in a forked child, where no task is above."""


@in_child
def _sever() -> None:
    current: greenlet | None = getcurrent()
    while current is not None:
        if isinstance(current, Bridge):
            current.__class__ = _Severed  # type: ignore[assignment]  # the same but for its name
        current = current.parent


# The two sides of a bridge step by hand, not by `_loops/resume.py`. `call_bridged` steps no
# coroutine: it switches to whichever greenlet has switched a future up, another one each time. And
# `drive` steps one from plain code, which can switch a future up but not yield it.


@types.coroutine
def call_bridged(func: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Stepping[T]:
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


def drive_here(awaitable: Awaitable[T]) -> T:
    """Step *awaitable* in the greenlet of a bridge, beneath the task that has made it."""
    task = getcurrent().parent
    assert task is not None
    return drive(awaitable, task)


async def await_bridged(awaitable: Awaitable[T]) -> T:
    """Await *awaitable*; plain code beneath it may wait."""
    return await call_bridged(drive_here, awaitable)


def above() -> Bridge | WorkGreenlet | None:
    """Return what awaits for the plain code that runs now; code may have greenlets of its own.

    A worker thread's work comes before a bridge within it: what is awaited for the thread is
    awaited on the loop, and a bridge cannot follow it there. Unless the thread has its own loop.
    """
    work = current_work()
    if work is not None and work.own is None:
        return work
    current: greenlet | None = getcurrent()
    while current is not None and current is not work and not isinstance(current, Bridge):
        current = current.parent
    return current


def wait(awaitable: Awaitable[T], otherwise: Callable[[Awaitable[T]], T]) -> T:
    """Return what *awaitable* gives, from plain code; *otherwise* is for where nothing is above."""
    upper = above()
    try:
        if upper is None:
            return otherwise(awaitable)
        if isinstance(upper, WorkGreenlet):
            return upper.wait(awaitable)
        assert upper.parent is not None
        return drive(awaitable, upper.parent)
    except RuntimeError as error:
        raise_again(error)
        raise
