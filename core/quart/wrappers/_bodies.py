"""Response bodies: bytes, an iterable, a file on disk, an open file.

Each is an async context manager whose value is iterated over to send it:
``async with body as chunks: async for chunk in chunks: ...``. No body blocks the event loop.
"""

from __future__ import annotations

import io
from abc import ABC, abstractmethod
from collections.abc import (
    AsyncGenerator,
    AsyncIterable,
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
)
from contextvars import ContextVar
from inspect import isawaitable, iscoroutinefunction
from os import PathLike
from types import TracebackType
from typing import Any, IO

from werkzeug.exceptions import RequestedRangeNotSatisfiable

from .._stock import Stock
from .._threads.lease import call
from ..globals import _cv_app
from ..utils import file_path_to_path, run_sync_iterable
from . import _reading as reading

CHUNK_SIZE = 64 * 1024


def _raise_if_invalid_range(begin: int, end: int, size: int) -> None:
    """Check that a body of *size* bytes has a part from *begin* to *end*.

    Raises:
        RequestedRangeNotSatisfiable: if it is not.
    """
    if not 0 <= begin < end <= size:
        raise RequestedRangeNotSatisfiable(size)


class ResponseBody(ABC):
    """The body of a response; enter it to get it ready for sending."""

    @abstractmethod
    async def __aenter__(self) -> AsyncIterable[Any]:
        """Return the async iterable of chunks."""

    @abstractmethod
    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        """Release what entering has opened, even if not all chunks were read."""


class _Sliceable(ResponseBody):
    """A body that can send only the part from `begin` up to `end`, if its size is known."""

    size: int | None
    begin: int
    end: int

    async def make_conditional(self, begin: int, end: int | None) -> int:
        """Send only the bytes from *begin* up to *end*; return the size of the whole.

        A negative *begin* counts from the end of the body.

        Raises:
            RequestedRangeNotSatisfiable: if the body has no such bytes.
        """
        size = self.size
        if size is None:
            raise RequestedRangeNotSatisfiable
        begin = max(size + begin, 0) if begin < 0 else begin
        end = size if end is None else min(end, size)
        _raise_if_invalid_range(begin, end, size)
        self.begin, self.end = begin, end
        return size


class DataBody(_Sliceable):
    """A body that is in memory, as `data`."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.begin = 0
        self.size = self.end = len(data)

    async def make_conditional(self, begin: int, end: int | None) -> int:
        size = await super().make_conditional(begin, end)
        self.data = self.data[self.begin : self.end]
        return size

    async def __aenter__(self) -> DataBody:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        pass

    def __aiter__(self) -> AsyncIterator[bytes]:
        return _each([self.data])


class IterableBody(ResponseBody):
    """A body that is made while it is sent; a plain iterator is stepped in a worker thread.

    A subclass may set `iter` instead of calling this class's `__init__`.
    """

    iterable: AsyncIterable[Any] | Iterable[Any]
    _iter: AsyncIterator[object] | None = None
    _closed = False

    def __init__(self, iterable: AsyncIterable[Any] | Iterable[Any]) -> None:
        if not hasattr(iterable, "__aiter__") and not hasattr(iterable, "__iter__"):
            raise TypeError(
                "Expected str, bytes, a plain or async iterable of them, an open file, a path or a"
                f" ResponseBody for the body of a response, got {type(iterable).__name__}."
            )
        self.iterable = iterable

    @property
    def plain_iterable(self) -> Iterable[Any] | None:
        """The iterable, if a step of it may run plain code that blocks; otherwise None."""
        plain = not hasattr(self.iterable, "__aiter__") and not isinstance(
            self.iterable, (list, tuple)
        )
        return self.iterable if plain else None  # type: ignore[return-value] # not async

    @property
    def iter(self) -> AsyncIterator[Any]:
        """The iterator over the chunks, made on first access."""
        if self._iter is None:
            self._iter = _iterate(self.iterable)
        return self._iter

    @iter.setter  # noqa: A003  # it is the property above
    def iter(self, value: AsyncIterator[Any]) -> None:
        self.iterable = self._iter = value

    def __aiter__(self) -> AsyncIterator[Any]:
        return self.iter

    async def __aenter__(self) -> IterableBody:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the iterator, and the iterable if it can be closed. Later calls do nothing."""
        if self._closed:
            return
        self._closed = True
        if self._iter is not None:
            await aclose(self._iter)
        if hasattr(self.iterable, "aclose"):
            if self.iterable is not self._iter:
                await aclose(self.iterable)
        elif hasattr(self.iterable, "close") and not _is_finished(self.iterable):
            await call_plain(self.iterable.close)


class _ReadBody(_Sliceable):
    """A body that is read piece by piece in a worker thread, at most `buffer_size` at a time."""

    buffer_size = CHUNK_SIZE
    _chunks: AsyncGenerator[bytes, None] | None = None

    @abstractmethod
    def _open(self) -> IO[bytes]:
        """Return the file, at `begin`. Called in a worker thread."""

    @abstractmethod
    def _close(self, file: IO[bytes]) -> None:
        """Close *file*, which `_open` has returned. Called in a worker thread."""

    async def __aenter__(self) -> AsyncIterable[bytes]:
        self._chunks = self._read()
        return self._chunks

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_value: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        if self._chunks is not None:
            await self._chunks.aclose()
            self._chunks = None

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._read() if self._chunks is None else self._chunks

    async def _read(self) -> AsyncGenerator[bytes, None]:
        if self.size is not None and self.end - self.begin <= self.buffer_size:
            chunk = await call(self._read_all)
            if chunk:
                yield chunk
            return
        file = await call(self._open)
        try:
            async for chunk in self._read_pieces(file):
                yield chunk
        finally:
            await call(self._close, file)

    async def _read_pieces(self, file: IO[bytes]) -> AsyncGenerator[bytes, None]:
        left = self.end - self.begin
        while self.size is None or left > 0:
            wanted = self.buffer_size if self.size is None else min(self.buffer_size, left)
            chunk = await call(file.read, wanted)
            if not chunk:
                return
            left -= len(chunk)
            yield chunk

    def _read_all(self) -> bytes:
        # If the content fits into one chunk, visit the thread only once.
        file = self._open()
        try:
            return file.read(self.end - self.begin)
        finally:
            self._close(file)


