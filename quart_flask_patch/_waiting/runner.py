"""Event loops for plain code that has no request's task above: scripts, tests and WSGI calls.

If no loop runs in a thread, the thread gets a loop of its own. The loop runs while code waits for
something, and is kept. If a loop runs already, or if greenlets share the thread, that is not
possible. Then what a WSGI call waits for goes to a loop in a thread of the layer's
(`loop_thread.py`).
"""

from __future__ import annotations

import asyncio
import os
import threading
import weakref
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from contextvars import Context, ContextVar, copy_context
from functools import partial
from typing import Any, Protocol, TypeVar

from greenlet import getcurrent

from quart._loops.forks import abandon, in_child
from quart._loops.mailbox import in_trio
from quart._loops.resume import start, Suspended
from quart._threads.bridge import await_bridged
from quart._threads.lease import discard
from quart._types import CoroutineOf

from . import green, loop_thread

T = TypeVar("T")

_UNBRIDGED = """\
Sync code waits for async code here, in a task of the running event loop, and nothing bridges them.

The layer bridges what it calls itself: views, hooks, handlers, template functions. This code was
reached another way, such as asyncio.create_task(...), a callback of the loop, or Flask's test
client in an `async def` test. Either
  - await the async function instead of calling the sync one, or
  - call the sync function through the bridge: `await quart_flask_patch.bridged(function)(...)`, or
  - run it in a thread: `await quart.utils.run_sync(function)(...)`, or
  - in a test, send requests with `quart.testing.QuartClient(app)`, whose methods are awaited.
"""

#: The loop that the current WSGI call holds up: the one running in its thread, if any.
_called_within: ContextVar[object] = ContextVar("quart_flask_patch.called_within", default=None)


class Home(Protocol):
    """A loop for things that must be awaited together, such as a view and its stream."""

    def run(self, awaitable: Awaitable[T]) -> T: ...


class _Kept:
    """A thread's own loop, which runs while somebody waits for something on it.

    Usually its thread runs it. But a WSGI server may go on in another thread with what began here,
    so any thread may run it, one at a time. Threads that come meanwhile leave their work to the one
    that runs it. If that one finishes first, one of them takes over.
    """

    def __init__(self) -> None:
        # With a factory, `asyncio.get_event_loop` does not give this loop to plain code.
        self._runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
        self._changed = threading.Condition()
        self._driven = False
        weakref.finalize(self, close, self._runner, os.getpid())

    def run(self, awaitable: Awaitable[T]) -> T:
        """Run *awaitable* to its end; the caller sees the context variables that it sets."""
        context = own_context()
        if context is not None:
            return self.run_in(context, await_bridged(awaitable))
        context = copy_context()
        try:
            return self.run_in(context, await_bridged(awaitable))
        finally:
            loop_thread.bring_back(context)

    def run_in(self, context: Context, work: CoroutineOf[T]) -> T:
        with self._changed:
            driven, self._driven = self._driven, True
        if driven:
            future = self._leave(work, context)
            with self._changed:
                self._changed.wait_for(lambda: future.done() or not self._driven)
                if future.done():
                    return future.result()
                self._driven = True
            work, context = _result_of(future), copy_context()
        try:
            return self._runner.run(work, context=context)
        finally:
            with self._changed:
                self._driven = False
                self._changed.notify_all()

    def _leave(self, work: CoroutineOf[T], context: Context) -> Future[T]:
        future: Future[T] = Future()
        future.add_done_callback(self._tell)
        self.loop.call_soon_threadsafe(loop_thread.begin, self.loop, work, context, future)
        return future

    def _tell(self, future: Future[Any]) -> None:
        with self._changed:
            self._changed.notify_all()

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        return self._runner.get_loop()


def close(runner: asyncio.Runner, process: int) -> None:
    """Close *runner*, made in the process with the id *process*; made for a finalizer."""
    if os.getpid() != process:
        abandon(runner.get_loop())
    # The garbage collector may call this in any thread, one where another loop runs too.
    elif asyncio._get_running_loop() is None:
        # A loop starts a thread to wait for those of its executor. At the end of the process no
        # thread can start any more, but the loop is closed all the same.
        with suppress(RuntimeError):
            runner.close()
    else:
        runner.get_loop().close()


async def _result_of(future: Future[T]) -> T:
    return await asyncio.wrap_future(future)


class _Local(threading.local):
    kept: _Kept | None = None


_local = _Local()


@in_child
def _forget_kept() -> None:
    _local.kept = None


def _kept() -> _Kept:
    kept = _local.kept
    if kept is None:
        kept = _local.kept = _Kept()
    return kept


def home() -> Home | None:
    """Return where to await what belongs to the code that runs here, later and from any thread.

    None if this code runs on a loop that is not the layer's.
    """
    running = asyncio._get_running_loop()
    kept = _local.kept
    if running is not None and kept is not None and kept.loop is running:
        return kept
    if not may_drive():
        return loop_thread.current() if _is_called_here() else None
    return _kept()


def run(awaitable: Awaitable[T]) -> T:
    """Run *awaitable* to its end, in the caller's context variables.

    Raises:
        RuntimeError: in a task of a loop that runs in this thread, if *awaitable* has to wait.
    """
    if may_drive():
        return _kept().run(awaitable)
    if _is_called_here():
        return loop_thread.current().run(awaitable)
    return _step(awaitable)


def kept_here() -> Callable[[CoroutineOf[T]], T] | None:
    """Return a function that runs a coroutine on this thread's loop in the caller's own Context."""
    if not may_drive() or (context := own_context()) is None:
        return None
    return partial(_kept().run_in, context)


def may_drive() -> bool:
    """Whether this thread may run a loop now."""
    return not loop_runs() and not green.is_green()


def loop_runs() -> bool:
    """Whether this code runs on an event loop."""
    return asyncio._get_running_loop() is not None or in_trio()


def _is_called_here() -> bool:
    """Whether a WSGI call holds up the loop that runs in this thread, or no loop runs."""
    running = _running()
    return running is None or running is _called_within.get()


def _running() -> object:
    """Return the loop that runs in this thread, or Trio's token, or None."""
    if in_trio():
        import trio

        return trio.lowlevel.current_trio_token()
    return asyncio._get_running_loop()


@contextmanager
def called() -> Iterator[None]:
    """Mark this block as a WSGI call that holds up the loop that runs in this thread, if any."""
    token = _called_within.set(_running())
    try:
        yield
    finally:
        _called_within.reset(token)


def _step(awaitable: Awaitable[T]) -> T:
    """Return the result of *awaitable* if it never suspends; otherwise close it and raise."""
    result = start(awaitable)
    if not isinstance(result, Suspended):
        return result
    result.close()
    discard(awaitable)
    raise RuntimeError(_UNBRIDGED)


def own_context() -> Context | None:
    """Return the caller's own Context, so that a task in it sees and sets the same variables.

    None if no task can enter it, as within `Context.run`.
    """
    context: Context | None = getcurrent().gr_context
    if context is not None:
        try:
            context.run(_nothing)
        except RuntimeError:
            return None
    return context


def _nothing() -> object:
    """Do nothing; running this in a context shows whether it can be entered."""
