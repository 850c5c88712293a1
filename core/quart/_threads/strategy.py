"""The one seam between the core and the layer: where a connection's work runs.

The core runs work on the event loop and sends plain functions to the request's worker thread.
Another package may `install` a strategy of its own; nothing else in the core needs to know.
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterable, Sequence
from functools import partial, wraps
from typing import Any, TYPE_CHECKING, TypeVar

from .._loops.raised import raise_again
from .._loops.resume import start, Suspended
from .._types import CoroutineOf, Function, Result, Take
from . import bridge, lease, stream

if TYPE_CHECKING:
    from blinker import Signal

    from ..app import Quart
    from ..ctx import AppContext

T = TypeVar("T")

_END = object()


def is_async(func: Function) -> bool:
    """Whether *func* is an async function, beneath its decorators and partials."""
    while True:
        func = inspect.unwrap(func)
        if inspect.iscoroutinefunction(func) or inspect.isasyncgenfunction(func):
            return True
        if inspect.ismethod(func):
            func = func.__func__
        elif isinstance(func, partial):
            func = func.func
        else:
            return inspect.iscoroutinefunction(type(func).__dict__.get("__call__"))


class Place:
    """Where a connection's work runs: on the event loop, with plain functions in a thread."""

    name = "loop"
    #: Whether a connection's work begins with the first step of what `enter` returns.
    begins_at_once = True

    @property
    def lasting(self) -> Place:
        """The place for a websocket, if this is the place for requests with the same view."""
        return self

    def adapt(self, func: Function) -> Function:
        """Return *func* as the pipeline calls it in this place; its result may be awaitable."""
        if is_async(func):
            return func

        @wraps(func)
        async def in_thread(*args: object, **kwargs: object) -> Result:
            result = await lease.call(func, *args, **kwargs)
            # A plain function may return an async function's coroutine.
            return await result if hasattr(result, "__await__") else result

        return in_thread

    def adapt_after(self, app: Quart, func: Function) -> Function:
        """Do the same for a function that takes a response and returns one."""
        return self.adapt(func)

    def resolve(self, awaitable: Awaitable[T]) -> Awaitable[T]:
        """Return an awaitable for what a function has returned, awaited as this place does."""
        return awaitable

    def enter(self, ctx: AppContext, work: Callable[[AppContext], CoroutineOf[T]]) -> Awaitable[T]:
        """Do all of a connection's *work* in this place, from its hooks to its teardown."""
        return work(ctx)

    async def run(self, ctx: AppContext, override: Function, *args: object) -> Result:
        """Call an application's plain override of a stage; this may come before `enter`."""
        return override(*args)

    async def call(self, ctx: AppContext, func: Callable[..., T], *args: object) -> T:
        """Call a plain function of *ctx* after `enter` has returned, as streaming does."""
        if ctx.lease is not None:
            return await ctx.lease.call(func, *args)
        return await lease.call(func, *args)

    def hand_on(
        self,
        ctx: AppContext,
        iterable: Iterable[object],
        take: Take,
    ) -> Awaitable[None] | None:
        """Call *take* for each piece of the iterable that a view has returned, then close it.

        If a call returns an awaitable, it is awaited before the next step.

        Returns None if this place steps by `iterate` instead.
        """
        return None

    def iterate(
        self, ctx: AppContext, iterable: Iterable[object]
    ) -> AsyncGenerator[Sequence[Any], None]:
        """Iterate over the plain iterable that a view has returned; yield pieces that are there."""
        if ctx.lease is not None and not ctx.borrows:
            return stream.iterate(ctx.lease, iterable)
        # The thread belongs to another request, so it must not run ahead.
        return self.step_through(ctx, iterable)

    async def step_through(
        self, ctx: AppContext, iterable: Iterable[object]
    ) -> AsyncGenerator[Sequence[Any], None]:
        """Iterate with one call for each step."""
        iterator = await self.call(ctx, iter, iterable)
        try:
            while (chunk := await self.call(ctx, next, iterator, _END)) is not _END:
                yield (chunk,)
        finally:
            if (close := stream.closing(iterator, iterable)) is not None:
                await self.call(ctx, close)


class Inline(Place):
    """For contexts that sync code opens: run here and now, and wait for async functions."""

    name = "inline"

    def adapt(self, func: Function) -> Function:
        return func

    async def resolve(self, awaitable: Awaitable[T]) -> T:
        return current().wait(awaitable)


class Strategy:
    """The default, as in Quart: async code runs on the loop, plain code in a thread."""

    #: The place for contexts that sync code opens with `with`.
    inline: Place = Inline()
    _on_loop: Place = Place()

    def __init__(self) -> None:
        #: Called when a context becomes the current one; `popped` gets what this returns.
        self.pushed: Callable[[AppContext], object] | None = None
        #: Called when a context is no longer the current one.
        self.popped: Callable[[AppContext, Any], None] | None = None

    def place_for(self, app: Quart, view: Function | None, default: str | None) -> Place:
        """Choose the place of a connection by its *view*, which is None if no rule matches the URL.

        *default* is the place that the context asks for, if any.
        """
        return self._on_loop

    def signal_for(self, app: Quart, signal: Signal) -> Signal:
        """Return the signal that *app* sends in the place of *signal*, one of `quart.signals`."""
        return signal

    def wait(self, awaitable: Awaitable[T]) -> T:
        """Let sync code wait for *awaitable*.

        Raises:
            RuntimeError: on a thread whose event loop is running, which this would block.
        """
        return bridge.wait(awaitable, wait_on_new_loop)

    def call_for_caller(
        self, method: Function, app: Quart, *args: object, **kwargs: object
    ) -> Result:
        """Call an async *method* of an application for a caller that may be plain code."""
        return method(app, *args, **kwargs)


def wait_for(result: Result) -> Result:
    """Return *result*, or the result of awaiting it; this waits only if it suspends."""
    if not hasattr(result, "__await__"):
        return result
    try:
        result = start(result)
    except RuntimeError as error:
        raise_again(error)
        raise
    return current().wait(result) if type(result) is Suspended else result


def wait_on_new_loop(awaitable: Awaitable[T]) -> T:
    """Run *awaitable* on a new event loop, in a thread without a running loop."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(_as_coroutine(awaitable))
    lease.discard(awaitable)
    raise RuntimeError(
        "Expected a thread for sync code to wait in, got one whose event loop is running."
        " Use `await`, or `async with` instead of `with`."
    )


async def _as_coroutine(awaitable: Awaitable[T]) -> T:
    return await awaitable


#: The strategy of this process. Read it as `strategy.installed`, as `install` assigns it anew.
installed = Strategy()


def current() -> Strategy:
    return installed


def install(strategy: Strategy) -> None:
    """Make *strategy* this process's strategy, for applications that have not served yet."""
    global installed
    installed = strategy
