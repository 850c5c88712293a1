"""The event loop of a thread on which none is running: for scripts, shells, commands and tests."""

from __future__ import annotations

import asyncio
import threading
import weakref
from collections.abc import Awaitable
from contextvars import Context, copy_context
from typing import Any, cast, TypeVar

from greenlet import getcurrent

from quart._loops.mailbox import in_trio
from quart._threads.lease import discard

T = TypeVar("T")

_UNBRIDGED = """\
Sync code waits for async code here, in a task of the running event loop, and nothing bridges them.

The layer bridges what it calls itself: views, hooks, handlers, template functions. This code was
reached another way, such as asyncio.create_task(...) or a callback of the loop. Either
  - await the async function instead of calling the sync one, or
  - call the sync function through the bridge: `await quart_flask_patch.bridged(function)(...)`, or
  - run it in a thread: `await quart.utils.run_sync(function)(...)`.
"""


class _Runner:
    """A thread's own runner, closed with the thread, or with the process."""

    def __init__(self) -> None:
        self.runner = asyncio.Runner()
        weakref.finalize(self, self.runner.close)


_local = threading.local()


def run(awaitable: Awaitable[T]) -> T:
    """Run *awaitable* to its end on this thread's loop, in the caller's context variables.

    Raises:
        RuntimeError: if a loop is running in this thread, and *awaitable* has to wait.
    """
    if loop_runs():
        return _step(awaitable)
    try:
        runner = _local.runner
    except AttributeError:
        runner = _local.runner = _Runner()
    return runner.runner.run(_as_coroutine(awaitable), context=caller_context())  # type: ignore[no-any-return]  # of a thread's local


def loop_runs() -> bool:
    """Whether this code runs on an event loop."""
    return asyncio._get_running_loop() is not None or in_trio()


def _step(awaitable: Awaitable[T]) -> T:
    """Take the one step that needs no waiting."""
    steps = awaitable.__await__()
    try:
        next(steps)
    except StopIteration as stop:
        return cast(T, stop.value)
    steps.close()
    discard(awaitable)
    raise RuntimeError(_UNBRIDGED)


async def _as_coroutine(awaitable: Awaitable[T]) -> T:
    return await awaitable


def caller_context() -> Context:
    """Return the Context of the caller for a task of its own, so that both see all variables.

    That object itself, if it can be entered; within `Context.run` it cannot, and a copy has to do.
    """
    context: Context | None = getcurrent().gr_context
    if context is not None:
        try:
            context.run(_nothing)
        except RuntimeError:
            pass
        else:
            return context
    return copy_context()


def _nothing() -> Any:
    """Enter a context, to see whether that is possible."""
