"""Turn responses into what is sent: Quart's and, from sync code, Werkzeug's."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterable, Awaitable, Callable, Generator, Iterable
from contextlib import AbstractAsyncContextManager, aclosing, nullcontext
from functools import partial
from time import monotonic
from typing import Any, NoReturn, TYPE_CHECKING

from greenlet import getcurrent
from werkzeug.datastructures import Headers
from werkzeug.wrappers import Response as WSGIResponse
from werkzeug.wsgi import FileWrapper

from .._formats.headers import encode_headers
from .._loops import forks
from .._loops.mailbox import shielded, time_limit
from .._loops.turns import Turns
from .._stock import Stock
from .._types import Message, Receive, Scope, Send
from ..wrappers import _reading as reading
from ..wrappers._bodies import aclose, as_bytes, calling, CHUNK_SIZE
from ..wrappers.base import ClientDisconnectedError
from ..wrappers.response import DataBody, encoded_headers, IterableBody, Response
from .inbound import Inbound, undisturbed
from .isolation import beginning, beneath

if TYPE_CHECKING:
    from ..ctx import AppContext

# The methods whose work is done here in a short way, unless somebody has replaced one.
_SENDING = Stock(Response, "close", "response", "status_code")
_CLOSING_PLAIN = Stock(WSGIResponse, "close")
_STEPPING = Stock(FileWrapper, "__iter__", "__next__")
ENCODING = Stock(WSGIResponse, "iter_encoded")
_SENDING_WHOLE = Stock(WSGIResponse, "close", "is_sequence", "iter_encoded")
_WRITING_HEADERS = Stock(WSGIResponse, "get_wsgi_headers")
_CALLING = Stock(WSGIResponse, "__call__", "get_app_iter", "get_wsgi_response")
#: A response's status, headers and body, and whether closing it may do anything. The body is None
#: if it is not a single piece of bytes.
Outgoing = tuple[int, list[tuple[bytes, bytes]], bytes | None, bool]


class Whole(tuple[int, list[tuple[bytes, bytes]], bytes, bool]):
    """What to send for an answer of which no response was made, as `Outgoing`."""

    __slots__ = ()

    @property
    def status_code(self) -> int:
        return self[0]


#: RFC 9110 section 15: a status has three digits.
SENDABLE = range(100, 1000)
_NO_BODY = frozenset({204, 304})
_CORRECTED = frozenset({"location", "content-location"})


def outgoing(ctx: AppContext, response: Any) -> Outgoing:
    """Return what to send for *response*."""
    status: int
    body: bytes | None
    if isinstance(response, Response):
        if _SENDING.within(response):
            status, source, closes = response._status_code, response._response, False
        else:
            status, source, closes = response.status_code, response.response, True
        body = source.data if isinstance(source, DataBody) else None
        headers = encoded_headers(response)
        closes = closes or body is None or bool(response._on_close)
    else:
        status, (body, closes) = response.status_code, foreign_body(response)
        headers = encode_headers(headers_of(ctx, response))
    if status not in SENDABLE:
        refuse_status(status)
    # RFC 9110 sections 6.4.1, 8.6 and 9.3.2.
    if status < 200 or status in _NO_BODY:
        body = b""
        headers = [header for header in headers if header[0] != b"content-length"]
    elif ctx.connection.method == "HEAD":  # type: ignore[union-attr]  # a connection is answered
        body = b""
    return status, headers, body, closes


def refuse_status(status: int) -> NoReturn:
    """Raise an error for a *status* that no server can send; one of them would end its process."""
    raise ValueError(
        f"Expected a status of three digits, from 100 to 999 (RFC 9110, section 15), got {status}."
        " Check it before you answer with a number that a client has sent."
    )


def is_called(response: object) -> bool:
    """Whether Werkzeug's *response* has its own `__call__`, which makes what is sent."""
    return isinstance(response, WSGIResponse) and not _CALLING.within(response)


class _Called(WSGIResponse):
    """What calling a response has given: it has the headers that it has, and no others."""

    default_mimetype = None
    automatically_set_content_length = False


async def called(ctx: AppContext, response: WSGIResponse) -> WSGIResponse:
    """Return the response that calling *response* as WSGI gives; Flask calls every response."""
    environ = ctx.app._face_of(ctx).environ
    made: Any = ctx.plan.place.adapt(_Called.from_app)(response, environ)
    return await made if hasattr(made, "__await__") else made  # type: ignore[no-any-return]  # as above


