"""Make requests and websockets from ASGI scopes, and messages from responses."""

from __future__ import annotations

import asyncio
import sys
import warnings
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import cast, TYPE_CHECKING

from werkzeug.datastructures import Headers
from werkzeug.exceptions import NotFound

from ._connection import rest
from ._connection.delivery import Delivery
from ._connection.inbound import Inbound
from ._connection.lifespan import ASGILifespan as ASGILifespan, see_to_loop
from ._connection.outbound import (
    _convert_os_error as _convert_os_error,
    cannot_push,
    headers_of as headers_of,
    send_push_promise,
    sender,
)
from ._formats.headers import encode_headers, headers_of_request
from ._formats.target import http_scheme, NOWHERE, path_within_root, websocket_scheme
from ._kind import REQUEST, WEBSOCKET
from ._loops import forks
from ._loops.mailbox import in_trio
from ._loops.strays import in_place_of, may_leave
from ._stock import Stock
from ._types import CoroutineOf, Scope, Send
from .wrappers._limits import limit_of
from .wrappers.base import ClientDisconnectedError as ClientDisconnectedError
from .wrappers.websocket import State

if TYPE_CHECKING:
    from ._handling.plan import Stages
    from .app import Quart
    from .ctx import AppContext
    from .typing import ASGIReceiveCallable, ASGISendCallable, WebsocketScope
    from .wrappers import Request, Websocket


def inbound_class() -> type[Inbound]:
    """Return the class for the library whose event loop runs here, asyncio or Trio."""
    if "trio" not in sys.modules or not in_trio():
        return Inbound
    from ._connection.inbound_trio import TrioInbound

    return TrioInbound


class _Connection(Delivery):
    """The common part of requests and websockets: from `receive` to the application and back."""

    #: The pipeline's stages, once they are known.
    _stages: Stages | None = None
    #: That of `forks` when the application was called.
    _generation = 0

    def __init__(self, app: Quart, scope: Scope) -> None:
        self.app = app
        self.scope = scope

    async def __call__(self, receive: ASGIReceiveCallable, send: ASGISendCallable) -> None:
        inbound = inbound_class()(receive, send)
        scope, sending, self._generation = self.scope, send, forks.generation
        if (context := inbound.arrive(scope)) is not None:
            sending = inbound.to_server
            self._leaves = inbound.sends_as_it_is and self._is_stock()
        try:
            if "quart.undisturbed" in scope:
                await self._serve(inbound, send)  # The client of a WSGI call cannot leave.
            elif (work := inbound.watched(self._serve, sending, context)) is not None:
                await work
        except ClientDisconnectedError:
            self._end_if_child()
            return  # The client has gone.
        except BaseException as error:
            self._end_if_child(error)
            if self.app.testing or "quart.undisturbed" in scope or may_leave(error):
                raise
            # Some servers would end, with all their other connections.
            raise in_place_of(error, "a view, hook or stream") from error
        if self._left is not None:
            start, end, more = self._left
            try:
                await send(start)
                await (send(end) if more is None else rest.send_end(more, send, end))
            except OSError:
                return

    def _end_if_child(self, error: BaseException | None = None) -> None:
        # A WSGI caller expects a return in both processes, as from Flask.
        if "quart.undisturbed" not in self.scope:
            forks.end_if_child(self._generation, error)

    def _is_stock(self) -> bool:
        """Whether nobody expects the response to be sent before `__call__` returns."""
        return False

    def _serve(self, inbound: Inbound, send: Send) -> CoroutineOf[None]:
        raise NotImplementedError(
            f"Expected {type(self).__name__} to define how it is served, got none. Derive it"
            " from ASGIHTTPConnection or ASGIWebsocketConnection."
        )


