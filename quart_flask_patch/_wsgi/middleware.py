"""WSGI middleware around an application, also for requests that come as ASGI.

``app.wsgi_app = Middleware(app.wsgi_app)`` is how Flask applications are wrapped. Where an
application has such middleware, a request goes through it as WSGI: in a worker thread, as it may
block, or on the loop if it is known not to. At its innermost it comes to the application's own
`wsgi_app`, which is a WSGI call like any other (`called.py`) and hands on its response. If the
middleware leaves that as it is, it is sent as if there were no middleware.
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
from quart._connection.date import one_date
from quart._connection.inbound import Inbound, inbound_class, undisturbed
from quart._connection.lifespan import see_to_loop
from quart._connection.outbound import _convert_os_error, foreign_body, is_without_body, refuse
from quart._formats.headers import encode_headers
from quart._kind import REQUEST
from quart._loops.mailbox import shielded
from quart._loops.turns import Turns
from quart._threads import lease as _lease
from quart._types import CoroutineOf, Environ, Message, Receive, Scope, Send
from quart.asgi import ASGIHTTPConnection, ASGIWebsocketConnection
from quart.wrappers.base import ClientDisconnectedError

from .._entry import wsgi_entry
from .._environs import entry
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
    """A request on its way through middleware; to a `Place` it is what a context is."""

    app: Any
    receive: Callable[[], object]
    stream: object
    #: As of a connection, where the answer goes through the middleware too.
    _inbound: Inbound | None = None
    #: The thread in which the middleware runs, if it keeps it.
    lease: _lease.Lease | None = None
    #: Whether it goes on once the middleware has returned, which keeps nothing waiting then.
    goes_on: bool = False
    #: What the middleware made of the environ of such a one, once that has come through it.
    passed: dict[str, object] | None = None
    #: The application that it has come to, another one if that is mounted in this one's place.
    reached: Any = None
    #: Its thread is its own.
    borrows = False

    def passed_through(self, app: Flask, environ: Environ, start_response: Any) -> list[bytes]:
        """Note that it came through; it goes on once the middleware has returned."""
        self.passed, self.reached = environ, app
        start_response("101 SWITCHING PROTOCOLS", [])
        return []


class _Start:
    """The ``start_response`` of such a request, as PEP 3333 has it."""

    def __init__(self) -> None:
        self.status = 500
        self.headers: RawHeaders | None = None
        #: What was given to ``write``.
        self.written: list[bytes] = []
        #: Whether a piece of the body has been made, before which the head is sent.
        self.sent = False

    def __call__(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], None]:
        if exc_info is None and self.headers is not None:
            raise AssertionError(
                "WSGI middleware called start_response a second time. To replace the head, it has"
                " to give exc_info."
            )
        if exc_info is not None and self.sent:
            try:
                raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None
        self.status = int(status.partition(" ")[0])
        # Werkzeug's look for line breaks in values, and these are not all of its making.
        self.headers = encode_headers(Headers(headers))
        return self.write

    def write(self, data: bytes) -> None:
        self.written.append(data)


class _Answering(ASGIHTTPConnection):
    """What sends an answer that the middleware has left as it is."""

    def _still_to_come(self, ctx: AppContext) -> None:
        """Leave the rest of the request's body to `_send`, as for any other answer."""


class _Sending(_Start):
    """One whose head and body are sent over ASGI."""

    def __init__(self, send: Send) -> None:
        super().__init__()
        self._send = send
        self._begun = False
        #: What the middleware returned, if that is what the application answered with.
        self.answer: Answer | None = None

    def write(self, data: bytes) -> None:
        self.sent = True
        bridge.wait(self.send(data))

    def pieces(self, call: Call, environ: Environ) -> Iterator[bytes]:
        """Call the middleware, and give the pieces of its body, unless that is an `answer`."""
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

    async def begin(self) -> None:
        if self._begun:
            return
        if self.headers is None:
            raise RuntimeError("WSGI middleware gave a body but did not call start_response.")
        self._begun = True
        head = {"type": "http.response.start", "status": self.status, "headers": self.headers}
        await self._send(head)

    async def send(self, data: bytes, more: bool = True) -> None:
        await self.begin()
        await self._send({"type": "http.response.body", "body": data, "more_body": more})

    async def send_answer(self, answer: Answer, inbound: Inbound | None) -> None:
        """Send *answer*, with the head that the middleware has made of its own."""
        core, response = answer.core, answer.response
        connection = _Answering(core.app, core.request.scope)
        body, closes = foreign_body(response)
        if is_without_body(core, self.status):
            body = b""
        content = self.status, cast(RawHeaders, self.headers), body, closes
        if (sending := connection._deliver(core, self._send, response, content)) is not None:
            core.request._inbound = inbound
            try:
                # What ends a stream that has kept its context waits as the call would have.
                await bridge.await_bridged(sending)
            finally:
                core.request._inbound = None


