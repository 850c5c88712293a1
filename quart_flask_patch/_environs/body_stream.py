"""A request's body as plain code reads it; this is the one place where reading waits."""

from __future__ import annotations

import io
from functools import partial
from typing import Any, cast

from quart._connection.inbound import Inbound
from quart._loops.mailbox import in_trio
from quart._threads import strategy
from quart._types import CoroutineOf, Receive
from quart.wrappers import Body, Request as CoreRequest
from quart.wrappers._body import Now, receive_now
from quart.wrappers._limits import announced_length

from .._waiting import bridge, runner

#: Up to this many bytes of a body are received ahead; servers themselves keep as many.
SMALL = 64 * 1024
#: The key of the stream in the instance dict that both faces of a request share.
STREAM = "_flask_stream"
#: The scope's key that says: the body comes from a WSGI server, and not over a loop.
BY_WSGI = "quart_flask_patch.by_wsgi"


class BodyStream(io.RawIOBase):
    """A request's body as ``wsgi.input``; reading waits for bytes that have not arrived."""

    def __init__(self, request: CoreRequest) -> None:
        self._request: CoreRequest | None = request
        self._body: Body | None = None
        #: Whether `readall` has taken the whole body, before there was a `Body`.
        self._is_taken = False
        self._rest = memoryview(b"")
        self._by_wsgi = bool(request.scope.get(BY_WSGI))

    def let_go(self) -> None:
        """Drop the reference to the request, which refers to this stream."""
        if self._request is not None:
            if not self._is_taken:
                self._body = self._request._body or self._request.body
            self._request = None

    def _current_body(self) -> Body:
        # Reading `request.body` applies a size limit that was changed meanwhile.
        if self._request is not None:
            return self._request.body
        if self._body is None:
            self._body = Body(None, None)
            self._body.set_complete()
        return self._body

    def _next_of(self, body: Body) -> bytes:
        chunk = body.take()
        if chunk is not None:
            return chunk
        if self._by_wsgi:
            return cast(bytes, strategy.wait_for(body.read_chunk()))
        if (inbound := _inbound_behind(body._receive)) is not None and (
            message := inbound.take_begun()
        ):
            body.take_in(message)
            return self._next_of(body)
        if bridge.is_beneath_task() and (chunk := body.take_at_once()) is not None:
            return chunk
        return bridge.wait(body.read_chunk(), partial(self._wait_without_task, body))

    def _wait_without_task(self, body: Body, reading: CoroutineOf[bytes]) -> bytes:
        """Wait for *reading* in a thread of the application's own, where no task is above."""
        inbound = _inbound_behind(body._receive)
        if inbound is None or runner.loop_runs():
            return runner.run(reading)
        reading.close()
        return inbound.from_thread(body.read_chunk)

    def _take_whole(self) -> bytes | None:
        """Take all of a body that has arrived in one message, before anybody has read of it."""
        request = self._request
        if request is None or self._by_wsgi:
            return None
        whole = request._arrived(receive_now if bridge.is_beneath_task() else _take_begun)
        if whole is not None:
            # Nothing is left, whoever reads after this.
            request._whole, self._is_taken = b"", True
        return whole

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._rest:
            self._rest = memoryview(self._next_of(self._current_body()))
        size = min(len(buffer), len(self._rest))
        buffer[:size] = self._rest[:size]
        self._rest = self._rest[size:]
        return size

    def read(self, size: int | None = -1, /) -> bytes:
        """Return *size* bytes, fewer only at the end of the body, as a WSGI server does."""
        if size is None or size < 0:
            return self.readall()
        pieces: list[bytes | memoryview] = []
        while size:
            piece = self._rest or self._next_of(self._current_body())
            if len(piece) > size:
                self._rest = memoryview(piece)[size:]
                piece = piece[:size]
            else:
                self._rest = self._rest[:0]
            if not piece:
                break
            pieces.append(piece)
            size -= len(piece)
        # Most bodies are one piece, which needs no copy.
        return pieces[0] if len(pieces) == 1 and type(pieces[0]) is bytes else b"".join(pieces)

    def readall(self) -> bytes:
        """Return the rest of the body; this is the usual way to read, so it makes no copy."""
        if (whole := self._take_whole()) is not None:
            return whole
        chunks = [bytes(self._rest)] if self._rest else []
        self._rest = self._rest[:0]
        body = self._current_body()
        while chunk := self._next_of(body):
            chunks.append(chunk)
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)


def _take_begun(receive: Receive) -> Now:
    """As `receive_now`, in a worker thread: take a message that was received ahead."""
    inbound = _inbound_behind(receive)
    return (None if inbound is None else inbound.take_begun()), None


def _inbound_behind(receive: object) -> Inbound | None:
    """Return our `Inbound` whose method *receive* is, or None."""
    inbound = getattr(receive, "__self__", None)
    return inbound if isinstance(inbound, Inbound) else None


def receive_early(request: Any) -> None:
    """Receive a small body that has arrived, before a thread is entered that will read it."""
    inbound: Inbound | None = request._inbound
    if inbound is None or inbound.receiving is not None or inbound.watcher is not None:
        return
    length = announced_length(request.headers)
    # Not if the client waits for 100 Continue: receiving would tell it to send the body.
    if length and length <= SMALL and "expect" not in request.headers and not in_trio():
        inbound.begin_to_receive()


def stream_of(connection: object) -> BodyStream:
    """Return the stream of *connection*'s body; all readers share it."""
    stream: BodyStream | None = connection.__dict__.get(STREAM)
    if stream is None:
        stream = connection.__dict__[STREAM] = BodyStream(_core_request(connection))
    return stream


def _core_request(connection: object) -> CoreRequest:
    """Return the async face of *connection*, which is either of the two faces."""
    if isinstance(connection, CoreRequest):
        return connection
    core = CoreRequest.__new__(CoreRequest)
    core.__dict__ = connection.__dict__
    return core
