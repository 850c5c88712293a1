"""Run WSGI middleware around an application, for requests that come as ASGI too.

Flask applications are wrapped by ``app.wsgi_app = Middleware(app.wsgi_app)``. If an application has
such middleware, an ASGI request goes through it as WSGI: in a worker thread, as middleware may
block, or on the loop if it is known not to. In the middle of it, the request reaches the
application's own `wsgi_app`, a WSGI call like any other (`called.py`), which returns its response.
If the middleware returns that unchanged, it is sent as if there were no middleware.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, cast, TYPE_CHECKING

from werkzeug.datastructures import Headers
from werkzeug.exceptions import NotFound

from quart._connection import rest
from quart._connection.inbound import Inbound, undisturbed
from quart._connection.lifespan import see_to_loop
from quart._connection.outbound import (
    _convert_os_error,
    foreign_body,
    is_without_body,
    refuse,
    refuse_status,
    SENDABLE,
)
from quart._connection.servers_headers import for_server
from quart._formats.headers import encode_headers
from quart._kind import REQUEST
from quart._loops.mailbox import shielded
from quart._loops.turns import Turns
from quart._threads import lease as _lease
from quart._types import CoroutineOf, Environ, Message, Receive, Scope, Send, StartResponse
from quart.asgi import ASGIHTTPConnection, ASGIWebsocketConnection, inbound_class
from quart.wrappers.base import ClientDisconnectedError

from .._entry import wsgi_entry
from .._environs import translation
from .._environs.takeover import TAKEOVER, Takeover
from .._places import lease_of, PLACES
from .._waiting import bridge
from .called import Answer, passes_on, place_of_middleware

if TYPE_CHECKING:
    from quart.ctx import AppContext

    from ..app import Flask


RawHeaders = list[tuple[bytes, bytes]]
Call = Callable[..., Iterable[bytes]]


@dataclass(slots=True)
class Pending:
    """A request on its way through middleware; `Place` methods take it in place of a context."""

    app: Any
    receive: Callable[[], object]
    stream: object
    #: The connection's inbound side, if the response goes through the middleware too.
    _inbound: Inbound | None = None
    #: The lease of the thread in which the middleware runs, if it keeps one.
    lease: _lease.Lease | None = None
    #: Whether the request is served after the middleware has returned, as a websocket is.
    goes_on: bool = False
    #: The environ of such a request, as the middleware has changed it.
    passed: dict[str, object] | None = None
    #: The application that it has reached; another one if the middleware has mounted several.
    reached: Any = None
    #: What ended the body before its time, until the middleware has ended too.
    given_up: BaseException | None = None
    #: As of a context: its thread is its own.
    borrows = False

    def passed_through(
        self, app: Flask, environ: Environ, start_response: StartResponse
    ) -> list[bytes]:
        """Note that the request came through; it goes on once the middleware has returned."""
        self.passed, self.reached = environ, app
        start_response("101 SWITCHING PROTOCOLS", [])
        return []


class _Start:
    """The ``start_response`` of PEP 3333 for such a request."""

    def __init__(self) -> None:
        self.status = 500
        self.headers: RawHeaders | None = None
        #: What the middleware has given to ``write``.
        self.written: list[bytes] = []
        #: Whether a piece of the body was made; the head is sent before it.
        self.sent = False

    def __call__(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], None]:
        if exc_info is None and self.headers is not None:
            raise AssertionError(
                "Expected one call of start_response by the WSGI middleware, got a second one. To"
                " replace the head, give exc_info."
            )
        if exc_info is not None and self.sent:
            try:
                raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None
        self.status = int(status.partition(" ")[0])
        if self.status not in SENDABLE:
            refuse_status(self.status)
        # Werkzeug's `Headers` rejects line breaks in values; middleware may have written these.
        self.headers = encode_headers(Headers(headers))
        return self.write

    def write(self, data: bytes) -> None:
        self.written.append(data)


class _Answering(ASGIHTTPConnection):
    """Sends an answer that the middleware has returned unchanged."""

    def _still_to_come(self, ctx: AppContext) -> None:
        """Do nothing: `_send` receives the rest of the request's body, as for all answers."""


