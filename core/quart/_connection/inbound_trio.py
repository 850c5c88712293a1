"""Receive what a client sends, under Trio: see `inbound.py`. A nursery's task watches here."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import Context
from typing import TypeVar

import trio

from .._loops import forks
from .._loops.resume import run_in
from .._loops.strays import may_leave
from .._types import CoroutineOf, Receive, Send
from ..wrappers.base import only_says_gone
from . import inbound
from .inbound import Inbound, Serve
from .send_trio import abandonable

T = TypeVar("T")


class _Event:
    """Trio's event with a `clear` as asyncio's has; tasks that wait already are still woken."""

    __slots__ = ("_event",)

    def __init__(self) -> None:
        self._event = trio.Event()

    def set(self) -> None:
        self._event.set()

    def clear(self) -> None:
        if self._event.is_set():
            self._event = trio.Event()

    async def wait(self) -> None:
        await self._event.wait()


class TrioInbound(Inbound):
    """An ASGI ``receive`` that can look ahead for a disconnect, under Trio."""

    __slots__ = ("_nursery", "_token")

    _nursery: trio.Nursery
    _token: trio.lowlevel.TrioToken
    sends_as_it_is = False

    def __init__(self, receive: Receive, send: Send) -> None:
        super().__init__(receive, abandonable(send))

    def _is_beside(self) -> bool:
        return self._handler is not None and trio.lowlevel.current_task() is not self._handler

    def _end_handler(self) -> None:
        if self._endings:
            return
        self.cancelled = True
        self._nursery.cancel_scope.cancel()

    def _call_soon(self, func: Callable[[], None]) -> None:
        self._token.run_sync_soon(func)

    def _await_there(self, work: Callable[[], CoroutineOf[T]]) -> T:
        return trio.from_thread.run(work, trio_token=self._token)

    def _watch_later(self) -> None:
        if self._alarm is None and self.watcher is None and self.gone is None:
            self._alarm = True
            self._nursery.start_soon(self._watch_in_time)

    async def _watch_in_time(self) -> None:
        await trio.sleep(inbound.WATCH_AFTER)
        if not self._puts_off():
            self._begin_to_watch(_Event())
            self.watcher = trio.lowlevel.current_task()
            await self._run_ahead()

    async def watched(self, serve: Serve, send: Send, context: Context | None = None) -> None:
        """Await what *serve* returns; cancel it if the client leaves while it waits for another."""
        try:
            await self._watched_in_nursery(serve, send, context)
        except ExceptionGroup as error:
            # Tasks that the handler started may have got the disconnect while receiving.
            if not (self.cancelled and only_says_gone(error)):
                raise

    async def _watched_in_nursery(self, serve: Serve, send: Send, context: Context | None) -> None:
        failure, generation = None, forks.generation
        self._token = trio.lowlevel.current_trio_token()
        self._handler = trio.lowlevel.current_task()
        async with trio.open_nursery() as self._nursery:
            self._watch_later()
            try:
                if context is None:
                    await serve(self, send)
                else:
                    await run_in(context, serve, self, send)
            except BaseException as error:
                forks.end_if_child(generation, error)
                if not isinstance(error, Exception) and may_leave(error):
                    raise
                # Keep it from the nursery, which would raise it in a group.
                failure = error
            self._nursery.cancel_scope.cancel()
        self._end_watching()
        if failure is not None:
            raise failure