class PassingOn(ASGIHTTPConnection):
    """A request behind middleware that passes it on: what that made of the environ is served."""

    #: As of a `Pending`, for which it stands.
    goes_on = True

    def _serve(self, inbound: Inbound, send: Send) -> CoroutineOf[None]:
        app = self.app
        environ, is_ours = entry.environ_on_its_way(self.scope)
        environ[entry.PENDING] = self
        wsgi_entry(app)(environ, _ignore)
        reached, scope = self._reached, entry.scope_behind(self._passed, self.scope)
        is_mounted = reached is not app
        if reached.asgi_http_class is not ASGIHTTPConnection or (
            is_mounted and not reached._asgi_apps.within(reached)
        ):
            serve: Any = reached if is_mounted else reached._serve_connection
            return cast("CoroutineOf[None]", serve(scope, inbound.receive, send))
        stages = reached._plans.stages(reached, REQUEST)
        if not stages.is_watched:
            see_to_loop(reached, scope, stages)
        request = entry.connection_behind(reached, scope, self._push_by(send))
        if not is_ours:
            request.routing_exception = NotFound()
        self.app, self._request = reached, request
        return self._serve_request(request, inbound, send)

    def passed_through(self, app: Flask, environ: Environ, start_response: Any) -> list[bytes]:
        """Note what came through, and to which application."""
        self._reached: Any = app
        self._passed = environ
        return []


def _ignore(status: str, headers: list[tuple[str, str]]) -> None:
    """Nothing is answered before the request goes on."""


def connection_class_behind(app: Flask) -> type[ASGIHTTPConnection] | None:
    """Return the class of a request that the middleware around *app* is known to pass on."""
    return PassingOn if passes_on(wsgi_entry(app)) else None


async def serve(app: Flask, scope: Scope, receive: Receive, send: Send) -> None:
    """Handle an ASGI request by way of the WSGI middleware around *app*."""
    inbound = inbound_class()(receive, send)
    inbound.body_limit = partial(app.config.__getitem__, "MAX_CONTENT_LENGTH")
    to_server = partial(_send, inbound, scope, send, _convert_os_error(send))
    with suppress(ClientDisconnectedError):
        if (work := inbound.watched(partial(_serve, app, scope), to_server)) is not None:
            await work


async def _send(
    inbound: Inbound, scope: Scope, servers: Send, send: Send, message: Message
) -> None:
    """Send *message*; before the last one the rest of the request's body is received.

    *servers* is the `send` behind *send*: it tells whether the server adds a date.
    """
    if message["type"] == "http.response.start":
        message = {**message, "headers": one_date(message["headers"], servers)}
    is_last = message["type"] == "http.response.body" and not message.get("more_body", False)
    more = inbound if is_last and rest.is_to_come(inbound, scope, None) else None
    await rest.send_end(more, send, message)


async def serve_websocket(app: Flask, scope: Scope, receive: Receive, send: Send) -> None:
    """Handle a websocket by way of the WSGI middleware around *app*, which may take it over.

    What comes through is served as any websocket is, without a thread that waits for it.
    """
    websocket = ASGIWebsocketConnection(cast(Any, app), scope)._create_websocket_from_scope(send)
    environ = entry.environ_of(websocket)
    with lease_of(app) as lease:
        stream = environ["wsgi.input"]
        pending = Pending(app, receive, stream, lease=lease, goes_on=True)
        environ[entry.PENDING] = pending
        start = await _call_for_websocket(app, pending, environ, scope[TAKEOVER])
    if scope[TAKEOVER].active:
        return
    if pending.passed is None:
        body = b"".join(start.written)
        await refuse(scope, receive, send, start.status, start.headers or [], body)
        return
    scope = entry.scope_behind(pending.passed, scope)
    await pending.reached._serve_connection(scope, receive, send)


async def _call_for_websocket(
    app: Flask, pending: Pending, environ: Environ, takeover: Takeover
) -> _Start:
    start, place, as_context = _Start(), PLACES["thread"], cast(Any, pending)
    try:
        start.written.append(await place.call(as_context, _whole_answer, app, environ, start))
    except Exception as error:
        # Code that took over the connection may have no other way to say that nothing follows.
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
    environ, call = entry.environ_of(request), wsgi_entry(app)
    pending = Pending(app, inbound.receive, environ["wsgi.input"], inbound)
    environ[entry.PENDING] = pending
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
    """Send what the middleware makes, as it makes it."""
    place, as_context = place_of_middleware(call), cast(Any, pending)
    pieces = start.pieces(call, environ)
    chunks = place.iterate(as_context, pieces)
    try:
        if place is PLACES["loop"]:
            # There is one step, if the answer is left as it is.
            piece = await place.call(as_context, next, pieces, None)
            if piece is None:
                return
            await start.send(piece)
        turns = Turns()
        async for chunk in chunks:
            if turns.due():
                await turns.give()
            await start.send(chunk)
    finally:
        # It has not ended if the client has left, which may only now be noticed.
        with shielded(), undisturbed(pending):
            await chunks.aclose()
            if cast(Any, pieces).gi_frame is not None:
                await place.call(as_context, cast(Any, pieces).close)
