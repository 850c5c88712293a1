"""Open connections to an app under test, one class for HTTP and one for websockets.

The app runs in a task of its own. What it sends is queued for the test, and *the end of the task
is queued too*: however the app ends, a test that waits for the next message is woken.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from types import TracebackType
from typing import Any, cast, Generic, Self, TYPE_CHECKING, TypeVar

from hypercorn.typing import ASGIReceiveEvent, ASGISendEvent, HTTPScope, WebsocketScope
from werkzeug.datastructures import Headers

from .._types import Message, Scope
from ..json import dumps, loads
from ..utils import decode_headers
from ..wrappers import Response

if TYPE_CHECKING:
    from ..app import Quart

#: Seconds that an app has to end after a failing test has hung up; then it is cancelled.
HANG_UP_TIMEOUT = 1.0

#: Seconds in which an app may raise an error after it has ended an exchange.
LAST_WORD_TIMEOUT = 0.1

_NOT_OPEN = "Expected an open connection, got none. Use 'async with' on it first."

MessageT = TypeVar("MessageT", bytes, "str | bytes")


class HTTPDisconnectError(Exception):
    """Raised when a test waits for more of a response that has ended."""


class WebsocketDisconnectError(Exception):
    """Raised when a test waits for a message on a websocket that the app has closed.

    ``code`` and ``reason`` are those of the close.
    """

    def __init__(self, code: int = 1000, reason: str | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.reason = reason


class WebsocketResponseError(Exception):
    """Raised when the app answers a websocket handshake with ``response``."""

    def __init__(self, response: Response) -> None:
        super().__init__(response)
        self.response = response


class _End:
    """The last item of a connection's queue: the error that each further read raises."""

    def __init__(self, error: BaseException) -> None:
        self.error = error


class _Connection(Generic[MessageT]):
    """The common part of both kinds: the app's task, and two queues with their ends."""

    def __init__(self, app: Quart, scope: Scope) -> None:
        self.app = app
        self.headers: Headers | None = None
        #: Called with the headers that the app sends; the client collects cookies this way.
        self.on_headers: Callable[[Headers], object] | None = None
        self.response_data = bytearray()
        self.scope = scope
        self.status_code: int | None = None
        self._end: _End | None = None
        self._error: Exception | None = None
        self._seen: BaseException | None = None
        self._send_queue: asyncio.Queue[ASGIReceiveEvent] = asyncio.Queue()
        self._receive_queue: asyncio.Queue[MessageT | _End] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        if exc_value is not None:
            await self._hang_up()
        else:
            await self._finish()

    async def _run(self) -> None:
        try:
            await self.app(cast(Any, self.scope), self._asgi_receive, self._asgi_send)
        except Exception as error:
            self._error = error
            self._finish_queue(error)
        finally:
            self._finish_queue(self._ended())

    def _finish_queue(self, error: BaseException) -> None:
        if self._end is None:
            self._end = _End(error)
            self._receive_queue.put_nowait(self._end)

    def _ended(self) -> Exception:
        raise NotImplementedError(f"Expected {type(self).__name__} to define _ended, got none.")

    async def receive(self) -> MessageT:
        """Wait for the next message; if the app fails instead, this raises its error."""
        if self._task is None:
            raise RuntimeError(_NOT_OPEN)
        item = await self._receive_queue.get()
        if isinstance(item, _End):
            self._receive_queue.put_nowait(item)  # For the next reader.
            # A failing app ends the exchange before it raises; prefer the error it raises.
            await asyncio.wait([self._started_task()], timeout=LAST_WORD_TIMEOUT)
            self._seen = self._error or item.error
            raise self._seen
        return item

    async def __aiter__(self) -> AsyncIterator[MessageT]:
        try:
            while True:
                yield await self.receive()
        except (HTTPDisconnectError, WebsocketDisconnectError):
            return

    async def disconnect(self) -> None:
        """Hang up without a message, as a client whose network fails."""
        raise NotImplementedError(f"Expected {type(self).__name__} to define disconnect, got none.")

    async def _finish(self) -> None:
        """Wait for the app, and raise its error unless the test has seen that already."""
        task = self._started_task()
        try:
            await asyncio.wait([task])
        except asyncio.CancelledError:
            await self._cancel(task)
            raise
        if self._error is not None and self._error is not self._seen:
            raise self._error

    async def _hang_up(self) -> None:
        """End the app because the test has failed; the test's error is the one to show."""
        task = self._started_task()
        await self.disconnect()
        await asyncio.wait([task], timeout=HANG_UP_TIMEOUT)
        await self._cancel(task)

    async def _cancel(self, task: asyncio.Task[None]) -> None:
        task.cancel()
        await asyncio.wait([task], timeout=HANG_UP_TIMEOUT)

    def _started_task(self) -> asyncio.Task[None]:
        if self._task is None:
            raise RuntimeError(_NOT_OPEN)
        return self._task

    def _start_response(self, message: Message) -> None:
        self.status_code = message["status"]
        self._headers_sent(message)

    def _headers_sent(self, message: Message) -> None:
        self.headers = decode_headers(message.get("headers", ()))
        if self.on_headers is not None:
            self.on_headers(self.headers)

    def _make_response(self) -> Response:
        if self.status_code is None or self.headers is None:
            raise RuntimeError(
                "Expected the app to answer, got its end (or a disconnect) before"
                " http.response.start. Look at its view or at the middleware around it."
            )
        # The response's class may be another framework's, with plain methods.
        cls: type[object] = self.app.response_class
        cls = cls if issubclass(cls, Response) else Response
        response: Response = cls(bytes(self.response_data), self.status_code)
        # Use exactly what was sent, as constructing a response adds defaults.
        response.headers = self.headers.copy()
        return response

    async def _asgi_receive(self) -> ASGIReceiveEvent:
        return await self._send_queue.get()

    async def _asgi_send(self, message: ASGISendEvent) -> None:
        raise NotImplementedError(f"Expected {type(self).__name__} to define _asgi_send, got none.")