class _Sending(_Start):
    """A ``start_response`` whose head and body are sent over ASGI."""

    def __init__(self, send: Send) -> None:
        super().__init__()
        self._send = send
        self._begun = False
        #: The application's response, if the middleware has returned it unchanged.
        self.answer: Answer | None = None

    def write(self, data: bytes) -> None:
        self.sent = True
        bridge.wait(self.send(data))

    def pieces(self, call: Call, environ: Environ, pending: Pending) -> Iterator[bytes]:
        """Call the middleware and yield the pieces of its body, unless it returns an `Answer`."""
        body = call(environ, self)
        if type(body) is Answer and body.is_untouched:
            self.answer = body
            return
        try:
            for piece in body:
                if piece:
                    self.sent = True
                    yield piece
        finally:
            if hasattr(body, "close"):
                body.close()
        if pending.given_up is not None:
            raise pending.given_up

    async def begin(self) -> None:
        if self._begun:
            return
        if self.headers is None:
            raise RuntimeError(
                "Expected the WSGI middleware to call start_response before its body, got no call."
            )
        self._begun = True
        head = {"type": "http.response.start", "status": self.status, "headers": self.headers}
        await self._send(head)

    async def send(self, data: bytes, more: bool = True) -> None:
        await self.begin()
        await self._send({"type": "http.response.body", "body": data, "more_body": more})

    async def send_answer(self, answer: Answer, inbound: Inbound | None) -> None:
        """Send *answer* with the head that the middleware has made."""
        core, response = answer.core, answer.response
        connection = _Answering(core.app, core.request.scope)
        body, closes = foreign_body(response)
        if is_without_body(core, self.status):
            body = b""
        content = self.status, cast(RawHeaders, self.headers), body, closes
        if (sending := connection._deliver(core, self._send, response, content)) is not None:
            core.request._inbound = inbound
            try:
                # A stream that has kept its context may wait at its end, so it needs a bridge.
                await bridge.await_bridged(sending)
            finally:
                core.request._inbound = None


class PassingOn(ASGIHTTPConnection):
    """A request behind middleware that only changes the environ; the changed one is served."""

    #: As `Pending.goes_on`: this object takes the place of a `Pending`.
    goes_on = True

    def _serve(self, inbound: Inbound, send: Send) -> CoroutineOf[None]:
        app = self.app
        environ, is_ours = translation.environ_on_its_way(self.scope)
        environ[translation.PENDING] = self
        wsgi_entry(app)(environ, _ignore)
        reached, scope = self._reached, translation.scope_behind(self._passed, self.scope)
        is_mounted = reached is not app
        if reached.asgi_http_class is not ASGIHTTPConnection or (
            is_mounted and not reached._asgi_apps.within(reached)
        ):
            serve: Any = reached if is_mounted else reached._serve_connection
            return cast("CoroutineOf[None]", serve(scope, inbound.receive, send))
        stages = reached._plans.stages(reached, REQUEST)
        if not stages.is_watched:
            see_to_loop(reached, scope, stages)
        request = translation.connection_behind(reached, scope, self._push_by(send))
        if not is_ours:
            request.routing_exception = NotFound()
        self.app, self._request = reached, request
        return self._serve_request(request, inbound, send)

    def passed_through(
        self, app: Flask, environ: Environ, start_response: StartResponse
    ) -> list[bytes]:
        """Note the environ that came through, and the application that it reached."""
        self._reached: Any = app
        self._passed = environ
        return []


def _ignore(status: str, headers: list[tuple[str, str]]) -> None:
    """Drop what middleware starts: the response comes after it has returned."""


def connection_class_behind(app: Flask) -> type[ASGIHTTPConnection] | None:
    """Return `PassingOn` if the middleware around *app* only changes the environ, else None."""
    return PassingOn if passes_on(wsgi_entry(app)) else None


async def serve(app: Flask, scope: Scope, receive: Receive, send: Send) -> None:
    """Serve an ASGI request through the WSGI middleware around *app*."""
    inbound = inbound_class()(receive, send)
    inbound.body_limit = partial(app.config.__getitem__, "MAX_CONTENT_LENGTH")
    to_server = partial(_send, inbound, scope, send, _convert_os_error(send))
    with suppress(ClientDisconnectedError):
        if (work := inbound.watched(partial(_serve, app, scope), to_server)) is not None:
            await work


