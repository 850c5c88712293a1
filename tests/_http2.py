"""A blocking HTTP/2 client that shows pushed streams and tunnels for websockets."""

import socket
import ssl
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    PushedStreamReceived,
    ResponseReceived,
    StreamEnded,
    StreamReset,
)

T = TypeVar("T")
PATIENCE = 15.0


@dataclass
class Stream:
    """The data that has arrived on one stream so far."""

    headers: dict[str, str] = field(default_factory=dict)
    data: bytearray = field(default_factory=bytearray)
    ended: bool = False
    #: The streams that this one has promised: their numbers, with the requests' headers.
    promises: dict[int, dict[str, str]] = field(default_factory=dict)

    @property
    def status(self) -> int:
        return int(self.headers[":status"])


class Client:
    """One connection, in which streams are known by their numbers."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._scheme = "https" if isinstance(connection, ssl.SSLSocket) else "http"
        self._authority = f"localhost:{connection.getpeername()[1]}"
        self._h2 = H2Connection(H2Configuration(client_side=True, header_encoding="utf-8"))
        self._h2.initiate_connection()
        self._flush()
        self.streams: defaultdict[int, Stream] = defaultdict(Stream)

    def request(
        self, path: str, method: str = "GET", headers: Mapping[str, str] | None = None
    ) -> int:
        """Send a request without a body and return the number of its stream."""
        return self._open(method, path, headers, end=True)

    def connect(self, path: str, protocol: str, headers: Mapping[str, str] | None = None) -> int:
        """Send an extended CONNECT (RFC 8441) and return the number of its stream."""
        # A client must first wait for the server's setting that allows it.
        self.wait_for(lambda: self._h2.remote_settings.enable_connect_protocol)
        return self._open("CONNECT", path, {":protocol": protocol, **(headers or {})}, end=False)

    def _open(self, method: str, path: str, more: Mapping[str, str] | None, end: bool) -> int:
        number = self._h2.get_next_available_stream_id()
        headers = {
            ":method": method,
            ":scheme": self._scheme,
            ":authority": self._authority,
            ":path": path,
            **(more or {}),
        }
        self._h2.send_headers(number, list(headers.items()), end_stream=end)
        self._flush()
        return number

    def send(self, number: int, data: bytes) -> None:
        while data:
            self.wait_for(lambda: self._h2.local_flow_control_window(number))
            size = min(self._h2.local_flow_control_window(number), self._h2.max_outbound_frame_size)
            self._h2.send_data(number, data[:size])
            self._flush()
            data = data[size:]

    def end(self, number: int) -> None:
        self._h2.end_stream(number)
        self._flush()

    def response(self, number: int) -> Stream:
        """Wait for the whole response."""
        stream = self.streams[number]
        self.wait_for(lambda: stream.ended)
        return stream

    def response_headers(self, number: int) -> dict[str, str]:
        stream = self.streams[number]
        return self.wait_for(lambda: stream.headers)

    def wait_for(self, condition: Callable[[], T]) -> T:
        """Read from the server until *condition* returns something true, and return that."""
        while not (result := condition()):
            data = self._socket.recv(65536)
            if not data:
                raise ConnectionError("the server closed the connection")
            for event in self._h2.receive_data(data):
                self._take(event)
            self._flush()
        return result

    def _take(self, event: Event) -> None:
        match event:
            case ResponseReceived():
                self.streams[event.stream_id].headers = _as_dict(event.headers)
            case DataReceived():
                self.streams[event.stream_id].data += event.data
                self._h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            case PushedStreamReceived():
                promises = self.streams[event.parent_stream_id].promises
                promises[event.pushed_stream_id] = _as_dict(event.headers)
            case StreamEnded() | StreamReset():
                self.streams[event.stream_id].ended = True
            case ConnectionTerminated():
                raise ConnectionError(f"the server ended the connection: {event}")

    def _flush(self) -> None:
        if data := self._h2.data_to_send():
            self._socket.sendall(data)


def _as_dict(headers: Any) -> dict[str, str]:
    return {str(name): str(value) for name, value in headers or ()}


@contextmanager
def connected(port: int, context: ssl.SSLContext | None = None) -> Iterator[Client]:
    """Connect to a server on this machine: by TLS and ALPN, or with prior knowledge."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as plain:
        if context is None:
            yield Client(plain)
            return
        with context.wrap_socket(plain, server_hostname="localhost") as secure:
            assert secure.selected_alpn_protocol() == "h2"
            yield Client(secure)
