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
from typing import Any, cast, TYPE_CHECKING

from werkzeug.datastructures import Headers

from quart import _worker
from quart._inbound import Inbound
from quart.asgi import ASGIHTTPConnection
from quart.utils import encode_headers

from . import _wsgi
from ._places import LAYER, lease_of

if TYPE_CHECKING:
    from .app import Flask


@dataclass(slots=True)
class Pending:
    """A request on its way through middleware; to a `Place` it is what a context is."""

    app: Any
    lease: _worker.Lease
    receive: Callable[[], Any]
    stream: Any
    #: Its thread is also that of the request that the middleware waits for.
    borrows = True


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
    inbound = Inbound(receive)
    await inbound.watched(_serve(app, scope, inbound, send))


async def _serve(app: Flask, scope: Any, inbound: Inbound, send: Any) -> None:
    request = ASGIHTTPConnection(cast(Any, app), scope)._create_request_from_scope(send)
    request.receive_from(inbound.receive)
    environ = _wsgi.environ_of(request)
    lease = lease_of(app)
    pending = Pending(app, lease, inbound.receive, environ["wsgi.input"])
    environ[_wsgi.PENDING] = pending
    try:
        await _answer(app, pending, environ, send)
    finally:
        lease.release()


async def _answer(app: Flask, pending: Pending, environ: dict[str, Any], send: Any) -> None:
    place, as_context = LAYER.sync_place(cast(Any, app)), cast(Any, pending)
    start = _Start()
    try:
        body: Iterable[bytes] = await place.call(as_context, app.wsgi_app, environ, start)
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
    begun = False
    async with aclosing(place.iterate(as_context, body)) as chunks:
        async for chunk in chunks:
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
