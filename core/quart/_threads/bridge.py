"""How plain code waits beneath an async task. Only this module knows.

A task cannot be suspended from inside a plain function, but a greenlet can. So a task calls plain
code in a child greenlet (`call_bridged`). When that code has to wait (`wait`), it steps the
awaitable by hand. Each future that the awaitable yields is switched up to the task, and the task
yields it to its event loop as its own. When the future is done, the loop resumes the task, and the
task switches back down with the reply:

    loop  <-- yields future --  task  <-- switch((greenlet, future)) --  plain code in `wait`
    loop  --- resumes ------->  task  --- switch(reply) ------------->  plain code goes on

The loop sees an ordinary task: cancellation, timeouts, `current_task` and context variables behave
as if the code had awaited, on any loop.

The invariant: a bridge's greenlet runs in its task's Context object, and the reply to a future goes
to the greenlet that switched the future up.
"""

from __future__ import annotations

import types
from collections.abc import Awaitable, Callable
from typing import Any, ParamSpec, TypeVar

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
    """A bridge in a forked child, where no task is above any more."""


@in_child
def _sever() -> None:
    current: greenlet | None = getcurrent()
    while current is not None:
        if isinstance(current, Bridge):
            current.__class__ = _Severed  # type: ignore[assignment]  # the same layout
        current = current.parent


# Both sides of a bridge step by hand and do not use `_loops/resume.py`. `call_bridged` steps no
# coroutine: it switches to the greenlet that has switched a future up, which may be another one
# each time. And `drive` steps a coroutine from plain code, which cannot yield the future.


@types.coroutine
def call_bridged(func: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Stepping[T]:
    """Call *func*; await here what it, or any plain code beneath it, waits for."""
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
    return bridge.outcome()  # type: ignore[return-value]  # of the call that it made


def drive(awaitable: Awaitable[T], task: greenlet) -> T:
    """Step *awaitable* in this greenlet; the coroutine of *task* yields its futures."""
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
        result: T = stop.value
        return result


def drive_here(awaitable: Awaitable[T]) -> T:
    """Step *awaitable* in this greenlet of a bridge, beneath the task that has made the bridge."""
    task = getcurrent().parent
    assert task is not None
    return drive(awaitable, task)


async def await_bridged(awaitable: Awaitable[T]) -> T:
    """Await *awaitable*; plain code beneath it may wait."""
    return await call_bridged(drive_here, awaitable)


def above() -> Bridge | WorkGreenlet | None:
    """Return what can await for the plain code that runs now: a bridge, a worker's call, or None.

    Code may have greenlets of its own in between. A worker thread's call comes before a bridge
    within it: what the thread waits for is awaited on the loop's thread, where a bridge cannot
    follow. A thread with a loop of its own awaits there instead.
    """
    work = current_work()
    if work is not None and work.own is None:
        return work
    current: greenlet | None = getcurrent()
    while current is not None and current is not work and not isinstance(current, Bridge):
        current = current.parent
    return current


def wait(awaitable: Awaitable[T], otherwise: Callable[[Awaitable[T]], T]) -> T:
    """Wait for *awaitable* from plain code; if nothing above can await it, call *otherwise*."""
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