class ASGIHTTPConnection(_Connection):
    """One request and its response."""

    #: The first value of each of the request's header fields, once the request was made here.
    _fields: Mapping[bytes, bytes] | None = None

    def _serve(self, inbound: Inbound, send: Send) -> CoroutineOf[None]:
        return self._serve_request(self._create_request_from_scope(send), inbound, send)

    def _serve_request(self, request: Request, inbound: Inbound, send: Send) -> CoroutineOf[None]:
        request.receive_from(inbound.receive)
        if "quart.undisturbed" not in self.scope:
            request._inbound, inbound.body_limit = inbound, self._body_limit
        return self.handle_request(request, send)

    def _still_to_come(self, ctx: AppContext) -> Inbound | None:
        inbound: Inbound | None = ctx.connection._inbound  # type: ignore[union-attr]  # it is answered
        if inbound is None or not rest.is_to_come(inbound, self.scope, self._fields):
            return None
        return inbound

    def _body_limit(self) -> int | None:
        return limit_of(self._request, self.app)

    async def handle_request(self, request: Request, send: ASGISendCallable) -> None:
        """Have the application handle *request*, and send its response."""
        app = self.app
        stages = self._stages or app._plans.stages(app, REQUEST)
        ctx, handle = app._context_for(request), stages.handle
        # Code that is called at the end expects a response.
        ctx.answers_whole = self._leaves and "quart.closing" not in self.scope
        try:
            try:
                response = await handle(app, ctx, request)
            except Exception as error:
                response = self._failed(ctx, error)
            if self._generation != forks.generation:
                self._end_if_child()
            if (sending := self._deliver(ctx, send, response)) is not None:
                await sending
        finally:
            if ctx._lease is not None:
                ctx.release()
            if (inbound := request._inbound) is not None:
                # Break the reference cycle.
                request._inbound = inbound.body_limit = None

    def _is_stock(self) -> bool:
        return _HANDLING.of(type(self))

    async def _send_response(self, send: ASGISendCallable, response: object) -> None:
        """Send a response of `app.handle_request`, for subclasses that call that themselves."""
        ctx = self.app._context_for(self._request)
        ctx.find_plan()
        try:
            if (sending := self._deliver(ctx, send, response)) is not None:
                await sending
        finally:
            ctx.release()

    async def handle_messages(
        self,
        request: Request,
        receive: ASGIReceiveCallable,
        request_task: asyncio.Task[None] | None = None,
    ) -> None:
        """Push what *receive* returns into the request's body; cancel the task on a disconnect."""
        body = request.body
        if body.max_content_length is None:
            # The request finds its limit in its context, and there is none here.
            body.max_content_length = self.app.config["MAX_CONTENT_LENGTH"]
        while True:
            message = await receive()
            if message["type"] == "http.request":
                await body.put(message.get("body", b""))
                if not message.get("more_body", False):
                    body.set_complete()
            elif message["type"] == "http.disconnect":
                body.disconnect()
                if request_task is not None:
                    request_task.cancel()
                return

    def _create_request_from_scope(self, send: Send) -> Request:
        app, scope = self.app, self.scope
        stages = self._stages
        if stages is None:
            stages = self._stages = app._plans.stages(app, REQUEST)
        if not stages.is_watched:
            see_to_loop(app, scope, stages)
        path, root_path = scope["path"], scope.get("root_path")
        if root_path or not (path.startswith("/") and path.isascii()):
            path = path_within_root(scope)
        headers = headers_of_request(scope["headers"])
        self._fields = headers.first
        version = scope["http_version"]
        self._request = request = stages.request_class(
            scope["method"],
            scheme if (scheme := scope.get("scheme")) == "http" else http_scheme(scope),
            NOWHERE if path is None else path,
            scope["query_string"],
            headers,
            root_path or "",
            version,
            scope,  # type: ignore[arg-type]  # as servers fill it
            body_timeout=app.config["BODY_TIMEOUT"],
            send_push_promise=self._push_by(send) if scope.get("extensions") else cannot_push,
        )
        if path is None:
            request.routing_exception = NotFound()
        if version < "1.1":  # HTTP/1.0 requires no Host header.
            host = app._host_by_default()
            if host is not None:
                request.headers.setdefault("Host", host)
        return request

    def _push_by(self, send: Send) -> Callable[[str, Headers], Awaitable[None]]:
        """Return the function that sends a push promise, if the server takes any."""
        if "http.response.push" not in (self.scope.get("extensions") or ()):
            return cannot_push
        self._can_push = True
        # A method would make a reference cycle with the request.
        return partial(send_push_promise, send)


_HANDLING = Stock(ASGIHTTPConnection, "handle_request")


