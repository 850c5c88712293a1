"""Step coroutines by hand, with the one driver for that.

A step runs a coroutine until it yields what it waits for, which is a future under asyncio. `start`
and `start_call` take the first step, wherever they are called. `resume` goes on from there and
yields each future to its caller, so to the event loop its task has simply awaited. Use `stepped`
for code that must surround each step, and `told` for code that must know of a cancellation first.

Three places step by themselves. `_threads/bridge.py` steps greenlets: there a future is not yielded
but switched up, which no generator can do. And `_connection/isolation.py` steps the server's
`receive`, and takes the first step of its `send`, while another context is the current one; so does
`_connection/outbound.py` for the pieces of a stream.
"""

from __future__ import annotations

import types
from collections.abc import Awaitable, Callable
from contextvars import Context
from typing import Any, cast, Generic, TypeVar

from .._types import CoroutineOf, Stepping

T = TypeVar("T")
#: Takes a step function and the value to send, and runs the step; in another context, say.
Through = Callable[[Callable[[object], object], object], object]


class Suspended(Generic[T]):
    """An awaitable that has begun and waits for `future`; await this to go on with it."""

    __slots__ = ("_steps", "awaited", "future")

    def __init__(self, awaited: Awaitable[T], steps: Any, future: Any) -> None:
        #: The awaitable that the steps belong to.
        self.awaited = awaited
        self._steps = steps
        self.future = future

    def __await__(self) -> Stepping[T]:
        # `resume` is itself awaitable, and `__await__` must return an iterator.
        return cast(T, (yield from cast(Any, resume(self._steps, self.future))))

    def close(self) -> None:
        """Close it at the point where it waits."""
        if hasattr(self._steps, "close"):
            self._steps.close()


def start(awaitable: Awaitable[T]) -> T | Suspended[T]:
    """Take the first step: return the result of *awaitable*, or a `Suspended` if it has to wait.

    The step itself needs no event loop.
    """
    steps = awaitable.__await__()
    try:
        future = next(steps)
    except StopIteration as stop:
        result: T = stop.value
        return result
    return Suspended(awaitable, steps, future)


#: Stands for a future when there is nothing to wait for any more.
ENDED: Any = object()


def start_call(call: Callable[..., Awaitable[None]], *args: object) -> tuple[Any, Any]:
    """Call *call* and take the first step; return the steps and the future that they wait for.

    The future is `ENDED` if they have ended. Unlike in `start` no exception says so: one that
    passes through frames costs as much as a small handler.
    """
    work: Any = call(*args)
    steps = work.__await__()
    future = next(steps, ENDED)
    # `_watching/chain.py` can look into a coroutine, but not into other awaitables.
    return work if type(work) is types.CoroutineType else steps, future


async def run_in(context: Context, call: Callable[..., Awaitable[None]], *args: object) -> None:
    """Call *call* and await its result, all in *context*."""
    steps, future = context.run(start_call, call, *args)
    if future is not ENDED:
        await resume(steps, future, context.run)


@types.coroutine
def stepped(work: CoroutineOf[T], through: Through) -> Stepping[T]:
    """Await *work*; *through* runs each step, with the value or the error that is sent into it."""
    try:
        future = through(work.send, None)
    except StopIteration as stop:
        return cast(T, stop.value)
    return cast(T, (yield from cast(Any, resume(work, future, through))))


def told(work: CoroutineOf[T], of_raising: Callable[[], None]) -> Awaitable[T]:
    """Await *work*; if something such as a cancellation is raised into it, call *of_raising* first.

    Use it for work that is partly in a thread: you cannot interrupt that, but you can tell it.
    """

    def through(step: Callable[[object], object], value: object) -> object:
        if isinstance(value, BaseException):
            of_raising()
        return step(value)

    return stepped(work, through)


#: The type of what functions of `types.coroutine` return, where another result needs no waiting.
WAITS: type[Awaitable[Any]] = types.GeneratorType  # type: ignore[assignment]  # it is awaitable


@types.coroutine
def resume(steps: Any, future: Any, through: Through | None = None) -> Stepping[Any]:
    """Go on with *steps*, which have yielded *future*; *through*, if given, runs each step."""
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
                    future = None  # Do not keep it until the end.
                    # Do the same as below, without Python code for each step.
                    return (yield from steps)
                else:
                    future = send(reply)
    except StopIteration as stop:
        return stop.value


def _from(iterator: Any) -> Stepping[Any]:
    """Go on with a plain iterator: an awaitable of an extension module need not be more."""
    return (yield from iterator)
