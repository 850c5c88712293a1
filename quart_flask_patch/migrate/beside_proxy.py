"""Pass requests on to the old application, streaming both ways, with one connection for each.

Headers that concern only two neighbours end here. h11 frames each request anew, so the old
application sees exactly one request, whatever its client's framing was. And no connection serves
two requests, so no part of one can pass for the beginning of another.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import cast
from urllib.parse import quote

import anyio
import httpcore

from quart._connection.disclosure import says_forwarded
from quart._types import Message, Receive, Scope, Send

from .beside_child import CLIENT, PORT, ROOT, SCHEME

Headers = list[tuple[bytes, bytes]]
#: RFC 9110, section 7.6.1, and other headers that proxies use.
_HOP_BY_HOP = frozenset(
    {
        *(b"connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization"),
        *(b"proxy-connection", b"te", b"trailer", b"transfer-encoding", b"upgrade"),
    }
)
_OWN = b"x-beside"
_ORIGIN = httpcore.Origin(b"http", b"localhost", 80)
#: Seconds to connect. The application decides how long an answer takes.
_TIMEOUT = {"connect": 10.0, "read": None, "write": None, "pool": None}


class BadRequestError(Exception):
    """A request that is refused, as two servers could read it differently."""


class UnavailableError(Exception):
    """The old application does not run, or ended before it had answered."""


class _Body:
    """A request's body as it arrives; after it, tells when the client has left."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._first: Message | None = None
        self._is_read = anyio.Event()
        self.has_left = False

    async def is_empty(self) -> bool:
        message = self._first = await self._receive()
        self.has_left = message["type"] == "http.disconnect"
        if message.get("body") or message.get("more_body"):
            return False
        self._is_read.set()
        return True

    async def __aiter__(self) -> AsyncIterator[bytes]:
        message = self._first
        while message is not None:
            if message["type"] == "http.disconnect":
                self.has_left = True
                raise UnavailableError("the client has left before its request was whole")
            if body := message.get("body"):
                yield body
            message = await self._receive() if message.get("more_body") else None
        self._is_read.set()

    async def left(self) -> None:
        """Wait until the client has left, after its whole request."""
        await self._is_read.wait()
        while (await self._receive())["type"] != "http.disconnect":
            pass
        self.has_left = True


async def forward(
    scope: Scope, receive: Receive, send: Send, address: str | None, trusts_forwarded: bool
) -> None:
    """Have the old application answer; if the client leaves, its request is given up.

    Raises:
        BadRequestError: if the request cannot be handed on.
        UnavailableError: if there is no answer, and nothing has been sent.
    """
    headers = headers_to_old(scope, trusts_forwarded)
    if address is None:
        raise UnavailableError("it is not running")
    body = _Body(receive)
    is_empty = await body.is_empty()
    if body.has_left:
        return
    if not is_empty and not _has(headers, b"content-length"):
        headers.append((b"transfer-encoding", b"chunked"))
    target = httpcore.URL(scheme=b"http", host=b"localhost", port=80, target=target_of(scope))
    request = httpcore.Request(
        cast(str, scope["method"]),
        target,
        headers=headers,
        content=b"" if is_empty else body,
        extensions={"timeout": _TIMEOUT},
    )

    async def watch(scope: anyio.CancelScope) -> None:
        await body.left()
        scope.cancel()

    failure: Exception | None = None
    async with anyio.create_task_group() as group:
        group.start_soon(watch, group.cancel_scope)
        try:
            await _exchange(request, send, address)
        except (UnavailableError, OSError) as error:
            failure = error
        group.cancel_scope.cancel()
    if failure is not None and not body.has_left:
        raise failure


async def _exchange(request: httpcore.Request, send: Send, address: str) -> None:
    async with httpcore.AsyncHTTPConnection(_ORIGIN, uds=address) as connection:
        begun = False
        try:
            response = await connection.handle_async_request(request)
            begun = True
            await send(
                {
                    "type": "http.response.start",
                    "status": response.status,
                    "headers": end_to_end(response.headers),
                }
            )
            async for chunk in response.aiter_stream():
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await response.aclose()
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException) as error:
            said = f"{type(error).__name__}: {error}".rstrip(": ")
            if begun:
                # The server will then break off the answer that it has begun to send.
                raise RuntimeError(
                    f"The old application has broken off its answer: {said}"
                ) from error
            raise UnavailableError(said) from error
        await send({"type": "http.response.body", "body": b"", "more_body": False})


def target_of(scope: Scope) -> bytes:
    raw: bytes | None = scope.get("raw_path")
    path = raw.partition(b"?")[0] if raw else quote(scope["path"], safe="/:@!$&'()*+,;=~").encode()
    query: bytes = scope["query_string"]
    return path + b"?" + query if query else path


def end_to_end(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """Return *headers* without those that concern only the next neighbour."""
    kept = [(name.lower(), value) for name, value in headers]
    named = b",".join(value for name, value in kept if name == b"connection")
    dropped = _HOP_BY_HOP | {name.strip().lower() for name in named.split(b",")}
    return [(name, value) for name, value in kept if name not in dropped]


def headers_to_old(scope: Scope, trusts_forwarded: bool) -> Headers:
    """Return what the old application gets of a request's headers, and what it is told besides.

    Raises:
        BadRequestError: if its length or its host is ambiguous.
    """
    given = [(name.lower(), value) for name, value in scope["headers"]]
    _check(given)
    client = scope.get("client") or ("", 0)
    scheme = scope.get("scheme", "http")
    kept = [(name, value) for name, value in end_to_end(given) if _goes_on(name)]
    if not trusts_forwarded:
        kept = [(name, value) for name, value in kept if not says_forwarded(name)]
        host = next((value for name, value in given if name == b"host"), b"")
        kept += [
            (b"x-forwarded-for", client[0].encode()),
            (b"x-forwarded-proto", scheme.encode()),
            (b"x-forwarded-host", host),
        ]
    if not _has(kept, b"host"):
        kept.append((b"host", b"localhost"))
    said = {CLIENT: client[0], PORT: client[1], SCHEME: scheme, ROOT: scope.get("root_path", "")}
    kept += [(name.encode(), str(value).encode("utf-8")) for name, value in said.items()]
    return [*kept, (b"connection", b"close")]


def _goes_on(name: bytes) -> bool:
    # To WSGI, `x_beside` and `x-beside` are the same name. `Expect` was answered already.
    return b"_" not in name and not name.startswith(_OWN) and name != b"expect"


def _has(headers: Headers, wanted: bytes) -> bool:
    return any(name == wanted for name, _ in headers)


def _check(headers: Headers) -> None:
    lengths = {value.strip() for name, value in headers if name == b"content-length"}
    codings = [value.strip().lower() for name, value in headers if name == b"transfer-encoding"]
    if lengths and codings:
        raise BadRequestError("it has both a Content-Length and a Transfer-Encoding")
    if len(lengths) > 1 or not all(value.isdigit() for value in lengths):
        raise BadRequestError("its Content-Length is not one number")
    if codings not in ([], [b"chunked"]):
        raise BadRequestError("its Transfer-Encoding is not `chunked`")
    if sum(name == b"host" for name, _ in headers) > 1:
        raise BadRequestError("it has more than one Host")
