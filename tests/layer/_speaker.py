"""A websocket server in plain code, as extensions for WSGI servers have it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from wsproto import ConnectionType, WSConnection
from wsproto.events import AcceptConnection, CloseConnection, Event, Request

HANDSHAKE = ("HOST", "CONNECTION", "UPGRADE", "SEC_WEBSOCKET_KEY", "SEC_WEBSOCKET_VERSION")


class Speaker:
    """Speaks the protocol on the environ's socket, in threads that block."""

    def __init__(self, environ: dict[str, Any], subprotocol: str | None = None) -> None:
        self.socket = environ["werkzeug.socket"]
        self.protocol = WSConnection(ConnectionType.SERVER)
        self.events = self._receive()
        names = [*HANDSHAKE, *(["SEC_WEBSOCKET_PROTOCOL"] if subprotocol else [])]
        lines = [f"{name.replace('_', '-')}: {environ[f'HTTP_{name}']}" for name in names]
        asked = "\r\n".join(["GET / HTTP/1.1", *lines, "", ""])
        self.protocol.receive_data(asked.encode())
        assert isinstance(next(self.events), Request)
        self.tell(AcceptConnection(subprotocol=subprotocol, extra_headers=[(b"x-by", b"hand")]))

    def _receive(self) -> Iterator[Event]:
        while True:
            yield from self.protocol.events()
            data = self.socket.recv(4096)
            if not data:
                return
            self.protocol.receive_data(data)

    def tell(self, event: Event) -> None:
        self.socket.sendall(self.protocol.send(event))

    def messages(self) -> Iterator[Any]:
        for event in self.events:
            if isinstance(event, CloseConnection):
                self.tell(event.response())
                return
            yield event
