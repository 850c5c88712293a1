"""Connections on which several requests may be under way at once."""

from __future__ import annotations

import base64
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

from h2.exceptions import ProtocolError

from _http2 import Client as HTTP2

PATIENCE = 20.0


class ConnectionEnded(Exception):
    """The server has closed the connection, which it may do after an answer."""


@dataclass
class Request:
    """One request; an upload is sent in two parts, so that something can happen in between."""

    path: str
    user: str | None = None
    cookie: str | None = None
    body: bytes = b""
    #: The answer.
    text: str = ""
    set_cookie: str | None = None
    #: Its number, on a connection that has streams.
    stream: int = 0
    _unsent: bytes = field(default=b"", repr=False)

    @property
    def method(self) -> str:
        return "POST" if self.body else "GET"

    def headers(self) -> dict[str, str]:
        headers = {"x-user": self.user, "cookie": self.cookie}
        return {name: value for name, value in headers.items() if value}


class Connection(Protocol):
    """The methods of a connection that scenarios use, for any protocol."""

    has_websockets: bool
    #: How many bytes can be sent to a server that does not read.
    unread_size: int

    def begin(self, request: Request) -> None: ...
    def finish(self, request: Request) -> None: ...
    def answer(self, request: Request) -> None: ...
    def websocket(self, request: Request) -> str: ...
    def close(self) -> None: ...


class Plain:
    """A connection over HTTP/1.1, as far as bytes."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self._file = self.socket.makefile("rb")

    def send(self, data: bytes) -> None:
        try:
            self.socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise ConnectionEnded from error

    def read_answer(self) -> tuple[int, dict[str, str], bytes]:
        """Return the status, the headers and the body."""
        status, headers = self.read_head()
        if headers.get("transfer-encoding") == "chunked":
            body = b""
            while size := int(self._line(), 16):
                body += self.read(size)
                self._line()
            self._line()
        elif "content-length" in headers:
            body = self.read(int(headers["content-length"]))
        else:
            body = b"" if status == 304 else self._file.read()
        return status, headers, body

    def read_head(self) -> tuple[int, dict[str, str]]:
        status = int(self._line().split()[1])
        headers: dict[str, str] = {}
        while line := self._line():
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        return status, headers

    def upgrade(self, path: str, headers: dict[str, str]) -> None:
        """Turn the connection into a websocket."""
        key = base64.b64encode(os.urandom(16)).decode()
        more = {"connection": "Upgrade", "upgrade": "websocket", "sec-websocket-key": key}
        more["sec-websocket-version"] = "13"
        self.send(head("GET", path, {**headers, **more}))
        status, _ = self.read_head()
        assert status == 101, status

    def read_message(self) -> bytes:
        """Return what the next frame holds, which is short."""
        _, size = self.read(2)
        if size == 126:
            size = int.from_bytes(self.read(2))
        return self.read(size)

    def send_message(self, text: str) -> None:
        data = text.encode()
        self.send(bytes([0x81, 0x80 | len(data)]) + bytes(4) + data)

    def close(self) -> None:
        self._file.close()
        self.socket.close()

    def _line(self) -> str:
        try:
            line = self._file.readline()
        except ConnectionResetError as error:
            raise ConnectionEnded from error
        if not line:
            raise ConnectionEnded
        return line.decode("latin-1").strip()

    def read(self, size: int) -> bytes:
        data = self._file.read(size)
        if len(data) < size:
            raise ConnectionEnded
        return data


def head(method: str, path: str, headers: dict[str, str]) -> bytes:
    fields = {"host": "localhost", **headers}
    lines = [f"{method} {path} HTTP/1.1", *map(": ".join, fields.items())]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


class OverHTTP1:
    """Requests one after the other; those that are begun at once are pipelined."""

    has_websockets = True
    unread_size = 300_000

    def __init__(self, port: int) -> None:
        self._plain = Plain(port)

    def begin(self, request: Request) -> None:
        half = len(request.body) // 2
        fields = {**request.headers(), "content-length": str(len(request.body))}
        self._plain.send(head(request.method, request.path, fields))
        self._plain.send(request.body[:half])
        request._unsent = request.body[half:]

    def finish(self, request: Request) -> None:
        self._plain.send(request._unsent)

    def answer(self, request: Request) -> None:
        _, headers, body = self._plain.read_answer()
        request.set_cookie = headers.get("set-cookie", "").partition(";")[0] or None
        request.text = body.decode()

    def websocket(self, request: Request) -> str:
        """Turn the connection into a websocket, and return the first message."""
        self._plain.upgrade(request.path, request.headers())
        return self._plain.read_message().decode()

    def close(self) -> None:
        self._plain.close()


class OverHTTP2:
    """Requests side by side on one connection, by prior knowledge."""

    has_websockets = False
    unread_size = 20_000

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self._client = HTTP2(self._socket)

    def begin(self, request: Request) -> None:
        has_body = bool(request.body)
        half = len(request.body) // 2
        with _may_end():
            request.stream = self._client._open(
                request.method, request.path, request.headers(), end=not has_body
            )
            self._client.send(request.stream, request.body[:half])
        request._unsent = request.body[half:]

    def finish(self, request: Request) -> None:
        stream = self._client.streams[request.stream]
        if request._unsent and not stream.ended:
            with _may_end():
                self._client.send(request.stream, request._unsent)
                self._client.end(request.stream)

    def answer(self, request: Request) -> None:
        with _may_end():
            stream = self._client.response(request.stream)
        request.set_cookie = stream.headers.get("set-cookie", "").partition(";")[0] or None
        request.text = stream.data.decode()

    def websocket(self, request: Request) -> str:
        raise NotImplementedError("expected a connection over HTTP/1.1 for a websocket")

    def close(self) -> None:
        self._socket.close()


@contextmanager
def _may_end() -> Iterator[None]:
    """Raise if the server ends the connection, as it may if a body was left unread."""
    try:
        yield
    except (ConnectionError, ProtocolError) as error:
        raise ConnectionEnded from error