def foreign_body(response: object) -> tuple[bytes | None, bool]:
    """Return the body of Werkzeug's *response*, and whether closing that may do anything."""
    if (
        isinstance(response, WSGIResponse)
        and type(pieces := response.response) is list
        and len(pieces) == 1
        and type(pieces[0]) is bytes
        and _SENDING_WHOLE.within(response)
    ):
        return pieces[0], bool(response._on_close)  # As most responses are.
    return _whole_body(response), _may_close(response)


def is_without_body(ctx: AppContext, status: int) -> bool:
    # RFC 9110 sections 6.4.1 and 9.3.2.
    return status < 200 or status in _NO_BODY or ctx.connection.method == "HEAD"  # type: ignore[union-attr]  # a connection is answered


def _whole_body(response: object) -> bytes | None:
    if not isinstance(response, WSGIResponse) or not response.is_sequence:
        return None
    return b"".join(response.iter_encoded())


def _may_close(response: Any) -> bool:
    if response._on_close or not isinstance(response, WSGIResponse):
        return True
    body = response.response
    if hasattr(body, "close") or hasattr(body, "aclose"):
        return True
    return not _CLOSING_PLAIN.within(response)


def headers_of(ctx: AppContext, response: Any) -> Headers:
    if not isinstance(response, WSGIResponse):
        return response.headers  # type: ignore[no-any-return]  # it is of no known class
    if _is_complete(response):
        return response.headers
    environ = {}
    if response.autocorrect_location_header:
        environ = ctx.app._face_of(ctx).environ
    return response.get_wsgi_headers(environ)


def _is_complete(response: WSGIResponse) -> bool:
    """Whether `get_wsgi_headers` would return an unchanged copy of the headers."""
    headers = response.headers
    if not isinstance(headers, Headers):  # A view has assigned a dict.
        return False
    names = [name.lower() for name, _ in headers._list]
    status = response.status_code
    return (
        "content-length" in names
        and _CORRECTED.isdisjoint(names)
        and status >= 200
        and status not in _NO_BODY
        and _WRITING_HEADERS.within(response)
    )


def _convert_os_error(send: Send) -> Send:
    """Return *send*, raising ClientDisconnectedError in place of OSError."""

    async def convert(message: Message) -> None:
        try:
            await send(message)
        except OSError as error:  # ASGI 2.4: the client is gone.
            raise ClientDisconnectedError from error

    return convert


async def send_chunks(ctx: AppContext, send: Send, response: object, message_type: str) -> None:
    """Send the body of *response* piece by piece, without the message that ends it.

    Raises:
        ClientDisconnectedError: if the client has left.
    """
    seconds = getattr(response, "timeout", Ellipsis)
    if seconds is Ellipsis:
        seconds = ctx.app.config.get("RESPONSE_TIMEOUT")
    timeout = nullcontext() if seconds is None else time_limit(seconds)
    inbound: Inbound | None = ctx.connection._inbound  # type: ignore[union-attr]  # it is answered
    sending = _sending(send, inbound, message_type)
    next(sending)
    take = sending.send
    plain, body = _source_of(response)
    async with timeout:
        if plain is not None:
            if (handing_on := ctx.home.hand_on(ctx, plain, take)) is not None:
                await handing_on
                return
            body = aclosing(ctx.home.iterate(ctx, plain))
        async with _Chunks(ctx.connection, body) as chunks:
            async for chunk in chunks:
                # Of a plain iterable these are several, as many as are there.
                rest = take((chunk,) if plain is None else chunk)  # type: ignore[arg-type]
                while rest is not None:
                    await rest
                    rest = take(None)


def _sending(
    send: Send, inbound: Inbound | None, message_type: str
) -> Generator[Awaitable[None] | None, Iterable[object] | None, None]:
    """Send the pieces that are sent into this; its `send` is a `Take`.

    A piece that the server takes at once needs no coroutine, and a generator looks up once what a
    function would look up for each piece.
    """
    send, outside, go_on = beneath(send)
    generation, turns = forks.generation, Turns()
    if inbound is not None:
        inbound.gone = inbound.gone  # "attribute" in docs/performance.md
    message = {"type": message_type, "body": b"", "more_body": True}
    while True:
        pieces = yield None
        this = getcurrent()
        inside = this.gr_context
        for piece in pieces or ():
            if monotonic() >= turns.until:
                yield turns.give()
                this = getcurrent()
                inside = this.gr_context
            if generation != forks.generation or (inbound is not None and inbound.gone is not None):
                _stop(generation)
            data = piece if type(piece) is bytes else as_bytes(piece)
            if not data:
                continue  # It could look like the end.
            message = message.copy()
            message["body"] = data
            # The server's function runs in the server's context: see `isolation.py`.
            this.gr_context = inside if outside is False else outside
            try:
                steps = send(message).__await__()
                # It seldom waits, and a `for` finds that out without an exception.
                for future in steps:  # noqa: B007
                    break
                else:
                    continue
            except OSError as error:  # ASGI 2.4: the client is gone.
                raise ClientDisconnectedError from error
            finally:
                this.gr_context = inside
            yield _sent(go_on(steps, future))
            this = getcurrent()
            inside = this.gr_context