class ASGIWebsocketConnection(_Connection):
    """One websocket, from its handshake to its end."""

    message_types = "websocket.http.response.start", "websocket.http.response.body"
    #: The server's `send`.
    _sends: Send

    async def _serve(self, inbound: Inbound, send: Send) -> None:
        await inbound.receive()  # websocket.connect; the handler will accept it.
        websocket = self._create_websocket_from_scope(send)
        websocket.receive_from(inbound.receive)
        websocket._inbound = inbound
        inbound.begin_websocket()
        await self.handle_websocket(websocket, send)

    async def handle_websocket(self, websocket: Websocket, send: ASGISendCallable) -> None:
        """Have the application handle *websocket*, then close or refuse it if it has not."""
        app = self.app
        ctx, handle = app._context_for(websocket), app._plans.stages(app, WEBSOCKET).handle
        code = 1011  # RFC 6455 section 7.4.1: an unexpected condition.
        try:
            try:
                response = await handle(app, ctx, websocket)
            except Exception as error:
                response = self._failed(ctx, error)
            if response is None:
                code = 1000
            elif not self.answered:
                await self._refuse(ctx, send, response)
        finally:
            self._end_if_child(sys.exc_info()[1])
            ctx.release()
            inbound = websocket._inbound
            is_closed = inbound is not None and inbound.closed
            if (websocket.state is State.OPEN or not self.answered) and not is_closed:
                await self.close_connection(send, code, "")
            if inbound is not None and inbound.gone is None:
                await inbound.let_go()

    async def handle_messages(
        self,
        websocket: Websocket,
        receive: ASGIReceiveCallable,
        websocket_task: asyncio.Task[None] | None = None,
    ) -> None:
        """Push what *receive* returns into the websocket's buffer; cancel on a disconnect."""
        while True:
            message = await receive()
            if message["type"] == "websocket.receive":
                data = message.get("bytes")
                await websocket.buffer.put(cast(str, message.get("text")) if data is None else data)
            elif message["type"] == "websocket.disconnect":
                websocket.buffer.disconnect()
                if websocket_task is not None:
                    websocket_task.cancel()
                return

    async def _refuse(self, ctx: AppContext, send: Send, response: object) -> None:
        if "websocket.http.response" in (self.scope.get("extensions") or {}):
            if (sending := self._deliver(ctx, send, response)) is not None:
                await sending
        else:
            # Such a server can refuse only with a 403.
            await self.close_connection(send, 1000, "")

    async def accept_connection(
        self, send: ASGISendCallable, headers: Headers | None, subprotocol: str | None
    ) -> None:
        self.answered = True
        message: dict[str, object] = {"type": "websocket.accept", "subprotocol": subprotocol}
        message["headers"] = self._headers_to_accept_with(Headers(headers or ()))
        await self._send(send, message)

    def _headers_to_accept_with(self, headers: Headers) -> list[tuple[bytes, bytes]]:
        # ASGI has these since version 2.1; a scope without a version is of 2.0.
        version = str(self.scope.get("asgi", {}).get("spec_version", "2.0"))
        if version != "2.0":
            return encode_headers(headers)
        if headers:
            warnings.warn(
                "The headers given to `websocket.accept` are not sent: the ASGI server says that it"
                f" follows version {version} of the specification, which has none there.",
                stacklevel=2,
            )
        return []

    async def send_data(self, send: ASGISendCallable, data: str | bytes) -> None:
        if (rest := sender(send)(data)) is not None:
            await rest

    async def close_connection(self, send: ASGISendCallable, code: int, reason: str | None) -> None:
        self.answered = True
        await self._send(send, {"type": "websocket.close", "code": code, "reason": reason})

    def _create_websocket_from_scope(self, send: Send) -> Websocket:
        app, scope = self.app, self.scope
        stages = app._plans.stages(app, WEBSOCKET)
        if not stages.is_watched:
            see_to_loop(app, scope, stages)
        path, self._sends = path_within_root(scope), send
        websocket = app.websocket_class(
            NOWHERE if path is None else path,
            scope["query_string"],
            websocket_scheme(scope),
            headers_of_request(scope["headers"]),
            scope.get("root_path", ""),
            scope.get("http_version", "1.1"),
            list(scope.get("subprotocols") or ()),
            # Skip a coroutine for each message, unless somebody has replaced how to send.
            sender(send) if _SENDING.within(self) else partial(self.send_data, send),
            self._accept,
            self._close,
            cast("WebsocketScope", scope),
        )
        if path is None:
            websocket.routing_exception = NotFound()
        return websocket

    # Methods, since a partial is four objects that last as long as the websocket.

    async def _accept(self, headers: Headers, subprotocol: str | None) -> None:
        await self.accept_connection(self._sends, headers, subprotocol)

    async def _close(self, code: int, reason: str) -> None:
        await self.close_connection(self._sends, code, reason)


_SENDING = Stock(ASGIWebsocketConnection, "send_data")