class TestHTTPConnection(_Connection[bytes]):
    """A request in the making: send its body in pieces, receive the response in pieces.

    Use it with ``async with``; leaving the block waits until the app has answered. After that,
    :meth:`as_response` gives the whole response.
    """

    __test__ = False  # not a test case, whatever its name says

    scope: HTTPScope

    def __init__(self, app: Quart, scope: HTTPScope, _preserve_context: bool = False) -> None:
        super().__init__(app, scope)
        self.push_promises: list[tuple[str, Headers]] = []
        self._preserve_context = _preserve_context

    async def send(self, data: bytes) -> None:
        """Send a piece of the body."""
        self._send_queue.put_nowait({"type": "http.request", "body": data, "more_body": True})

    async def send_complete(self) -> None:
        """Tell the app that the body is complete."""
        self._send_queue.put_nowait({"type": "http.request", "body": b"", "more_body": False})

    async def disconnect(self) -> None:
        """Hang up without waiting for the answer."""
        self._send_queue.put_nowait({"type": "http.disconnect"})

    async def as_response(self) -> Response:
        """Return the response with its whole body, including pieces that were received before."""
        self._collect()
        return self._make_response()

    async def _finish(self) -> None:
        await super()._finish()
        self._collect()

    def _collect(self) -> None:
        while not self._receive_queue.empty():
            item = self._receive_queue.get_nowait()
            if isinstance(item, _End):
                self._receive_queue.put_nowait(item)
                return
            self.response_data.extend(item)

    def _ended(self) -> Exception:
        return HTTPDisconnectError("the response has ended; there is nothing more to receive")

    async def _asgi_send(self, message: ASGISendEvent) -> None:
        match message["type"]:
            case "http.response.start":
                self._start_response(message)
            case "http.response.body":
                self._receive_queue.put_nowait(message.get("body", b""))
                if not message.get("more_body", False):
                    self._finish_queue(self._ended())
                    # As servers do, report a disconnect to whoever goes on receiving.
                    self._send_queue.put_nowait({"type": "http.disconnect"})
            case "http.response.push":
                promise = (message["path"], decode_headers(message["headers"]))
                self.push_promises.append(promise)
            case "http.disconnect":
                self._finish_queue(self._ended())


class TestWebsocketConnection(_Connection["str | bytes"]):
    """The client's end of a websocket; leaving its ``async with`` block hangs up.

    :meth:`receive` raises :class:`WebsocketResponseError` when the app refused the handshake and
    :class:`WebsocketDisconnectError` when it has closed the websocket.
    """

    __test__ = False  # not a test case, whatever its name says

    scope: WebsocketScope

    def __init__(self, app: Quart, scope: WebsocketScope) -> None:
        super().__init__(app, scope)
        self.accepted = False
        self.subprotocol: str | None = None
        #: The code with which the app closed the websocket.
        self.close_code: int | None = None
        self._send_queue.put_nowait({"type": "websocket.connect"})

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        await self.disconnect()
        await super().__aexit__(exc_type, exc_value, tb)

    async def _finish(self) -> None:
        await super()._finish()
        # A refusal that the test has not looked at is a failure; an ordinary close is not.
        error = None if self._end is None else self._end.error
        if isinstance(error, WebsocketResponseError) and error is not self._seen:
            raise error

    async def send(self, data: str | bytes) -> None:
        """Send a text or a binary message."""
        event: dict[str, object] = {"type": "websocket.receive", "bytes": None, "text": None}
        event["text" if isinstance(data, str) else "bytes"] = data
        self._send_queue.put_nowait(cast(ASGIReceiveEvent, event))

    async def receive_json(self) -> Any:
        """Wait for the next message and decode it as JSON."""
        return loads(await self.receive())

    async def send_json(self, data: Any) -> None:
        """Send data as a JSON text."""
        await self.send(dumps(data))

    async def close(self, code: int) -> None:
        """Close the websocket with a code."""
        self._disconnect(code)

    async def disconnect(self) -> None:
        """Hang up without a close frame."""
        self._disconnect(1005)

    def _disconnect(self, code: int) -> None:
        event = {"type": "websocket.disconnect", "code": code, "reason": None}
        self._send_queue.put_nowait(cast(ASGIReceiveEvent, event))

    def _ended(self) -> Exception:
        return WebsocketDisconnectError(1000 if self.accepted else 1006)

    async def _asgi_send(self, message: ASGISendEvent) -> None:
        match message["type"]:
            case "websocket.accept":
                self.accepted = True
                self.subprotocol = message.get("subprotocol")
                self._headers_sent(message)
            case "websocket.send":
                data = message.get("bytes")
                self._receive_queue.put_nowait(message["text"] if data is None else data)  # type: ignore[arg-type]
            case "websocket.http.response.start":
                self._start_response(message)
            case "websocket.http.response.body":
                self.response_data.extend(message.get("body", b""))
                if not message.get("more_body", False):
                    self._finish_queue(WebsocketResponseError(self._make_response()))
            case "websocket.close":
                self._closed(message.get("code", 1000), message.get("reason"))

    def _closed(self, code: int, reason: str | None) -> None:
        self.close_code = code
        self._finish_queue(WebsocketDisconnectError(code, reason))
        # A server sends this to the app after a close.
        self._disconnect(code)