async def _send(
    inbound: Inbound, scope: Scope, servers: Send, send: Send, message: Message
) -> None:
    """Send *message*; before the last one, receive the rest of the request's body.

    *servers* is the server's own `send`, behind *send*: from it, `for_server` knows whether the
    server adds a Date header.
    """
    if message["type"] == "http.response.start":
        message = {**message, "headers": for_server(message["headers"], servers)}
    is_last = message["type"] == "http.response.body" and not message.get("more_body", False)
    more = inbound if is_last and rest.is_to_come(inbound, scope, None) else None
    await rest.send_end(more, send, message)


async def serve_websocket(app: Flask, scope: Scope, receive: Receive, send: Send) -> None:
    """Serve a websocket through the WSGI middleware around *app*, which may take it over.

    A websocket that comes through is served as usual, without a thread that waits for it.
    """
    websocket = ASGIWebsocketConnection(cast(Any, app), scope)._create_websocket_from_scope(send)
    environ = translation.environ_of(websocket)
    with lease_of(app) as lease:
        stream = environ["wsgi.input"]
        pending = Pending(app, receive, stream, lease=lease, goes_on=True)
        environ[translation.PENDING] = pending
        start = await _call_for_websocket(app, pending, environ, scope[TAKEOVER])
    if scope[TAKEOVER].active:
        return
    if pending.passed is None:
        body = b"".join(start.written)
        await refuse(scope, receive, send, start.status, start.headers or [], body)
        return
    scope = translation.scope_behind(pending.passed, scope)
    await pending.reached._serve_connection(scope, receive, send)


async def _call_for_websocket(
    app: Flask, pending: Pending, environ: Environ, takeover: Takeover
) -> _Start:
    start, place, as_context = _Start(), PLACES["thread"], cast(Any, pending)
    try:
        start.written.append(await place.call(as_context, _whole_answer, app, environ, start))
    except Exception as error:
        # Code that took over the connection may raise just to say that no response follows.
        if not takeover.active:
            if app.testing:
                raise
            app.logger.error("Exception in WSGI middleware", exc_info=error)
    return start


def _whole_answer(app: Flask, environ: Environ, start: _Start) -> bytes:
    body = app.wsgi_app(environ, start)
    try:
        return b"".join(body)
    finally:
        if hasattr(body, "close"):
            body.close()


async def _serve(app: Flask, scope: Scope, inbound: Inbound, send: Send) -> None:
    request = ASGIHTTPConnection(cast(Any, app), scope)._create_request_from_scope(send)
    request.receive_from(inbound.receive)
    environ, call = translation.environ_of(request), wsgi_entry(app)
    pending = Pending(app, inbound.receive, environ["wsgi.input"], inbound)
    environ[translation.PENDING] = pending
    with lease_of(app) as lease:
        pending.lease = lease
        await _respond(call, pending, environ, send)


async def _respond(call: Call, pending: Pending, environ: Environ, send: Send) -> None:
    app, start = pending.app, _Sending(send)
    try:
        await _send_pieces(call, pending, environ, start)
    except Exception as error:
        if start.sent or app.testing:
            raise
        app.logger.error("Exception in WSGI middleware", exc_info=error)
        start.headers = None
        start("500 INTERNAL SERVER ERROR", [("Content-Type", "text/plain")])
        await start.send(b"Internal Server Error", more=False)
        return
    if (answer := start.answer) is None:
        await start.send(b"", more=False)
    else:
        await start.send_answer(answer, pending._inbound)


async def _send_pieces(call: Call, pending: Pending, environ: Environ, start: _Sending) -> None:
    """Send the pieces of the middleware's body as it makes them."""
    place, as_context = place_of_middleware(call), cast(Any, pending)
    pieces = start.pieces(call, environ, pending)
    portions = place.iterate(as_context, pieces)
    try:
        if place is PLACES["loop"]:
            # If the middleware returns the answer unchanged, this step is the only one.
            piece = await place.call(as_context, next, pieces, None)
            if piece is None:
                return
            await start.send(piece)
        turns = Turns()
        async for chunks in portions:
            for chunk in chunks:
                if turns.due():
                    await turns.give()
                await start.send(chunk)
    finally:
        # If the client has left, the body has not ended; close it now.
        with shielded(), undisturbed(pending):
            await portions.aclose()
            if cast(Any, pieces).gi_frame is not None:
                await place.call(as_context, cast(Any, pieces).close)
