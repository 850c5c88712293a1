"""The place of an async view that may block: an event loop in the request's worker thread.

Flask runs async views the same way. What is bound to the server's loop, such as the body that
arrives there, is awaited on that loop, in `receiving`. All else is awaited on the thread's own
loop.
"""

from __future__ import annotations

import asyncio
import os
import threading
import weakref
from collections.abc import (
    AsyncGenerator,
    Awaitable,
    Callable,
    Iterable,
    Iterator,
    Sequence,
)
from contextlib import contextmanager
from contextvars import copy_context
from typing import Any, cast, TYPE_CHECKING, TypeVar

from quart._loops.forks import in_child
from quart._loops.resume import told
from quart._threads import worker
from quart._types import CoroutineOf, Receive
from quart.wrappers.response import IterableBody

from ._places import CHOICES, lease_of, PLACES, Thread, wait_for_work
from ._waiting import bridge, loop_thread, runner

if TYPE_CHECKING:
    from quart._threads.strategy import Place
    from quart.ctx import AppContext

T = TypeVar("T")
_END = object()


class _Kept:
    """The loop of a worker thread, kept from one request to the next."""

    def __init__(self) -> None:
        self.runner = asyncio.Runner(loop_factory=asyncio.new_event_loop)
        weakref.finalize(self, runner.close, self.runner, os.getpid())


class _Local(threading.local):
    kept: _Kept | None = None


_local = _Local()


@in_child
def _forget() -> None:
    _local.kept = None


def _runner() -> asyncio.Runner:
    kept = _local.kept
    if kept is None:
        kept = _local.kept = _Kept()
    return kept.runner


class Own:
    """Runs what one request awaits on the loop of its worker thread."""

    def __init__(self) -> None:
        self._task: asyncio.Task[Any] | None = None
        self._cancelled = False
        #: Whether the server's loop awaits for us; then a cancellation arrives by way of that.
        self._asks = False

    def run(self, awaitable: Awaitable[T]) -> T:
        """Run *awaitable* to its end; the caller sees the context variables that it sets.

        Raises:
            RuntimeError: in a task of that loop without a bridge, if *awaitable* has to wait.
        """
        if runner.loop_runs():
            return runner.run(awaitable)
        # Use a copy: the server's task owns the context, and may be stepped in it meanwhile.
        context = copy_context()
        try:
            return _runner().run(self._noted(awaitable), context=context)
        except asyncio.CancelledError as error:
            if self._cancelled:
                raise
            raise RuntimeError(
                "Expected a result, got a cancellation that is not of this request: an async view"
                " awaited what somebody else had cancelled. Catch asyncio.CancelledError where that"
                " may happen."
            ) from error
        finally:
            loop_thread.bring_back(context)

    async def _noted(self, awaitable: Awaitable[T]) -> T:
        self._task = asyncio.current_task()
        try:
            return await bridge.await_bridged(awaitable)
        finally:
            self._task = None

    def cancel(self) -> None:
        """Cancel what runs, from the server's loop, which cancels what is awaited there itself."""
        self._cancelled = True
        task = self._task
        if task is not None and not self._asks:
            task.get_loop().call_soon_threadsafe(task.cancel)

    def end(self) -> None:
        """Cancel the tasks that are left, as Flask does: its loop ends with the request."""
        if _local.kept is not None and (left := asyncio.all_tasks(_runner().get_loop())):
            for task in left:
                task.cancel()
            _runner().run(_ended(left))

    @contextmanager
    def here(self) -> Iterator[None]:
        """Await on the own loop what plain code waits for in this thread."""
        work = worker.current_work()
        assert work is not None
        work.own = self.run
        try:
            yield
        finally:
            work.own = None

    def receiving(self, receive: Receive) -> Receive:
        """Return *receive*, a function of the server's loop, so that the own loop may await it."""

        async def received() -> object:
            work = worker.current_work()
            if work is None:
                return await receive()
            self._asks = True
            try:
                return work.hand_over(receive())
            finally:
                self._asks = False

        return received


async def _ended(tasks: Iterable[asyncio.Task[Any]]) -> None:
    await asyncio.gather(*tasks, return_exceptions=True)


_owns: weakref.WeakKeyDictionary[AppContext, Own] = weakref.WeakKeyDictionary()


class OwnLoop(Thread):
    """In the request's worker thread; async functions run on that thread's own loop."""

    name = "own-loop"

    @property
    def lasting(self) -> Place:
        # A websocket's messages arrive on the server's loop at any time.
        return PLACES["loop"]

    async def enter(self, ctx: AppContext, work: Callable[[AppContext], CoroutineOf[T]]) -> T:
        own = _owns[ctx] = Own()
        connection: Any = ctx.connection
        connection.receive_from(own.receiving(connection._receive))
        if worker.current_work() is not None:
            # WSGI middleware runs in this worker thread already.
            return cast(T, _in_own(own, work, ctx))
        if ctx._lease is None:
            ctx.lease = lease_of(ctx.app)
        assert ctx.lease is not None
        # A thread cannot be interrupted, but the task on its loop can.
        return await told(ctx.lease.call(_in_own, own, work, ctx), own.cancel)

    async def call(self, ctx: AppContext, func: Callable[..., T], *args: object) -> T:
        return await super().call(ctx, _call_in, _owns[ctx], func, *args)

    def step(self, ctx: AppContext, func: Callable[..., T], *args: object) -> T:
        """Call *func*, a step of the response's body, in the thread of WSGI middleware."""
        return _call_in(_owns[ctx], func, *args)

    def iterate(
        self, ctx: AppContext, iterable: Iterable[object]
    ) -> AsyncGenerator[Sequence[object], None]:
        return super().iterate(ctx, _stepped(_owns[ctx], iterable))


def _in_own(own: Own, work: Callable[[AppContext], Any], ctx: AppContext) -> Any:
    with own.here():
        response = wait_for_work(work, ctx)
        if not _step_plainly(own, response):
            own.end()
        return response


def _call_in(own: Own, func: Callable[..., T], *args: object) -> T:
    with own.here():
        return func(*args)


def _stepped(own: Own, iterable: Iterable[object]) -> Iterator[object]:
    """Yield the items of *iterable*; its code waits on the own loop."""
    try:
        iterator = _call_in(own, iter, iterable)
        while (chunk := _call_in(own, next, iterator, _END)) is not _END:
            yield chunk
    finally:
        close = getattr(iterable, "close", None)
        if close is not None:
            _call_in(own, close)
        _call_in(own, own.end)


def _step_plainly(own: Own, response: Any) -> bool:
    """Make an async body step on the loop that it began on; return whether any body is stepped."""
    body = getattr(response, "response", None)
    chunks = body.iterable if isinstance(body, IterableBody) else body
    if not hasattr(chunks, "__aiter__"):
        return hasattr(chunks, "__next__")
    plain = _plain_steps(own, chunks)
    response.response = type(body)(plain) if isinstance(body, IterableBody) else plain
    return True


def _plain_steps(own: Own, chunks: Any) -> Iterator[object]:
    iterator = aiter(chunks)
    try:
        while (chunk := own.run(anext(iterator, _END))) is not _END:
            yield chunk
    finally:
        for one in (iterator, chunks):
            if hasattr(one, "aclose"):
                own.run(one.aclose())


CHOICES[OwnLoop.name] = OwnLoop()
