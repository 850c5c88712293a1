"""What a client sends, received when it is asked for.

Nothing is received ahead, and no task is made, until a handler has waited for something else for
`WATCH_AFTER` seconds. From then on the client's leaving must be noticed, so a task receives ahead
and cancels the handler when the client is gone. `inbound_trio.py` does the same under Trio.

A server tells of that only after all that the client has sent before. So as long as the handler
takes what comes, `AHEAD` bytes at most are received ahead, and the client has to wait for it; but
for one that has taken nothing for `PATIENCE` seconds they go to a file, up to a limit.

A connection is in one of these states, and each attribute of `Inbound` belongs to one of them:

    idle       nothing has been waited for: how a short request begins, and most end
    armed      the handler has waited: `_handler`, `since`, and a timer in `_alarm`
    watching   `watcher` receives ahead into `_ahead`; who receives waits for `_changed`
    gone       the disconnect has come: `gone`, which is the answer to all that is asked from now on

It only moves down this list. In each of them somebody may be within `receive` (`receiving`). Two
must not receive at once, so if the timer goes off meanwhile, `late` says to watch as soon as that
has returned. What the server raised to the watcher is kept in `_failure` for whoever asks next.
The attributes have their defaults on the class, and are no enum, since each request has an
`Inbound`.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from contextvars import Context
from functools import cached_property
from typing import Any, cast, TypeVar

from werkzeug.exceptions import RequestEntityTooLarge

from .._loops.mailbox import in_trio, time_limit
from .._loops.resume import ENDED, resume, start_call
from .._loops.timer import alarm_of_loop
from .._loops.turns import Turns
from .._types import CoroutineOf, Message, Send
from .backlog import Backlog, IN_MEMORY
from .entry import Server

T = TypeVar("T")

#: What handles a connection, given what is to receive and what sends.
Serve = Callable[["Inbound", Send], CoroutineOf[None]]

WATCH_AFTER = 0.1
AHEAD = IN_MEMORY
PATIENCE = 1.0
#: How much is received ahead of a body without a limit; then the client has to wait after all.
UNLIMITED = 128 * 1024 * 1024
#: How much a websocket's client may send that nobody receives, before it is closed.
UNHEARD = 16 * 1024 * 1024
#: How much of a body that nobody wants is received after the answer, and for how many seconds.
LINGER, LINGER_SECONDS = 4 * 1024 * 1024, 3.0
# The time in which a server gives what it has already, where no more is wanted.
AT_ONCE = 0.005
# Seconds after which a loop that does nothing for another thread is taken to be held up.
HELD_UP = 5.0
_HELD_UP = """\
A thread that is none of this request's asks for its body, and the event loop on which that
arrives has not run for {seconds:g} seconds. Plain code holds it up; if that code waits for this
thread, neither can go on. Read the body before the thread is started, or let the view run in a
worker thread (SYNC_PLACE).
"""
_TOO_MUCH = "Messages that nobody receives."
#: RFC 6455, 7.4.1.
_POLICY = 1008
_DISCONNECTS = frozenset({"http.disconnect", "websocket.disconnect"})


def undisturbed(connection: Any) -> AbstractContextManager[None]:
    """Let what ends the handling of *connection* come to its own end, though the client leaves."""
    inbound = None if connection is None else connection._inbound
    return nullcontext() if inbound is None else inbound.undisturbed()


class Inbound(Server):
    """An ASGI ``receive`` that can look ahead for a disconnect."""

    #: Whether the server's `send` is as good as `to_server`, where its context does not matter.
    sends_as_it_is = True
    # Most connections never change these: an `Inbound` is made for every request.
    _changed: Any = None
    #: When the handler has asked for a message, as far as that is known.
    _asked = 0.0
    #: Whether the last message of the body has been received.
    complete = False
    #: Says how large the body may be; websockets have none.
    body_limit: Callable[[], int | None] | None = None
    #: What receives ahead, once something does; until then the server's `receive` may be asked.
    watcher: Any = None
    #: What is to call `_watch`, from when the handler first waits until then.
    _alarm: Any = None
    #: The task of the handler, once it has waited for something.
    _handler: Any = None
    #: When the handler first waited.
    since: float | None = None
    #: Whether it is to be watched as soon as nobody receives.
    late = False
    #: What the server raised when it was received from ahead; from then on only.
    _failure: Exception
    #: Whether somebody receives; None before anybody has.
    receiving: bool | None = None
    #: The disconnect message, once it came.
    gone: Message | None = None
    #: Whether the handler was cancelled because the client is gone.
    cancelled = False
    #: Whether a websocket has been closed from here.
    closed = False
    #: Whether what is received ahead is not to be kept.
    _forgets = False
    #: How much is being done that is to come to its end.
    _endings = 0

    @cached_property
    def _ahead(self) -> Backlog:
        return Backlog()

    async def receive(self) -> Message:
        """Return the next message; the disconnect again and again once it came."""
        if self.watcher is not None:
            return await self._receive_watched()
        if self.gone is not None:
            return self.gone
        self.receiving = True
        try:
            message: Message = await self.from_server()
        finally:
            self.receiving = False
            if self.late:
                self.watch_after_all()
        if message["type"] in _DISCONNECTS:
            self.left(message)
        elif not message.get("more_body", True):
            self.complete = True
        return message

    # What `receive` is made of: receiving message after message, you save its coroutine.

    def watch_after_all(self) -> None:
        """Watch for the disconnect, which was put off while somebody received."""
        self.late = False
        self._watch_later()

    def left(self, message: Message) -> None:
        """Note the disconnect that the caller has received."""
        self._leave(message, beside=self._is_beside())

    def _is_beside(self) -> bool:
        """Whether the caller is not the handler's own task, but one that it started."""
        return self._handler is not None and asyncio.current_task() is not self._handler

    def _leave(self, message: Message, beside: bool) -> None:
        """Note the disconnect; tell the handler, unless it is told by what it is asking for."""
        self.gone = message
        if beside:
            self._end_handler()

    def _end_handler(self) -> None:
        if self._endings:
            return
        if self._handler is not None and not self._handler.done():
            self.cancelled = True
            self._handler.cancel()

    @contextmanager
    def undisturbed(self) -> Iterator[None]:
        """Let what is done within come to its end, though the client leaves meanwhile."""
        self._endings += 1
        try:
            yield
        finally:
            self._endings -= 1

    async def _receive_watched(self) -> Message:
        while not self._ahead:
            if self.gone is not None:
                return self.gone
            if hasattr(self, "_failure"):
                raise self._failure
            self._changed.clear()
            # A handler that leaves it to a task of its own to receive is not told by that.
            self.receiving = not self._is_beside()
            try:
                await self._changed.wait()
            finally:
                self.receiving = False
        self._asked = time.monotonic()
        message = self._ahead.take()
        self._changed.set()
        return message

    # From other threads

    def from_thread(self, work: Callable[[], CoroutineOf[T]]) -> T:
        """Await *work* on the server's loop, for a thread that is none of this request's.

        Raises:
            RuntimeError: if plain code holds that loop up.
        """
        until = time.monotonic() + HELD_UP
        # Until the handler first waits, its loop runs nothing else anyway.
        while self._handler is None and time.monotonic() < until:
            time.sleep(0.001)
        runs = threading.Event()
        if self._handler is not None:
            self._call_soon(runs.set)
        if not runs.wait(max(until - time.monotonic(), 0)):
            raise RuntimeError(_HELD_UP.format(seconds=HELD_UP))
        return self._await_there(work)

    def _call_soon(self, func: Callable[[], None]) -> None:
        self._handler.get_loop().call_soon_threadsafe(func)

    def _await_there(self, work: Callable[[], CoroutineOf[T]]) -> T:
        failed: list[Exception] = []

        async def settled() -> T | None:
            try:
                return await work()
            except Exception as error:
                # A task that ends by ClientDisconnectedError says no more than that it ended early.
                failed.append(error)
                return None

        future = asyncio.run_coroutine_threadsafe(settled(), self._handler.get_loop())
        result = future.result()
        if failed:
            raise failed[0]
        return cast(T, result)

    # Watching

    def _watch_later(self) -> None:
        if self._alarm is None and self.watcher is None and self.gone is None:
            self._alarm = alarm_of_loop()
            self._alarm.add(self._watch, WATCH_AFTER)

    def _watch(self) -> None:
        self._alarm = None
        if self.receiving:
            # The receiver learns of the disconnect; look again when that has ended.
            self.late = True
        else:
            self._begin_to_watch(asyncio.Event())
            self.watcher = asyncio.get_running_loop().create_task(self._run_until_cancelled())

    def _begin_to_watch(self, changed: Any) -> None:
        self._changed = changed
        if self.receiving is not None:
            self._asked = time.monotonic()

    async def _run_until_cancelled(self) -> None:
        # An error that a task keeps has frames, in which is what the server gave to wait for. That
        # may know this task: Granian's does, and the garbage collector does not see it.
        with suppress(asyncio.CancelledError):
            await self._run_ahead()

    async def _run_ahead(self) -> None:
        turns = Turns()
        while True:
            if turns.due():
                await turns.give()
            keeps = not self._forgets and (self._ahead.size < AHEAD or await self._room())
            try:
                message: Message = await self.from_server()
            except Exception as error:
                # So that the next call for a message sees it.
                self._failure = error
                self._changed.set()
                return
            if message["type"] in _DISCONNECTS:
                break
            if not message.get("more_body", True):
                self.complete = True
            if keeps:
                self._ahead.put(message)
                self._changed.set()
        # A handler that is asking for the next message is told by that.
        if self.gone is None:
            self._leave(message, beside=not self.receiving)
        self._changed.set()

    async def _room(self) -> bool:
        """Wait until something may be received; say whether it is to be kept."""
        while self._ahead.size >= AHEAD:
            idle = time.monotonic() - self._asked
            if idle >= PATIENCE:
                if self.body_limit is None:
                    return self._ahead.size < UNHEARD or await self._close_websocket()
                limit = self.body_limit()
                if limit is not None and self._ahead.length > limit:
                    # It cannot be read any more, so there is no use in keeping it.
                    self._failure = RequestEntityTooLarge()
                    return self._forget()
                if limit is not None or self._ahead.size < UNLIMITED:
                    return True
            self._changed.clear()
            with suppress(TimeoutError):
                async with nullcontext() if idle >= PATIENCE else time_limit(PATIENCE - idle):
                    await self._changed.wait()
        return True

    def _forget(self) -> bool:
        self._forgets = True
        self._ahead.close()
        self._changed.set()
        return False

    async def _close_websocket(self) -> bool:
        """Close a websocket whose client sends too much that nobody receives."""
        await self.to_server({"type": "websocket.close", "code": _POLICY, "reason": _TOO_MUCH})
        self.closed = True
        message = {"type": "websocket.disconnect", "code": _POLICY, "reason": _TOO_MUCH}
        self._leave(message, beside=not self.receiving)
        return self._forget()

    # The end

    async def linger(self) -> None:
        """Receive what is still to come of the body, and forget it: within limits.

        A server may have no other way to the next request of the connection, or to its end.
        """
        size, turns = 0, Turns()
        with suppress(TimeoutError, RequestEntityTooLarge), self.undisturbed():
            async with time_limit(LINGER_SECONDS):
                while not self.complete and self.gone is None and size < LINGER:
                    if turns.due():
                        await turns.give()
                    size += len((await self.receive()).get("body") or b"")

    async def let_go(self) -> None:
        """Forget what is here, so that the server does not wait for anybody to receive it."""
        with suppress(TimeoutError, OSError), self.undisturbed():
            async with time_limit(AT_ONCE):
                while self.gone is None:
                    message: Message = await self.from_server()
                    if message["type"] in _DISCONNECTS:
                        self.gone = message

    def watched(
        self, serve: Serve, send: Send, context: Context | None = None
    ) -> CoroutineOf[None] | None:
        """Await what *serve* gives; cancel it if the client leaves while it waits for another.

        It is awaited in *context*, if that is given. Returns None if it has ended, or what there
        is to wait for.
        """
        # Stepped by hand, so that watching costs nothing if it never suspends.
        if context is None:
            work, future = start_call(serve, self, send)
        else:
            work, future = context.run(start_call, serve, self, send)
        if future is ENDED:
            return None
        # Not the future: it would be kept for as long as a websocket is idle.
        return self._watched(resume(work, future, None if context is None else context.run))

    async def _watched(self, steps: Awaitable[None]) -> None:
        try:
            self._handler = asyncio.current_task()
            self.since = time.monotonic()
            self._watch_later()
            await steps
        except asyncio.CancelledError:
            task = self._handler
            if not (self.cancelled and task is not None and task.cancelling() == 1):
                raise
        finally:
            # The task is the server's, which may go on with it.
            if self.cancelled and self._handler is not None:
                self._handler.uncancel()
            if self._alarm is not None:
                self._alarm.remove(self._watch)
                self._alarm = None
            if self.watcher is not None:
                self.watcher.cancel()
                await asyncio.wait([self.watcher])
            self._end_watching()

    def _end_watching(self) -> None:
        if self.watcher is not None:
            self.watcher = None
            self._ahead.close()


def inbound_class() -> type[Inbound]:
    """Return the class for the library whose event loop runs here, asyncio or Trio."""
    if "trio" not in sys.modules or not in_trio():
        return Inbound
    from .inbound_trio import TrioInbound

    return TrioInbound
