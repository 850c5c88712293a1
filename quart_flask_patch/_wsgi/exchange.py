"""Answer a WSGI call of an application that has its own `asgi_app` or `handle_request`.

Such code expects to see each request, one that comes over WSGI too. So the call goes through the
ASGI entry, in a task of an event loop.
"""

from __future__ import annotations

import asyncio
import weakref
from collections import deque
from collections.abc import Awaitable, Iterator
from contextlib import suppress
from contextvars import copy_context
from typing import Any, TYPE_CHECKING, TypeVar

from werkzeug.http import HTTP_STATUS_CODES

from quart._types import Environ, Function, Message, StartResponse
from quart.asgi import headers_of

from .._environs import translation
from .._waiting import bridge, runner
from ..ctx import face_of as context_face

if TYPE_CHECKING:
    from quart.ctx import AppContext as CoreContext

    from ..app import Flask

T = TypeVar("T")


class Exchange:
    """A WSGI server's call of the ASGI entry: the task that serves it, and what that has sent."""

    def __init__(self, app: Flask, environ: Environ, start_response: Function) -> None:
        self._app = app
        self._environ = environ
        self._start_response = start_response
        self._started = False
        self._scope = translation.scope_of(environ)
        # ASGI middleware may change the headers, so they must be a list.
        self._scope["headers"] = list(self._scope["headers"])
        self._scope["quart.closing"] = self._closing
        self._scope[translation.EXCHANGED] = True
        self._home = runner.home()
        self._receive = translation.receive_of(self._scope)
        # Take the Context now, while no task of ours has entered it.
        self._context = runner.own_context() or copy_context()
        self._sent: deque[bytes] = deque()
        self._error: BaseException | None = None
        self._wanted: asyncio.Event
        self._changed: asyncio.Event
        self.task: asyncio.Task[None] | None = None

    async def advance(self) -> bytes | None:
        """Return the next piece of the body, b"" if there is none yet, None at the end."""
        if self.task is None:
            self._wanted, self._changed = asyncio.Event(), asyncio.Event()
            loop = asyncio.get_running_loop()
            self.task = loop.create_task(self._run(), context=self._context)
        if not self._sent and not self.task.done():
            self._wanted.set()
            self._changed.clear()
            await self._changed.wait()
        if self._sent:
            return self._sent.popleft()
        if self._error is not None:
            error, self._error = self._error, None
            raise error
        return None if self.task.done() else b""

    async def _run(self) -> None:
        try:
            await self._call()
        except BaseException as error:
            # Keep any error, so that even a KeyboardInterrupt reaches the caller, once, through
            # `advance`.
            self._error = error
        finally:
            self._changed.set()

    async def _call(self) -> None:
        await self._app.asgi_app(self._scope, self._receive, self._send)

    def _closing(self, core: CoreContext, response: Any) -> None:
        """Start the response while the context is still active, as Flask does.

        WSGI middleware that wraps `start_response` may use the context.
        """
        if response is not None:
            self._start(response.status, list(headers_of(core, response)))
        self._preserve(core, response)

    def _preserve(self, core: CoreContext, response: object) -> None:
        preserve = translation.preserving(self._environ, self._scope)
        if preserve is not None:
            preserve(context_face(core))

    def _start(self, status: str, headers: list[tuple[str, str]]) -> None:
        if not self._started:
            self._started = True
            self._start_response(status, headers)

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            phrase = HTTP_STATUS_CODES.get(message["status"], "UNKNOWN").upper()
            headers = [
                (name.decode("latin-1").title(), value.decode("latin-1"))
                for name, value in message["headers"]
            ]
            self._start(f"{message['status']} {phrase}", headers)
            if not any(name == b"content-length" for name, _ in message["headers"]):
                # It may be a stream. Make none of it before the caller has the head.
                await self._pause()
            return
        if message.get("body") or not message.get("more_body"):
            self._sent.append(message.get("body", b""))
        if message.get("more_body"):
            await self._pause()

    async def _pause(self) -> None:
        """Wait until the caller wants more."""
        self._wanted.clear()
        self._changed.set()
        await self._wanted.wait()

    def wait(self, awaitable: Awaitable[T]) -> T:
        """Await *awaitable* on the task's loop, from any thread."""
        if self._home is None:
            return bridge.wait(awaitable)
        return bridge.wait(awaitable, self._home.run)

    async def cancel(self) -> None:
        if self.task is not None and not self.task.done():
            self.task.cancel()
            await asyncio.wait([self.task])

    def abandon(self) -> None:
        """Cancel the task when its loop next runs; for a finalizer."""
        if self.task is not None and not self.task.done():
            with suppress(RuntimeError):  # The loop may have been closed.
                self.task.get_loop().call_soon_threadsafe(self.task.cancel)


class _Body:
    """The response's body, which a WSGI server iterates over and closes."""

    def __init__(self, exchange: Exchange, first: bytes | None) -> None:
        self._exchange = exchange
        self._first = first
        # A test may drop a response unread.
        weakref.finalize(self, exchange.abandon).atexit = False

    def __iter__(self) -> Iterator[bytes]:
        chunk = self._first
        while chunk is not None:
            if chunk:
                yield chunk
            chunk = self._exchange.wait(self._exchange.advance())

    def close(self) -> None:
        task = self._exchange.task
        if task is not None and not task.done():
            self._exchange.wait(self._exchange.cancel())


def respond(
    app: Flask,
    environ: Environ,
    start_response: StartResponse,
    exchange_class: type[Exchange] = Exchange,
) -> object:
    """Answer a WSGI call through the ASGI entry."""
    exchange = exchange_class(app, environ, start_response)
    try:
        first = exchange.wait(exchange.advance())
    except BaseException:
        exchange.wait(exchange.cancel())
        raise
    return _Body(exchange, first)
