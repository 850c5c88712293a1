"""WSGI middleware around an application, also for requests that come as ASGI.

``app.wsgi_app = Middleware(app.wsgi_app)`` is how Flask applications are wrapped. Where an
application has such middleware, a request goes through it as WSGI, in the place of plain views. At
its innermost it comes back to the application's own `wsgi_app`, which goes on with the request over
ASGI, in the same thread, and with what the middleware made of the environ.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from typing import Any, cast, TYPE_CHECKING

from werkzeug.datastructures import Headers

from quart._connection.inbound import Inbound
from quart._connection.outbound import refuse
from quart._loops.turns import Turns
from quart._threads import lease as _lease
from quart.asgi import ASGIHTTPConnection, ASGIWebsocketConnection
from quart.utils import encode_headers

from .._entry import wsgi_entry
from .._places import lease_of, place_of_middleware, PLACES
from . import entry
from .takeover import TAKEOVER, Takeover

if TYPE_CHECKING:
    from ..app import Flask


@dataclass(slots=True)
class Pending:
    """A request on its way through middleware; to a `Place` it is what a context is."""

    app: Any
    lease: _lease.Lease
    receive: Callable[[], Any]
    stream: Any
    is_websocket: bool = False
    #: What the middleware made of a websocket's environ, once that has come through it.
    passed: dict[str, Any] | None = None
    #: The application that it has come to, another one if that is mounted in this one's place.
    reached: Any = None
    #: Its thread is also that of the request that the middleware waits for.
    borrows = True

    def passed_through(
        self, app: Flask, environ: dict[str, Any], start_response: Any
    ) -> list[bytes]:
        """Note that a websocket came through; it goes on once the middleware has returned."""
        self.passed, self.reached = environ, app
        start_response("101 SWITCHING PROTOCOLS", [])
        return []


class _Start:
    """The ``start_response`` of such a request."""

    def __init__(self) -> None:
        self.status = 500
        self.headers: list[tuple[bytes, bytes]] | None = None
        self.written: list[bytes] = []

    def __call__(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], None]:
        self.status = int(status.partition(" ")[0])
        self.headers = encode_headers(Headers(headers))
        return self.written.append


async def serve(app: Flask, scope: Any, receive: Any, send: Any) -> None:
    """Handle an ASGI request by way of the WSGI middleware around *app*."""
    inbound = Inbound(receive, send)
    if (rest := inbound.watched(partial(_serve, app, scope), send)) is not None:
        await rest


async def serve_websocket(app: Flask, scope: Any, receive: Any, send: Any) -> None:
    """Handle a websocket by way of the WSGI middleware around *app*, which may take it over.

    What comes through is served as any websocket is, without a thread that waits for it.
    """
    websocket = ASGIWebsocketConnection(cast(Any, app), scope)._create_websocket_from_scope(send)
    environ = entry.environ_of(websocket)
    with lease_of(app) as lease:
        pending = Pending(app, lease, receive, environ["wsgi.input"], is_websocket=True)
        environ[entry.PENDING] = pending
        start = await _call_for_websocket(app, pending, environ, scope[TAKEOVER])
    if scope[TAKEOVER].active:
        return
    if pending.passed is None:
        body = b"".join(start.written)
        await refuse(scope, receive, send, start.status, start.headers or [], body)
        return
    environ = pending.passed
    del environ[entry.PENDING]
    await pending.reached._serve_connection(entry.websocket_scope_of(environ, scope), receive, send)


async def _call_for_websocket(
    app: Flask, pending: Pending, environ: dict[str, Any], takeover: Takeover
) -> _Start:
    start, place, as_context = _Start(), PLACES["thread"], cast(Any, pending)
    try:
        start.written.append(await place.call(as_context, _whole_answer, app, environ, start))
    except Exception as error:
        # Who has taken over the connection may have no other way to say that nothing is to follow.
        if not takeover.active:
            if app.testing:
                raise
            app.logger.error("Exception in WSGI middleware", exc_info=error)
    return start


def _whole_answer(app: Flask, environ: dict[str, Any], start: _Start) -> bytes:
    body = app.wsgi_app(environ, start)
    try:
        return b"".join(body)
    finally:
        if hasattr(body, "close"):
            body.close()


async def _serve(app: Flask, scope: Any, inbound: Inbound, send: Any) -> None:
    request = ASGIHTTPConnection(cast(Any, app), scope)._create_request_from_scope(send)
    request.receive_from(inbound.receive)
    environ = entry.environ_of(request)
    lease = lease_of(app)
    pending = Pending(app, lease, inbound.receive, environ["wsgi.input"])
    environ[entry.PENDING] = pending
    try:
        await _answer(app, pending, environ, send)
    finally:
        lease.release()


async def _answer(app: Flask, pending: Pending, environ: dict[str, Any], send: Any) -> None:
    place, as_context = place_of_middleware(app.wsgi_app), cast(Any, pending)
    start, entry = _Start(), wsgi_entry(app)
    try:
        body: Iterable[bytes] = await place.call(as_context, entry, environ, start)
    except Exception as error:
        if app.testing:
            raise
        app.logger.error("Exception in WSGI middleware", exc_info=error)
        start("500 INTERNAL SERVER ERROR", [("Content-Type", "text/plain")])
        body = [b"Internal Server Error"]
    try:
        await _send_all(place, as_context, start, body, send)
    finally:
        close = getattr(body, "close", None)
        if close is not None:
            await place.call(as_context, close)


async def _send_all(
    place: Any, as_context: Any, start: _Start, body: Iterable[bytes], send: Any
) -> None:
    begun, turns = False, Turns()
    async with aclosing(place.iterate(as_context, body)) as chunks:
        async for chunk in chunks:
            if turns.due():
                await turns.give()
            if not begun:
                begun = await _begin(start, send)
            if chunk:
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
    if not begun:
        await _begin(start, send)
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _begin(start: _Start, send: Any) -> bool:
    if start.headers is None:
        raise RuntimeError("WSGI middleware gave a body but did not call start_response.")
    await send({"type": "http.response.start", "status": start.status, "headers": start.headers})
    for data in start.written:
        await send({"type": "http.response.body", "body": data, "more_body": True})
    return True
