"""The least HTTP and websocket client: one connection, one answer after another, nothing hidden."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable

from ._driver import Failure

PIECE = 256 * 1024


class Connection:
    """A kept connection to a server on this machine."""

    def __init__(self, port: int, host: str = "127.0.0.1", patience: float = 120.0) -> None:
        self.socket = socket.create_connection((host, port), timeout=patience)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, path: str, method: str = "GET", headers: Iterable[str] = ()) -> None:
        """Send a request line and headers, without waiting for the answer."""
        lines = [f"{method} {path} HTTP/1.1", "Host: localhost", *headers, "", ""]
        self.socket.sendall("\r\n".join(lines).encode())

    def upload(self, pieces: Iterable[bytes]) -> None:
        """Send a body."""
        for piece in pieces:
            self.socket.sendall(piece)

    def read(self) -> bytes:
        """The body of the next answer, which has to be a good one."""
        body = bytearray()
        for piece in self.pieces():
            body += piece
        return bytes(body)

    def pieces(self) -> Iterable[bytes]:
        """The same as it arrives: of chunked answers the chunks' frames as well."""
        head, rest = self._until(b"\r\n\r\n")
        lines = head.decode("latin-1").lower().split("\r\n")
        if lines[0].split(" ")[1] not in {"200", "201"}:
            raise Failure(f"expected a good answer, got {lines[0]}")
        fields = dict(line.split(": ", 1) for line in lines[1:])
        if "content-length" in fields:
            left = int(fields["content-length"]) - len(rest)
            yield rest
            while left:
                left -= len(piece := self._receive())
                yield piece
        else:
            yield from self._chunks(rest)

    def open_websocket(self, path: str) -> None:
        """Ask for a websocket, without waiting for the answer."""
        key = "Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg=="
        upgrade = ("Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", key)
        self.send(path, headers=upgrade)

    def await_websocket(self) -> None:
        """Wait until it is open."""
        head, _ = self._until(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 101"):
            raise Failure(f"expected a websocket, got {head[:80]!r}")

    def echo(self, text: bytes) -> bytes:
        """Send a short message and return the one that comes back."""
        mask = os.urandom(4)
        masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(text))
        self.socket.sendall(bytes((0x81, 0x80 | len(text))) + mask + masked)
        frame = b""
        while len(frame) < 2 or len(frame) < 2 + frame[1]:
            frame += self._receive()
        return frame[2:]

    def close(self) -> None:
        """Close at once, whatever is under way."""
        self.socket.close()

    def _until(self, mark: bytes) -> tuple[bytes, bytes]:
        data = b""
        while mark not in data:
            data += self._receive()
        head, _, rest = data.partition(mark)
        return head, rest

    def _chunks(self, rest: bytes) -> Iterable[bytes]:
        """Until the last chunk; bodies here hold no line of their own that looks like it."""
        end = b"0\r\n\r\n"
        tail = rest
        yield rest
        while not tail.endswith(end):
            piece = self._receive()
            tail = (tail + piece)[-len(end) :]
            yield piece

    def _receive(self) -> bytes:
        if not (data := self.socket.recv(PIECE)):
            raise Failure("the server closed the connection in the middle of an answer")
        return data
