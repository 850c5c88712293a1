"""Coroutines that are stepped by hand: the only driver there is.

A coroutine is stepped until it yields what it waits for, which is a future to asyncio. `start` and
`start_call` take the first step, wherever they are called. `resume` goes on from there, and yields
each future to whoever awaits it, so to the event loop its task has simply awaited. Code that has to
be around each step, or to know of a cancellation first, is handed to `stepped` or `told`.

Greenlets are stepped in `_threads/bridge.py`: there a future is not yielded but switched up, which
no generator can do. And `_connection/entry.py` takes the first step of the server's `receive` and
`send` itself, as another context is the current one for exactly as long.
"""

from __future__ import annotations

import types
from collections.abc import Awaitable, Callable
from contextvars import Context
from typing import Any, cast, Generic, TypeVar

from .._types import CoroutineOf, Stepping

T = TypeVar("T")
#: Takes a step with a value: in a certain context, for one.
Through = Callable[[Callable[[Any], Any], Any], Any]


class Suspended(Generic[T]):
    """What has begun, and waits for `future`; await this to go on with it."""

    __slots__ = ("_steps", "awaited", "future")

    def __init__(self, awaited: Awaitable[T], steps: Any, future: Any) -> None:
        #: What its steps are those of.
        self.awaited = awaited
        self._steps = steps
        self.future = future

    def __await__(self) -> Stepping[T]:
        # What `resume` gives may be awaited, so it may not be what `__await__` returns.
        return cast(T, (yield from cast(Any, resume(self._steps, self.future))))

    def close(self) -> None:
        """End it where it waits."""
        if hasattr(self._steps, "close"):
            self._steps.close()


def start(awaitable: Awaitable[T]) -> T | Suspended[T]:
    """Return what *awaitable* gives, or what there is to wait for if its first step stops there.

    No event loop is needed for the step itself.
    """
    steps = awaitable.__await__()
    try:
        future = next(steps)
    except StopIteration as stop:
        return cast(T, stop.value)
    return Suspended(awaitable, steps, future)


#: In place of a future: there is nothing to wait for any more.
ENDED: Any = object()


def start_call(call: Callable[..., Awaitable[None]], *args: Any) -> tuple[Any, Any]:
    """Return the steps of what *call* gives, which have begun, and the future that they wait for.

    That is `ENDED` if they have come to their end. No exception says so, unlike in `start`: one
    that passes through frames costs as much as a small handler.
    """
    work: Any = call(*args)
    steps = work.__await__()
    future = next(steps, ENDED)
    # A report of what is under way can look into a coroutine, and into nothing else.
    return work if type(work) is types.CoroutineType else steps, future


async def run_in(context: Context, call: Callable[..., Awaitable[None]], *args: Any) -> None:
    """Await what *call* gives, all of it in *context*."""
    steps, future = context.run(start_call, call, *args)
    if future is not ENDED:
        await resume(steps, future, context.run)


@types.coroutine
def stepped(work: CoroutineOf[T], through: Through) -> Stepping[T]:
    """Await *work*; *through* takes each step, with what is sent or raised into it."""
    try:
        future = through(work.send, None)
    except StopIteration as stop:
        return cast(T, stop.value)
    return cast(T, (yield from cast(Any, resume(work, future, through))))


def told(work: CoroutineOf[T], of_raising: Callable[[], None]) -> Awaitable[T]:
    """Await *work*; call *of_raising* first where something is raised into it: a cancellation.

    For what has part of its work in a thread, which cannot be interrupted but can be told.
    """

    def through(step: Callable[[Any], Any], value: Any) -> Any:
        if isinstance(value, BaseException):
            of_raising()
        return step(value)

    return stepped(work, through)


@types.coroutine
def resume(steps: Any, future: Any, through: Through | None = None) -> Stepping[Any]:
    """Go on with *steps*, which have yielded *future*; *through* takes each step, if given."""
    if not hasattr(steps, "throw"):
        steps = _from(steps)
    send, throw = steps.send, steps.throw
    try:
        while True:
            try:
                reply = yield future
            except BaseException as error:
                future = throw(error) if through is None else through(throw, error)
            else:
                if through is not None:
                    future = through(send, reply)
                elif reply is None:
                    future = None  # Or it would be kept until the end.
                    # The same, without a Python step for each step.
                    return (yield from steps)
                else:
                    future = send(reply)
    except StopIteration as stop:
        return stop.value


def _from(iterator: Any) -> Stepping[Any]:
    """Go on with what can only be iterated: what an extension module made need be no more."""
    return (yield from iterator)
