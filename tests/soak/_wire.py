"""Connections to a server on which several requests may be under way at once."""

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
    """The server has closed the connection, as it may after an answer."""


@dataclass
class Request:
    """One request; an upload is sent in two parts, so that something can happen in between."""

    path: str
    user: str | None = None
    cookie: str | None = None
    body: bytes = b""
    #: What came back.
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
    """What a scenario needs of a connection, whatever it speaks."""

    has_websockets: bool
    #: How much can be sent to a server that does not read it.
    unread_size: int

    def begin(self, request: Request) -> None: ...
    def finish(self, request: Request) -> None: ...
    def answer(self, request: Request) -> None: ...
    def websocket(self, request: Request) -> str: ...
    def close(self) -> None: ...


class OverHTTP1:
    """Requests one after the other; those that are begun at once are pipelined."""

    has_websockets = True
    unread_size = 300_000

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
        self._file = self._socket.makefile("rb")

    def begin(self, request: Request) -> None:
        half = len(request.body) // 2
        self._send(self._head(request, {"content-length": str(len(request.body))}))
        self._send(request.body[:half])
        request._unsent = request.body[half:]

    def finish(self, request: Request) -> None:
        self._send(request._unsent)

    def answer(self, request: Request) -> None:
        _, headers = self._read_head()
        request.set_cookie = headers.get("set-cookie", "").partition(";")[0] or None
        if headers.get("transfer-encoding") == "chunked":
            body = b""
            while size := int(self._line(), 16):
                body += self._file.read(size)
                self._line()
            self._line()
        elif "content-length" in headers:
            body = self._file.read(int(headers["content-length"]))
        else:
            body = self._file.read()
        request.text = body.decode()

    def websocket(self, request: Request) -> str:
        """Turn the connection into a websocket, and return the first message."""
        key = base64.b64encode(os.urandom(16)).decode()
        more = {"connection": "Upgrade", "upgrade": "websocket", "sec-websocket-key": key}
        self._send(self._head(request, {**more, "sec-websocket-version": "13"}))
        status, _ = self._read_head()
        assert status == 101, status
        _, size = self._read(2)
        if size == 126:
            size = int.from_bytes(self._read(2))
        return self._read(size).decode()

    def close(self) -> None:
        self._file.close()
        self._socket.close()

    def _head(self, request: Request, more: dict[str, str]) -> bytes:
        fields = {"host": "localhost", **request.headers(), **more}
        lines = [f"{request.method} {request.path} HTTP/1.1", *map(": ".join, fields.items())]
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    def _send(self, data: bytes) -> None:
        try:
            self._socket.sendall(data)
        except (BrokenPipeError, ConnectionResetError) as error:
            raise ConnectionEnded from error

    def _read_head(self) -> tuple[int, dict[str, str]]:
        status = int(self._line().split()[1])
        headers: dict[str, str] = {}
        while line := self._line():
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        return status, headers

    def _line(self) -> str:
        try:
            line = self._file.readline()
        except ConnectionResetError as error:
            raise ConnectionEnded from error
        if not line:
            raise ConnectionEnded
        return line.decode("latin-1").strip()

    def _read(self, size: int) -> bytes:
        data = self._file.read(size)
        if len(data) < size:
            raise ConnectionEnded
        return data


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
    """Say so if the server ends the connection, which it may where a body was left unread."""
    try:
        yield
    except (ConnectionError, ProtocolError) as error:
        raise ConnectionEnded from error
