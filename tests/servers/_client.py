"""The client for all servers: HTTP by httpx, and websockets over HTTP/1.1 and HTTP/2."""

import itertools
import ssl
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import httpx
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol
from wsproto.connection import Connection, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Message, TextMessage

from _http2 import Client as HTTP2, connected
from _serving import Server
from _tls import Certificate

from ._servers import Serving

PATIENCE = 15.0


class Refused(Exception):
    """The server answered a websocket's handshake with an HTTP response."""

    def __init__(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
        super().__init__(f"{status} {body!r}")
        self.status, self.headers, self.body = status, headers, body


class Closed(Exception):
    """The server closed the websocket."""

    def __init__(self, code: int | None, reason: str | None) -> None:
        super().__init__(f"{code} {reason}")
        self.code, self.reason = code, reason or ""


class Socket(Protocol):
    """A websocket that is open."""

    subprotocol: str | None
    headers: Mapping[str, str]

    def send(self, message: str | bytes) -> None: ...
    def receive(self) -> str | bytes: ...
    def close(self, code: int = 1000, reason: str = "") -> None: ...


class _OverHTTP1:
    def __init__(self, connection: ClientConnection) -> None:
        assert connection.response is not None
        self._connection = connection
        self.subprotocol: str | None = connection.subprotocol
        self.headers: Mapping[str, str] = dict(connection.response.headers.raw_items())

    def send(self, message: str | bytes) -> None:
        self._connection.send(message)

    def receive(self) -> str | bytes:
        try:
            return self._connection.recv(timeout=PATIENCE)
        except ConnectionClosed as closed:
            got = closed.rcvd
            raise Closed(got and got.code, got and got.reason) from None

    def close(self, code: int = 1000, reason: str = "") -> None:
        self._connection.close(code, reason)


class _OverHTTP2:
    """A tunnel in a stream (RFC 8441)."""

    def __init__(self, client: HTTP2, number: int) -> None:
        self._client, self._number = client, number
        self._stream = client.streams[number]
        self._taken = 0
        self._frames = Connection(ConnectionType.CLIENT)
        self._messages: list[str | bytes | Closed] = []
        self._parts: list[str] | list[bytes] = []
        self.headers: Mapping[str, str] = self._stream.headers
        self.subprotocol = self.headers.get("sec-websocket-protocol")

    def send(self, message: str | bytes) -> None:
        event = TextMessage(message) if isinstance(message, str) else BytesMessage(message)
        self._client.send(self._number, self._frames.send(event))

    def receive(self) -> str | bytes:
        self._client.wait_for(self._read)
        message = self._messages.pop(0)
        if isinstance(message, Closed):
            raise message
        return message

    def _read(self) -> bool:
        data = bytes(self._stream.data[self._taken :])
        self._taken += len(data)
        self._frames.receive_data(data)
        for event in self._frames.events():
            if isinstance(event, CloseConnection):
                self._messages.append(Closed(event.code, event.reason))
            elif isinstance(event, Message):
                self._parts.append(event.data)
                if event.message_finished:
                    self._messages.append(event.data[:0].join(self._parts))
                    self._parts = []
        if self._stream.ended and not self._messages:
            self._messages.append(Closed(None, None))
        return bool(self._messages)

    def close(self, code: int = 1000, reason: str = "") -> None:
        self._client.send(self._number, self._frames.send(CloseConnection(code, reason)))


@dataclass
class Client:
    """A client of one server."""

    serving: Serving
    server: Server
    certificate: Certificate | None

    def __post_init__(self) -> None:
        self._keys = itertools.count()
        self.http = self.another()

    def key(self) -> str:
        """Return a new key for notes."""
        return f"key-{next(self._keys)}"

    def another(self) -> httpx.Client:
        """Make a client with connections and cookies of its own."""
        scheme = "https" if self.certificate else "http"
        is_2 = self.serving.http_version == "2"
        return httpx.Client(
            base_url=f"{scheme}://localhost:{self.server.port}",
            verify=self._context() or False,
            http1=not is_2,
            http2=is_2,
            timeout=PATIENCE,
            trust_env=False,
        )

    def _context(self, *protocols: str) -> ssl.SSLContext | None:
        return self.certificate and self.certificate.client_context(*protocols)

    def note(self, key: str, wait: float = 0) -> object:
        """Return the application's note, waiting for at most *wait* seconds."""
        with self.another() as http:
            return http.get(f"/notes/{key}", params={"wait": wait}).json()["note"]

    def take_note(self, key: str) -> None:
        with self.another() as http:
            assert http.post(f"/notes/{key}", content=b"noted").is_success

    @contextmanager
    def websocket(self, path: str, subprotocols: Sequence[str] = ()) -> Iterator[Socket]:
        if self.serving.http_version == "2":
            with connected(self.server.port, self._context("h2")) as connection:
                yield self._tunnel(connection, path, subprotocols)
        else:
            yield from self._by_upgrade(path, subprotocols)

    def _tunnel(self, connection: HTTP2, path: str, subprotocols: Sequence[str]) -> Socket:
        headers = {"sec-websocket-version": "13"}
        if subprotocols:
            headers["sec-websocket-protocol"] = ", ".join(subprotocols)
        number = connection.connect(path, "websocket", headers)
        got = connection.response_headers(number)
        if got[":status"] == "200":
            return _OverHTTP2(connection, number)
        response = connection.response(number)
        raise Refused(response.status, response.headers, bytes(response.data))

    def _by_upgrade(self, path: str, subprotocols: Sequence[str]) -> Iterator[Socket]:
        url = f"ws://127.0.0.1:{self.server.port}{path}"
        wanted = [Subprotocol(name) for name in subprotocols] or None
        try:
            connection = connect(url, subprotocols=wanted, proxy=None, open_timeout=PATIENCE)
        except InvalidStatus as refused:
            got = refused.response
            headers = {name.lower(): value for name, value in got.headers.raw_items()}
            raise Refused(got.status_code, headers, got.body) from None
        with connection:
            yield _OverHTTP1(connection)
