"""The body of a request: the one place where bytes arrive, are counted and are waited for.

Bytes come in one of two ways. Beneath a server they are pulled: `receive_from` gets ASGI's
`receive`, which is awaited only when somebody wants bytes and there are none. So nothing is
received that nobody wants. Or code pushes them, by `put`, `append` or `set_result`.

The invariant: all bytes that have arrived count against the limit, read or not.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Awaitable
from typing import Any, cast, Self, TypeVar

from werkzeug.exceptions import RequestEntityTooLarge, RequestTimeout

from .._loops.mailbox import in_trio, time_limit
from .._loops.resume import start, Suspended
from .._loops.turns import Turns
from .._types import Message, Receive, Stepping
from ._changes import Changing
from .base import ClientDisconnectedError

T = TypeVar("T")
#: A message that is there, or an awaitable for one that is not.
Now = tuple[Any, Awaitable[Any] | None]


class Body(Changing):
    """A request's body: iterate over it to take pieces as they come, or await it for all of it.

    Awaiting it again gives the same bytes. What iterating has taken is gone.

    Both ways raise the same errors.

    Raises:
        RequestEntityTooLarge: if more than *max_content_length* bytes are announced or arrive.
        ClientDisconnectedError: if the client goes away before the end.
        RequestTimeout: if more than `timeout` seconds were spent waiting for bytes.
    """

    #: The seconds that waiting for bytes may take in all; None for no limit.
    timeout: float | None = None
    #: The seconds that it has taken so far.
    _waited = 0.0

    # These, and `__new__`, are for subclasses written for Quart 0.22, whose `__init__` sets its own
    # attributes (`_max_content_length` and `_must_raise` are among them) and does not call ours.
    _max_content_length: int | None = None
    #: The error to raise even if the limit has been raised since, as bytes were dropped.
    _must_raise: Exception | None = None
    _expected: int | None = None
    _arrived = 0
    _chunks: deque[bytes]
    _result: bytes | None = None
    _ended = False
    _disconnected = False
    _receive: Receive | None = None
    _receiving = False
    _turns: Turns | None = None
    #: A `receive` that has begun, to be awaited before the next one.
    _begun: Awaitable[Any] | None = None

    def __new__(cls, *args: object, **kwargs: object) -> Self:
        body = super().__new__(cls)
        body._chunks = deque()
        return body

    def __init__(self, expected_content_length: int | None, max_content_length: int | None) -> None:
        self._expected = expected_content_length
        self._max_content_length = max_content_length

    @property
    def max_content_length(self) -> int | None:
        """The number of bytes that may arrive; None for no limit."""
        return self._max_content_length

    @max_content_length.setter
    def max_content_length(self, value: int | None) -> None:
        self._max_content_length = value

    @property
    def complete(self) -> bool:
        """Whether the last byte has arrived."""
        return self._ended

    def __aiter__(self) -> Body:
        return self

    async def __anext__(self) -> bytes:
        chunk = await self.read_chunk()
        if not chunk:
            raise StopAsyncIteration
        return chunk

    def __await__(self) -> Stepping[bytes]:
        return self._read_all().__await__()

    async def read_chunk(self) -> bytes:
        """Take the bytes that have arrived, waiting for some if there are none; b"" at the end."""
        self._check_limit()
        while not self._chunks:
            if self._ended:
                return b""
            await self._wait()
        return self._chunks.popleft()

    def take(self) -> bytes | None:
        """Take the bytes that have arrived, b"" at the end; None if you have to wait."""
        self._check_limit()
        if self._chunks:
            return self._chunks.popleft()
        return b"" if self._ended else None

    def take_at_once(self) -> bytes | None:
        """Take what the first step of a `receive` brings; None if it has to wait.

        The next caller that waits goes on with that `receive`. Call this on the task's thread.
        """
        if (
            self._receive is None
            or self._receiving
            or self._begun is not None
            or self._disconnected
            or in_trio()
        ):
            return None
        if self._turns is None:
            self._turns = Turns()
        elif self._turns.due():
            return None
        message, rest = receive_now(self._receive)
        if rest is None:
            self.take_in(message)
            return self.take()
        self.go_on_with(rest)
        return None

    async def get(self) -> bytes:
        """Quart's name for `read_chunk`."""
        return await self.read_chunk()

    async def _read_all(self) -> bytes:
        if self._result is None:
            self._check_limit()
            while not self._ended:
                await self._wait()
            self._result = self._join()
        return self._result

    def _join(self) -> bytes:
        if len(self._chunks) > 1:
            joined = b"".join(self._chunks)
            self._chunks.clear()
            self._chunks.append(joined)
        return self._chunks[0] if self._chunks else b""

    def _check_limit(self) -> None:
        if self._must_raise is not None:
            raise self._must_raise
        limit = self._max_content_length
        if limit is not None and max(self._arrived, self._expected or 0) > limit:
            raise RequestEntityTooLarge

    async def _wait(self) -> None:
        """Wait until something has changed; raise if the limit, the time or the client is gone."""
        if self._disconnected:
            raise ClientDisconnectedError
        if self._receive is None or self._receiving:
            change = self._wait_for_change()
        else:
            change = self._pull(self._receive)
        if self.timeout is None:
            await change
        else:
            await self._wait_in_time(change, self.timeout)
        self._check_limit()
        if self._turns is None:
            self._turns = Turns()
        elif self._turns.due() and not getattr(self._receive, "blocks", False):
            await self._turns.give()

    async def _wait_in_time(self, change: Awaitable[None], timeout: float) -> None:
        # The time that the handler spends between two chunks does not count.
        start = time.monotonic()
        try:
            await within(max(timeout - self._waited, 0), change)
            self._waited += time.monotonic() - start
        except BaseException as error:
            # The caller may read again, with the same limit.
            self._waited = 0.0
            if isinstance(error, TimeoutError):
                raise RequestTimeout from error
            raise

    async def _pull(self, receive: Receive) -> None:
        # Two readers must not both await `receive`: the one message that ends the body reaches
        # only one of them. The second waits for the first.
        self._receiving = True
        try:
            begun, self._begun = self._begun, None
            self.take_in(await (receive() if begun is None else begun))
        finally:
            self._receiving = False
            self._notify()

    def go_on_with(self, receiving: Awaitable[Any]) -> None:
        """Await *receiving*, a `receive` that has begun, before the next one."""
        self._begun = receiving

    def take_in(self, message: Message) -> None:
        """Add the bytes of *message*."""
        if message["type"] == "http.disconnect":
            self.disconnect()
        elif message["type"] == "http.request":
            self.append(message.get("body", b""))
            if not message.get("more_body", False):
                self.set_complete()

    def receive_from(self, receive: Receive) -> None:
        """Pull bytes from ASGI's *receive* from now on."""
        self._receive = receive
        self._notify()

    def append(self, data: bytes) -> None:
        """Add *data*. Bytes beyond the limit are counted but not kept."""
        if not data:
            return
        self._arrived += len(data)
        limit = self._max_content_length
        if limit is None or self._arrived <= limit:
            self._chunks.append(data)
        else:
            self._must_raise = RequestEntityTooLarge()
        self._notify()

    async def put(self, data: bytes) -> None:
        """Do the same as `append`, for callers that await it."""
        self.append(data)

    def set_complete(self) -> None:
        """Note that the last byte has arrived."""
        self._ended = True
        self._notify()

    def set_result(self, data: bytes) -> None:
        """Add *data*, and note that it is the end of the body."""
        self.append(data)
        self.set_complete()

    def disconnect(self) -> None:
        """Note that the client has gone, so no more bytes come, and wake the readers."""
        self._disconnected = True
        self._notify()

    def clear(self) -> None:
        """Drop the bytes that nobody has read."""
        self._chunks.clear()
        self._result = b"" if self._ended else None


async def within(seconds: float | None, awaitable: Awaitable[T]) -> T:
    """Await *awaitable* for at most *seconds*; None sets no limit.

    A timer is set only if the awaitable suspends; it does not if the body has arrived already.

    Raises:
        TimeoutError: if it takes longer.
    """
    if seconds is None:
        return await awaitable
    if in_trio():
        # Trio nests limits, so this one must begin before any that the first step may begin.
        async with time_limit(seconds):
            return await awaitable
    result = start(awaitable)
    if not isinstance(result, Suspended):
        return result
    async with time_limit(seconds):
        return cast(T, await result)


def receive_now(receive: Receive) -> Now:
    """Return the message if *receive* has it at once, or else None and an awaitable for it."""
    message = start(receive())
    return (None, message) if type(message) is Suspended else (message, None)
