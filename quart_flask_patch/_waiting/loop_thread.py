"""Run an event loop in a thread of the layer's, for callers that cannot run one in theirs.

The caller waits meanwhile, and does what the other thread asks it to do. The body of a WSGI call,
for one, must be read in the thread where the server has made the call.
"""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from contextlib import suppress
from contextvars import Context, ContextVar, copy_context
from functools import partial
from typing import TypeVar

from quart._loops.forks import abandon, in_child
from quart._threads.bridge import await_bridged
from quart._types import CoroutineOf

from . import green

T = TypeVar("T")

_MISSING = object()


def begin(
    loop: asyncio.AbstractEventLoop,
    work: CoroutineOf[T],
    context: Context,
    future: Future[T],
) -> None:
    """Start a task of *loop*, which runs in this thread, for *work*; *future* gets its result."""
    task = loop.create_task(work, context=context)
    task.add_done_callback(partial(_hand_on, future))
    future.add_done_callback(partial(_end, loop, task))


def _hand_on(future: Future[T], task: asyncio.Task[T]) -> None:
    if not future.set_running_or_notify_cancel():
        if not task.cancelled():
            task.exception()  # Mark it as seen, as nobody waits for it any more.
        return
    complete(future, task.result)


def _end(loop: asyncio.AbstractEventLoop, task: asyncio.Task[T], future: Future[T]) -> None:
    if future.cancelled():
        # The loop may have been closed, and its tasks with it.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(task.cancel)


def complete(future: Future[T], func: Callable[[], T]) -> None:
    """Call *func*, and give its result or its exception to *future*."""
    try:
        result = func()
    except BaseException as error:
        future.set_exception(error)
    else:
        future.set_result(result)


def bring_back(context: Context) -> None:
    """Set the caller's context variables to their values in *context*, a copy made earlier."""
    for variable, value in context.items():
        if variable is not _caller and variable.get(_MISSING) is not value:
            variable.set(value)


class Caller:
    """A thread or greenlet that waits for work on another thread's loop."""

    def __init__(self) -> None:
        self._signal = green.make_signal()
        self._jobs: deque[Callable[[], None]] = deque()

    def wait_for(self, future: Future[T]) -> T:
        """Return the result of *future*; meanwhile call the functions given to `do`."""
        future.add_done_callback(lambda future: self._signal.give())
        try:
            while not future.done():
                self._signal.wait()
                while self._jobs:
                    self._jobs.popleft()()
            return future.result()
        except BaseException:
            future.cancel()
            raise
        finally:
            self._signal.put_away()

    async def do(self, func: Callable[[], T]) -> T:
        """Have the waiting thread call *func*, and return the result."""
        future: Future[T] = Future()
        self._jobs.append(partial(complete, future, func))
        self._signal.give()
        return await asyncio.wrap_future(future)


#: The caller that waits for the code that runs here, on a loop of this module.
_caller: ContextVar[Caller | None] = ContextVar("quart_flask_patch.caller", default=None)


async def by_caller(func: Callable[[], T]) -> T:
    """Call *func* in the thread that waits for this code, or here if none does."""
    caller = _caller.get()
    if caller is None or asyncio._get_running_loop() not in _loops:
        return func()
    return await caller.do(func)


class LoopThread:
    """A thread that runs an event loop for others."""

    def __init__(self) -> None:
        self._loop: Future[asyncio.AbstractEventLoop] = Future()
        green.start_thread(self._serve, "quart-flask-patch-loop")

    def _serve(self) -> None:
        loop = asyncio.new_event_loop()
        _loops.append(loop)
        self._loop.set_result(loop)
        while True:
            # An application may raise these. The caller gets them; keep serving the others.
            with suppress(KeyboardInterrupt, SystemExit):
                loop.run_forever()

    def runs(self, loop: asyncio.AbstractEventLoop | None) -> bool:
        return loop is not None and self._loop.done() and self._loop.result() is loop

    def run(self, awaitable: Awaitable[T]) -> T:
        """Run *awaitable* to its end on that loop; the caller sees the variables that it sets."""
        loop = Caller().wait_for(self._loop)
        caller, context, future = Caller(), copy_context(), Future[T]()
        context.run(_caller.set, caller)
        loop.call_soon_threadsafe(begin, loop, await_bridged(awaitable), context, future)
        try:
            return caller.wait_for(future)
        finally:
            bring_back(context)


class Mailbox:
    """Messages from a worker thread to a caller that blocks, with the core mailbox's interface."""

    cancelled: BaseException | None = None
    _signal: green.Signal | None = None

    def __init__(self) -> None:
        self._messages: deque[object] = deque()

    def put(self, message: object) -> None:
        # `_wait` makes its signal before it looks for messages. So either it finds this message, or
        # we find its signal.
        self._messages.append(message)
        if (signal := self._signal) is not None:
            signal.give()

    def take(self) -> object:
        return self._messages.popleft() if self._messages else None

    async def get(self, *, interruptible: bool = False) -> object:
        """Block until there is a message; this never suspends."""
        while not self._messages:
            self._wait(interruptible)
        return self._messages.popleft()

    def _wait(self, interruptible: bool) -> None:
        signal = self._signal = green.make_signal()
        try:
            if not self._messages:
                signal.wait()
        except BaseException as error:
            if interruptible:
                raise
            self.cancelled = error
        finally:
            self._signal = None
            signal.put_away()


#: One thread is enough, unless code on its loop has to wait in turn; then that uses the next.
_threads: list[LoopThread] = []
_loops: list[asyncio.AbstractEventLoop] = []
_making = threading.Lock()


def current() -> LoopThread:
    """Return the first of them that is free for this thread: not the one whose loop runs here."""
    running = asyncio._get_running_loop()
    with _making:
        position = next((n + 1 for n, each in enumerate(_threads) if each.runs(running)), 0)
        if position == len(_threads):
            _threads.append(LoopThread())
        return _threads[position]


@in_child
def _forget() -> None:
    global _making
    _making = threading.Lock()
    _threads.clear()
    while _loops:
        abandon(_loops.pop())