def _stop(generation: int) -> NoReturn:
    """End a child that the code that streams has forked; otherwise the client has left."""
    forks.end_if_child(generation)
    raise ClientDisconnectedError


async def _sent(rest: Awaitable[None]) -> None:
    try:
        await rest
    except OSError as error:  # ASGI 2.4: the client is gone.
        raise ClientDisconnectedError from error


def _source_of(response: Any) -> tuple[Iterable[object] | None, Any]:
    """Return the plain iterable that makes the pieces of *response*, or None; and its body."""
    body = response.response
    if not isinstance(response, WSGIResponse):
        return (body.plain_iterable if isinstance(body, IterableBody) else None), body
    if hasattr(body, "__aiter__"):
        return None, IterableBody(body)
    length: int | None = response.content_length
    # A file without a length may be a pipe; do not read more than it has.
    if length is not None and (file := file_of(response)) is not None:
        # Werkzeug's pieces have 8 KiB, and each would be a message to the server.
        file.buffer_size = max(file.buffer_size, CHUNK_SIZE)
        opened = file.file
        if reading.is_on_disk(opened):
            number, begin = opened.fileno(), opened.tell()
            return None, aclosing(reading.pieces(number, begin, sys.maxsize, file.buffer_size))
    return response.iter_encoded(), None


def file_of(response: WSGIResponse) -> FileWrapper | None:
    """Return the file that a plain *response* passes on, unless somebody steps it another way."""
    body: object = response.response
    if response.direct_passthrough and type(body) is FileWrapper and _STEPPING.within(body):
        return body
    return None


class _Chunks(AbstractAsyncContextManager[AsyncIterable[Any]]):
    """The pieces of a body; leaving this closes what was iterated over, whatever has ended it."""

    def __init__(
        self, connection: object, source: AbstractAsyncContextManager[AsyncIterable[object]]
    ) -> None:
        self._connection = connection
        self._source = source

    async def __aenter__(self) -> AsyncIterable[object]:
        return await self._source.__aenter__()

    async def __aexit__(self, exc_type: type[BaseException] | None, *exc_info: Any) -> None:
        with shielded(exc_type), undisturbed(self._connection):
            await self._source.__aexit__(exc_type, *exc_info)


async def close_response(ctx: AppContext, response: Any) -> None:
    """Close what is still open of the body, then call the functions given to `call_on_close`.

    Plain functions are called where the request has run.
    """
    call = partial(ctx.home.call, ctx)
    if not isinstance(response, WSGIResponse):
        token = calling.set(call)
        try:
            await response.close()
        finally:
            calling.reset(token)
        return
    try:
        if is_async := hasattr(response.response, "__aiter__"):
            await aclose(response.response)
    finally:
        if not is_async or response._on_close or not _CLOSING_PLAIN.within(response):
            await call(response.close)


async def send_push_promise(send: Send, path: str, headers: Headers) -> None:
    message = {"type": "http.response.push", "path": path, "headers": encode_headers(headers)}
    await send(message)


async def cannot_push(path: str, headers: Headers) -> None:
    """Do nothing: this server or its client cannot take push promises."""


def sender(send: Send) -> Callable[[str | bytes], Awaitable[None] | None]:
    """Return a function that sends a websocket's message, and returns an awaitable if that waits.

    The caller handles its OSError.
    """
    begin = beginning(send)

    def sending(data: str | bytes) -> Awaitable[None] | None:
        if isinstance(data, str):
            return begin({"type": "websocket.send", "text": data, "bytes": None})
        return begin({"type": "websocket.send", "text": None, "bytes": data})

    return sending


async def refuse(
    scope: Scope,
    receive: Receive,
    send: Send,
    status: int,
    headers: list[tuple[bytes, bytes]],
    body: bytes,
) -> None:
    """Refuse a websocket before a context is made for it and before anything is received."""
    await receive()
    if "websocket.http.response" not in (scope.get("extensions") or {}):
        await send({"type": "websocket.close", "code": 1000, "reason": ""})
        return
    message_type = "websocket.http.response"
    await send({"type": f"{message_type}.start", "status": status, "headers": headers})
    await send({"type": f"{message_type}.body", "body": body, "more_body": False})
