"""Receive what a client sends, when the handler asks for it, and notice when the client leaves.

At first nothing is received ahead, and no task is made; most requests end that way. Once a handler
has waited for something else for `WATCH_AFTER` seconds, a task receives ahead (under Trio that of
`inbound_trio.py`), so that the client's leaving is noticed: then it cancels the handler.

A server reports a disconnect only after all that the client has sent before it, so the task must
take that off the server and keep it. As long as the handler reads, at most `AHEAD` bytes are kept;
then the client has to wait. If the handler has read nothing for `PATIENCE` seconds, more is kept,
in a file and up to a limit, so that the disconnect can still be seen.

A connection is in one of four states, and each attribute of `Inbound` belongs to one of them:

    idle       The handler has not waited for anything. Most short requests begin and end here.
    armed      The handler has waited: see `_handler`, `since`, and the timer in `_alarm`.
    watching   `watcher` receives ahead into `_ahead`; `receive` waits for `_changed`.
    gone       The disconnect has come: `gone` is the answer to each further `receive`.

It only moves down this list. In any state somebody may be inside `receive` (`receiving`). Two must
not receive at once. So if the timer fires meanwhile, `late` says to start watching as soon as that
`receive` has returned. The next `receive` raises what the server has raised to the watcher
(`_failure`). For a websocket that has received since the timer was set, it is set once more: then
the next `receive` will most likely see the disconnect, without a task that takes each message.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from contextvars import Context
from functools import cached_property
from typing import Any, cast, TypeVar

from werkzeug.exceptions import RequestEntityTooLarge

from .._loops.mailbox import time_limit
from .._loops.resume import ENDED, resume, start_call
from .._loops.timer import alarm_of_loop
from .._loops.turns import Turns
from .._types import CoroutineOf, Message, Send
from .backlog import Backlog, IN_MEMORY
from .early import DISCONNECTS, Early, ends_body

T = TypeVar("T")

#: Handles a connection, given its `Inbound` and the server's `send`.
Serve = Callable[["Inbound", Send], CoroutineOf[None]]

WATCH_AFTER = 0.1
AHEAD = IN_MEMORY
PATIENCE = 1.0
#: How many bytes of a body without a limit are received ahead; then the client has to wait.
UNLIMITED = 128 * 1024 * 1024
#: How many bytes a websocket's client may send that nobody reads, before it is closed.
UNHEARD = 16 * 1024 * 1024
#: How many bytes of an unread body are received after the answer, and for how many seconds.
LINGER, LINGER_SECONDS = 4 * 1024 * 1024, 3.0
# Seconds in which a server delivers what it has received already, when no more is wanted.
AT_ONCE = 0.005
# Seconds after which a loop that does not answer another thread counts as held up.
HELD_UP = 5.0
_HELD_UP = """\
A thread that is none of this request's asks for its body, and the event loop on which that arrives
has not run for {seconds:g} seconds. Plain code holds it up; if that waits for this thread, neither
can go on. Read the body before the thread starts, or let the view run in a thread (SYNC_PLACE).
"""
#: RFC 6455, 7.4.1: a violation of a policy.
_TOO_MUCH = {"code": 1008, "reason": "Messages that nobody receives."}


def undisturbed(connection: Any) -> AbstractContextManager[None]:
    """In this block, do not cancel the end of *connection*'s handling if the client leaves."""
    inbound = None if connection is None else connection._inbound
    return nullcontext() if inbound is None else inbound.undisturbed()


