"""Messages that a client has sent and nobody has read yet: some in memory, the rest in a file."""

from __future__ import annotations

from collections import deque
from struct import Struct
from tempfile import TemporaryFile
from typing import IO

from .._types import Message

#: How many bytes are kept in memory.
IN_MEMORY = 64 * 1024
# Count this many bytes for each message, so that a flood of empty ones is bounded too.
_COST = 256
_HEAD = Struct("!BQ")
#: The first byte of a record in the file, and the key of its message.
_PART, _LAST_PART, _TEXT, _BYTES = range(4)


class Backlog:
    """Messages in the order in which they came.

    Writing and reading the file does not wait for a disk: the system still has in memory what was
    just written, and the size is small.
    """

    def __init__(self) -> None:
        #: How many bytes of content are kept; and the same plus the cost of each message.
        self.length = self.size = 0
        self._messages: deque[Message] = deque()
        self._in_memory = 0
        self._file: IO[bytes] | None = None
        self._read = self._written = 0

    def __bool__(self) -> bool:
        return bool(self._messages) or self._read < self._written

    def put(self, message: Message) -> None:
        """Add *message*, a part of a body or a message of a websocket."""
        length = _length(message)
        size = _COST + length
        self.length += length
        self.size += size
        if self._read == self._written and self._in_memory < IN_MEMORY:
            self._messages.append(message)
            self._in_memory += size
            return
        if self._file is None:
            self._file = TemporaryFile()  # noqa: SIM115  # it is closed with the rest
        code, data = _packed(message)
        self._file.seek(self._written)
        self._file.write(_HEAD.pack(code, len(data)) + data)
        self._written += _HEAD.size + len(data)

    def take(self) -> Message:
        """Remove and return the oldest message."""
        if self._messages:
            message = self._messages.popleft()
            self._in_memory -= _COST + _length(message)
        else:
            assert self._file is not None
            self._file.seek(self._read)
            code, length = _HEAD.unpack(self._file.read(_HEAD.size))
            message = _unpacked(code, self._file.read(length))
            self._read += _HEAD.size + length
            if self._read == self._written:
                self._read = self._written = 0
                self._file.truncate(0)
        self.length -= _length(message)
        self.size -= _COST + _length(message)
        return message

    def close(self) -> None:
        """Forget everything."""
        self._messages.clear()
        self.length = self.size = self._in_memory = self._read = self._written = 0
        if self._file is not None:
            self._file.close()
            self._file = None


def _length(message: Message) -> int:
    return len(message.get("body") or message.get("bytes") or message.get("text") or b"")


def _packed(message: Message) -> tuple[int, bytes]:
    if message["type"] == "http.request":
        more = message.get("more_body", False)
        return _PART if more else _LAST_PART, message.get("body", b"")
    data = message.get("bytes")
    if data is not None:
        return _BYTES, data
    return _TEXT, (message.get("text") or "").encode("utf-8", "surrogatepass")


def _unpacked(code: int, data: bytes) -> Message:
    if code in (_PART, _LAST_PART):
        return {"type": "http.request", "body": data, "more_body": code == _PART}
    if code == _BYTES:
        return {"type": "websocket.receive", "bytes": data, "text": None}
    text = data.decode("utf-8", "surrogatepass")
    return {"type": "websocket.receive", "bytes": None, "text": text}
