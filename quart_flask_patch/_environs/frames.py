"""A websocket client without a network: turns plain code's frames into ASGI messages and back."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

from wsproto import ConnectionType, WSConnection
from wsproto.events import (
    AcceptConnection,
    BytesMessage,
    CloseConnection,
    Event,
    Message as WebsocketMessage,
    Ping,
    RejectConnection,
    Request,
    TextMessage,
)
from wsproto.utilities import LocalProtocolError, RemoteProtocolError

from quart._types import Message

# A name of our own, so that callers need not know wsproto.
ProtocolError = RemoteProtocolError


@dataclass(frozen=True, slots=True)
class Step:
    """What to do after a frame of plain code."""

    #: The message to send to the server, if any.
    message: Message | None
    #: The bytes to give to plain code after that.
    answer: bytes = b""
    #: Whether plain code gets nothing more.
    ends: bool = False


class Client:
    """The websocket client at the other end of plain code's socket."""

    def __init__(self, subprotocols: list[str]) -> None:
        self._protocol = WSConnection(ConnectionType.CLIENT)
        self._parts: list[Any] = []
        asked = self._protocol.send(Request("localhost", "/", subprotocols=subprotocols))
        #: The `Sec-WebSocket-Key` of this client's handshake.
        self.key = cast("re.Match[bytes]", re.search(rb"(?i)sec-websocket-key: *(\S+)", asked))[1]

    def message(self, text: str | None, data: bytes | None) -> bytes:
        """Return the frames of a message; empty if nothing can be sent any more."""
        return self._sent(TextMessage(text or "") if data is None else WebsocketMessage(data))

    def close(self, code: int, reason: str) -> bytes:
        return self._sent(CloseConnection(code, reason))

    def _sent(self, event: Event) -> bytes:
        try:
            return self._protocol.send(event)
        except LocalProtocolError:  # The connection is closed.
            return b""

    def received(self, data: bytes) -> Iterator[Step]:
        """Yield a `Step` for each event in *data*, which plain code has written.

        Raises:
            ProtocolError: if *data* is not made of valid frames.
        """
        self._protocol.receive_data(data)
        for event in self._protocol.events():
            match event:
                case TextMessage() | BytesMessage():
                    yield from self._whole_message(event)
                case AcceptConnection(subprotocol=subprotocol, extra_headers=headers):
                    yield Step(
                        {
                            "type": "websocket.accept",
                            "subprotocol": subprotocol,
                            "headers": list(headers),
                        }
                    )
                case Ping():
                    yield Step(None, self._sent(event.response()))
                case CloseConnection(code=code, reason=reason):
                    message = {"type": "websocket.close", "code": code, "reason": reason or ""}
                    yield Step(message, self._sent(event.response()), ends=True)
                case RejectConnection():
                    yield Step({"type": "websocket.close", "code": 1000, "reason": ""})

    def _whole_message(self, event: TextMessage | BytesMessage) -> Iterator[Step]:
        self._parts.append(event.data)
        if not event.message_finished:
            return
        data, self._parts = type(event.data)().join(self._parts), []
        text, binary = (data, None) if isinstance(data, str) else (None, bytes(data))
        yield Step({"type": "websocket.send", "text": text, "bytes": binary})