class Inbound(Early):
    """An ASGI ``receive`` that can look ahead for a disconnect."""

    #: Whether to call `send` in place of `to_server` where the server's context does not matter.
    sends_as_it_is = True
    # On the class, as most connections never change these, and each request has an `Inbound`.
    _changed: Any = None
    #: When the handler last asked for a message, by `time.monotonic`, as far as is known.
    _asked = 0.0
    #: Returns how many bytes the body may have; None for websockets.
    body_limit: Callable[[], int | None] | None = None
    #: The task that receives ahead, once there is one. Until then, call the server's `receive`.
    watcher: Any = None
    #: The timer that will call `_watch`, set when the handler first waits.
    _alarm: Any = None
    #: The task of the handler, once it has waited for something.
    _handler: Any = None
    #: When the handler first waited, by `time.monotonic`.
    since: float | None = None
    #: Whether to start watching as soon as nobody is inside `receive`.
    late = False
    #: The error that the server raised to the watcher; there is no such attribute before that.
    _failure: Exception
    #: Whether somebody is inside `receive`; None before the first call since the timer was set.
    receiving: bool | None = None
    #: The disconnect message, once it came.
    gone: Message | None = None
    #: Whether the handler was cancelled because the client is gone.
    cancelled = False
    #: Whether this object has closed the websocket.
    closed = False
    #: Whether to drop what is received ahead.
    _forgets = False
    #: How many `undisturbed` blocks are active.
    _endings = 0

    @cached_property
    def _ahead(self) -> Backlog:
        return Backlog()

    async def receive(self) -> Message:
        """Return the next message; once the disconnect came, each call returns it."""
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
        if message["type"] in DISCONNECTS:
            self.left(message)
        elif ends_body(message):
            self.complete = True
        return message

    def begin_websocket(self) -> None:
        """Forget that the handshake was received, and let the handler take messages `at_once`."""
        # Set what it asks for at each. Cost: "attribute" in docs/performance.md.
        self.receiving, self.late, self.direct = None, False, self._context is not False

    def watch_after_all(self) -> None:
        """Start watching for the disconnect, which was put off while somebody received."""
        self.late = False
        self._watch_later()

    def left(self, message: Message) -> None:
        """Note the disconnect that the caller has received."""
        self._leave(message, beside=self._is_beside())

    def _is_beside(self) -> bool:
        """Whether the caller is not the handler's own task, but another one that it started."""
        return self._handler is not None and asyncio.current_task() is not self._handler

    def _leave(self, message: Message, beside: bool) -> None:
        """Note the disconnect; if the handler itself is not receiving (*beside*), cancel it."""
        self.gone, self.direct = message, False
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
        """Do not cancel the handler in this block, even if the client leaves."""
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
            # If another task receives for the handler, the handler does not see the disconnect.
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
        """Await *work* on the server's loop, for a thread that does not belong to this request.

        Raises:
            RuntimeError: if plain code holds up that loop.
        """
        until = time.monotonic() + HELD_UP
        # Until the handler first waits, its loop cannot run anything else.
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
                # ClientDisconnectedError is a CancelledError: it would only cancel the task.
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
        if not self._puts_off():
            self._begin_to_watch(asyncio.Event())
            self.watcher = asyncio.get_running_loop().create_task(self._run_until_cancelled())

    def _puts_off(self) -> bool:
        """Whether somebody receives, or a websocket has received since the timer was set."""
        self._alarm = None
        if self.receiving:
            self.late = True  # Whoever receives will see a disconnect. Watch when it has returned.
        elif self.body_limit is None and self.receiving is not None:
            self.receiving, self._asked = None, time.monotonic()
            self._watch_later()
        else:
            return False
        return True

    def _begin_to_watch(self, changed: Any) -> None:
        self._changed, self.direct = changed, False
        if self.receiving is not None:
            self._asked = time.monotonic()

    async def _run_until_cancelled(self) -> None:
        # Do not let the task keep the error: its frames hold the server's future, which may refer
        # to this task. Granian's does, and the garbage collector does not see that cycle.
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
                # The next call of `receive` raises it.
                self._failure = error
                self._changed.set()
                return
            if message["type"] in DISCONNECTS:
                break
            if ends_body(message):
                self.complete = True
            if keeps:
                self._ahead.put(message)
                self._changed.set()
        # A handler that is inside `receive` gets the disconnect from there.
        if self.gone is None:
            self._leave(message, beside=not self.receiving)
        self._changed.set()

    async def _room(self) -> bool:
        """Wait until the next message may be received; return whether to keep it."""
        while self._ahead.size >= AHEAD:
            idle = time.monotonic() - self._asked
            if idle >= PATIENCE:
                if self.body_limit is None:
                    return self._ahead.size < UNHEARD or await self._close_websocket()
                limit = self.body_limit()
                if limit is not None and self._ahead.length > limit:
                    # The body is over its limit and can no longer be read, so do not keep it.
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
        """Close a websocket whose client has sent too much that nobody reads."""
        await self.to_server({"type": "websocket.close", **_TOO_MUCH})
        self.closed = True
        self._leave({"type": "websocket.disconnect", **_TOO_MUCH}, beside=not self.receiving)
        return self._forget()

    # The end

    async def linger(self) -> None:
        """Receive the rest of the body and drop it, up to `LINGER` bytes and `LINGER_SECONDS`.

        Some servers have no other way to the connection's next request, or to its end.
        """
        size, turns = 0, Turns()
        with suppress(TimeoutError, RequestEntityTooLarge), self.undisturbed():
            async with time_limit(LINGER_SECONDS):
                while not self.complete and self.gone is None and size < LINGER:
                    if turns.due():
                        await turns.give()
                    size += len((await self.receive()).get("body") or b"")

    async def let_go(self) -> None:
        """Drop what the server has received already, so that it does not wait for a reader."""
        with suppress(TimeoutError, OSError), self.undisturbed():
            async with time_limit(AT_ONCE):
                while self.gone is None:
                    message: Message = await self.from_server()
                    if message["type"] in DISCONNECTS:
                        self.gone, self.direct = message, False

    def watched(
        self, serve: Serve, send: Send, context: Context | None = None
    ) -> CoroutineOf[None] | None:
        """Await what *serve* returns; cancel it if the client leaves while it waits for another.

        It is awaited in *context*, if that is given. Returns None if it has ended already, or else
        an awaitable that goes on with it.
        """
        # Stepped by hand, so that watching costs nothing if it never suspends.
        if context is None:
            work, future = start_call(serve, self, send)
        else:
            work, future = context.run(start_call, serve, self, send)
        if future is ENDED:
            return None
        # Keep no reference to the future here, or it would live for as long as a websocket is idle.
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
            # The task is the server's, which may go on using it.
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
