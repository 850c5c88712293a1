"""An event loop in a thread of the layer's own, for callers that cannot run one in theirs.

The caller waits meanwhile, and does what the other thread asks it to: what came with a WSGI call,
its body above all, is read where the server has made the call.
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
from typing import Any, TypeVar

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
    """Do *work* in a task of *loop*, which runs here; *future* is given what comes of it."""
    task = loop.create_task(work, context=context)
    task.add_done_callback(partial(_hand_on, future))
    future.add_done_callback(partial(_end, loop, task))


def _hand_on(future: Future[Any], task: asyncio.Task[Any]) -> None:
    if not future.set_running_or_notify_cancel():
        if not task.cancelled():
            task.exception()  # Nobody is left to see it.
        return
    complete(future, task.result)


def _end(loop: asyncio.AbstractEventLoop, task: asyncio.Task[Any], future: Future[Any]) -> None:
    if future.cancelled():
        # A loop that has been closed has no tasks.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(task.cancel)


def complete(future: Future[T], func: Callable[[], T]) -> None:
    """Let *future* give what *func* does."""
    try:
        result = func()
    except BaseException as error:
        future.set_exception(error)
    else:
        future.set_result(result)


def bring_back(context: Context) -> None:
    """Give the caller's variables the values that they have in *context*, once a copy."""
    for variable, value in context.items():
        if variable is not _caller and variable.get(_MISSING) is not value:
            variable.set(value)


class Caller:
    """One that waits for what runs on another thread's loop."""

    def __init__(self) -> None:
        self._signal = green.make_signal()
        self._jobs: deque[Callable[[], None]] = deque()

    def wait_for(self, future: Future[T]) -> T:
        """Return what *future* gives; do meanwhile what `do` is given."""
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
        """Have the caller call *func*."""
        future: Future[T] = Future()
        self._jobs.append(partial(complete, future, func))
        self._signal.give()
        return await asyncio.wrap_future(future)


#: The caller that waits for the code that runs on a loop of this module.
_caller: ContextVar[Caller | None] = ContextVar("quart_flask_patch.caller", default=None)


async def by_caller(func: Callable[[], T]) -> T:
    """Call *func* in the thread that waits for this code, if that is another one."""
    caller = _caller.get()
    if caller is None or asyncio._get_running_loop() not in _loops:
        return func()
    return await caller.do(func)


class Apart:
    """A thread that runs an event loop, for whoever waits."""

    def __init__(self) -> None:
        self._loop: Future[asyncio.AbstractEventLoop] = Future()
        green.start_thread(self._serve, "quart-flask-patch-loop")

    def _serve(self) -> None:
        loop = asyncio.new_event_loop()
        _loops.append(loop)
        self._loop.set_result(loop)
        while True:
            # What an application may raise: the caller sees it, and others are still served.
            with suppress(KeyboardInterrupt, SystemExit):
                loop.run_forever()

    def runs(self, loop: asyncio.AbstractEventLoop | None) -> bool:
        return loop is not None and self._loop.done() and self._loop.result() is loop

    def run(self, awaitable: Awaitable[T]) -> T:
        """Run *awaitable* to its end there; the caller sees the variables that it sets."""
        loop = Caller().wait_for(self._loop)
        caller, context, future = Caller(), copy_context(), Future[T]()
        context.run(_caller.set, caller)
        loop.call_soon_threadsafe(begin, loop, await_bridged(awaitable), context, future)
        try:
            return caller.wait_for(future)
        finally:
            bring_back(context)


class Mailbox:
    """Where a worker thread leaves messages for a caller that blocks."""

    cancelled: BaseException | None = None
    _signal: green.Signal | None = None

    def __init__(self) -> None:
        self._messages: deque[object] = deque()

    def put(self, message: object) -> None:
        # The caller looks for messages after it has made its signal, so one of the two sees.
        self._messages.append(message)
        if (signal := self._signal) is not None:
            signal.give()

    def take(self) -> object:
        return self._messages.popleft() if self._messages else None

    async def get(self, *, interruptible: bool = False) -> object:
        """Block until there is a message; never suspend."""
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


#: One is enough, but for what one of them itself has to wait for.
_aparts: list[Apart] = []
_loops: list[asyncio.AbstractEventLoop] = []
_making = threading.Lock()


def current() -> Apart:
    """Return the one to use here, which is not the one whose loop runs here."""
    running = asyncio._get_running_loop()
    with _making:
        position = next((n + 1 for n, apart in enumerate(_aparts) if apart.runs(running)), 0)
        if position == len(_aparts):
            _aparts.append(Apart())
        return _aparts[position]


@in_child
def _forget() -> None:
    global _making
    _making = threading.Lock()
    _aparts.clear()
    while _loops:
        abandon(_loops.pop())