class FileBody(_ReadBody):
    """The content of a file on disk, opened when it is sent."""

    def __init__(self, file_path: str | PathLike[str], *, buffer_size: int | None = None) -> None:
        self.file_path = file_path_to_path(file_path)
        self.size = self.file_path.stat().st_size
        self.begin = 0
        self.end = self.size
        if buffer_size is not None:
            self.buffer_size = buffer_size

    def _open(self) -> IO[bytes]:
        file = self.file_path.open("rb")
        file.seek(self.begin)
        return file

    def _close(self, file: IO[bytes]) -> None:
        file.close()

    def _read(self) -> AsyncGenerator[bytes, None]:
        if reading.NOW is None or self.begin == self.end or not _READING_FILE.within(self):
            return super()._read()
        return self._read_mostly_now()

    async def _read_mostly_now(self) -> AsyncGenerator[bytes, None]:
        # To open it asks the kernel no more than its size did. Cost: "stat" in docs/performance.md.
        with open(self.file_path, "rb", buffering=0) as file:  # noqa: ASYNC230  # see above
            if type(file) is io.FileIO:
                pieces = reading.pieces(file.fileno(), self.begin, self.end, self.buffer_size)
            else:  # A test's own `open`, whose files have no descriptors of the kernel's.
                file.seek(self.begin)
                pieces = self._read_pieces(file)
            async for chunk in pieces:
                yield chunk


#: What else reads a file, in a worker thread.
_READING_FILE = Stock(FileBody, "_open", "_close", "_read_all", "_read_pieces")


class IOBody(_ReadBody):
    """The content of an open file, from its start if it can seek. The file is not closed."""

    def __init__(self, io_stream: IO[bytes], *, buffer_size: int | None = None) -> None:
        self.io_stream = io_stream
        self.size = _size_of(io_stream)
        self.begin = 0
        self.end = self.size or 0
        if buffer_size is not None:
            self.buffer_size = buffer_size

    def __aiter__(self) -> AsyncIterator[bytes]:
        if isinstance(self.io_stream, io.BytesIO):
            return self._slices(self.io_stream)
        return super().__aiter__()

    async def __aenter__(self) -> AsyncIterable[bytes]:
        # Content in memory needs no thread.
        if isinstance(self.io_stream, io.BytesIO):
            return self
        return await super().__aenter__()

    async def _slices(self, stream: io.BytesIO) -> AsyncIterator[bytes]:
        for start in range(self.begin, self.end, self.buffer_size):
            stream.seek(start)
            yield stream.read(min(self.buffer_size, self.end - start))

    def _open(self) -> IO[bytes]:
        if self.size is not None:
            self.io_stream.seek(self.begin)
        return self.io_stream

    def _close(self, file: IO[bytes]) -> None:
        pass


def _size_of(stream: IO[bytes]) -> int | None:
    if isinstance(stream, io.BytesIO):
        return stream.getbuffer().nbytes
    try:
        position = stream.tell()
        size = stream.seek(0, io.SEEK_END)
        stream.seek(position)
    except (AttributeError, OSError):
        return None
    return size


def _iterate(iterable: Any) -> AsyncIterator[Any]:
    if hasattr(iterable, "__aiter__"):
        iterator: AsyncIterator[object] = iterable.__aiter__()
        return iterator
    if isinstance(iterable, (list, tuple)):
        return _each(iterable)
    return run_sync_iterable(iter(iterable))


async def _each(items: Iterable[object]) -> AsyncIterator[Any]:
    for item in items:
        yield item


def _is_finished(iterable: object) -> bool:
    # The generator has ended; closing it would visit the worker thread for nothing.
    return getattr(iterable, "gi_frame", iterable) is None


async def aclose(iterator: Any) -> None:
    """Close *iterator* if it has an async `aclose`; a mock seems to have any attribute."""
    close = getattr(iterator, "aclose", None)
    if close is not None and isawaitable(closing := close()):
        await closing


#: While a response is closed: calls plain functions where its request ran.
calling: ContextVar[Callable[[Callable[[], Any]], Awaitable[Any]]] = ContextVar("quart.calling")


async def call_plain(func: Callable[[], Any]) -> Any:
    """Call *func*, async or plain; a plain one runs where the request runs, if there is one."""
    ctx, call = _cv_app.get(None), calling.get(None)
    if ctx is not None:
        return await ctx.app.ensure_async(func)()
    result = func() if call is None or iscoroutinefunction(func) else await call(func)
    return await result if isawaitable(result) else result


def as_bytes(chunk: Any) -> bytes:
    """Return *chunk*, a part of a body, as it is sent."""
    if isinstance(chunk, str):
        return chunk.encode()
    if type(chunk) is bytes:
        return chunk
    try:
        # `bytes(3)` would be three NULs, and `bytes([3])` a control character.
        return bytes(memoryview(chunk))
    except TypeError:
        raise TypeError(
            f"Expected str or bytes as a part of a response's body, got {type(chunk).__name__}."
            " For JSON, send `json.dumps(value)`."
        ) from None
