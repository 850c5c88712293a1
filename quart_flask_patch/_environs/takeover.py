"""Let plain code take over a websocket's connection and speak the protocol itself.

WSGI has no websockets. Libraries such as Flask-Sock take the socket that Werkzeug's server puts
into the environ, and speak RFC 6455 over it. Here that socket is one end of a pair. The other end
belongs to a websocket client without a network (`frames.py`): it turns the frames it reads into
ASGI messages, and ASGI messages into frames.

The pair is made when the environ's socket is first used. Until then the websocket is the core's.
From then on the core receives nothing more, and what it sends is dropped.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial
from socket import SHUT_RDWR, SHUT_WR, socket, socketpair
from typing import Any, TYPE_CHECKING

from quart._loops.mailbox import make_event, make_lock, shielded
from quart._loops.resume import told
from quart._loops.turns import Turns
from quart._types import CoroutineOf, Environ, Message, Receive, Send

from .._waiting import bridge
from . import sockets

if TYPE_CHECKING:
    from .frames import Client, Step

#: The scope's key of the `Takeover` of this websocket.
TAKEOVER = "quart_flask_patch.takeover"
#: RFC 6455, 7.4.1: codes for a missing close frame, and for one without a code. Never sent.
_WITHOUT_FRAME = (1005, 1006)


class _Offered:
    """The socket in the environ; using it takes over the connection."""

    def __init__(self, takeover: Takeover) -> None:
        self._takeover = takeover

    def __getattr__(self, name: str) -> Any:
        return getattr(self._takeover.socket(), name)


class Takeover:
    """Stands between the server and the core for one websocket that plain code may take over."""

    _client: Client
    _ours: socket
    _theirs: socket

    def __init__(
        self,
        receive: Receive,
        send: Send,
        started: Callable[[], Callable[[], None]],
    ) -> None:
        """Create it; a takeover calls *started*, and at its end what that has returned."""
        self._receive = receive
        self._send = send
        self._started = started
        #: Whether the connection has been taken over.
        self.active = False
        self._asked = False
        self._gone = False
        self._closed = False
        self._code = 1000
        self._receiving = make_lock()
        self._writing = make_lock()

    # What the core calls

    async def receive(self) -> Any:
        """Return the next message; wait for ever once plain code has taken over."""
        async with self._receiving:
            message = None if self.active else await self._receive()
            self._asked = True
            if self.active and message is not None:
                await self._feed(message)
        if self.active:
            await make_event().wait()
        return message

    async def send(self, message: Message) -> None:
        if not self.active:
            await self._send(message)
        elif message.get("status", 0) >= 500:
            self._code = 1011  # RFC 6455, 7.4.1: an unexpected condition.

    async def watched(self, work: CoroutineOf[None]) -> None:
        """Run *work*, then end the takeover if there is one."""
        try:
            # You cannot interrupt a thread that reads from its socket, but you can end the socket.
            await told(work, self._hang_up)
        finally:
            if self.active:
                # Finish in a task of its own, which goes on if this one is cancelled meanwhile.
                finished = make_event()
                sockets.spawn(partial(self._finish, finished))
                with shielded():
                    await finished.wait()

    # What plain code calls

    def offer(self, environ: Environ, subprotocols: list[str]) -> None:
        """Put the socket into *environ*, with the headers of its client's handshake."""
        from .frames import Client  # Imported here, as few applications take over websockets.

        self._client = Client(list(subprotocols))
        environ["HTTP_CONNECTION"], environ["HTTP_UPGRADE"] = "Upgrade", "websocket"
        environ["HTTP_SEC_WEBSOCKET_VERSION"] = "13"
        environ["HTTP_SEC_WEBSOCKET_KEY"] = self._client.key.decode()
        if subprotocols:
            environ["HTTP_SEC_WEBSOCKET_PROTOCOL"] = ", ".join(subprotocols)
        # Extensions such as compression are between the real client and the server alone.
        environ.pop("HTTP_SEC_WEBSOCKET_EXTENSIONS", None)
        environ["werkzeug.socket"] = _Offered(self)

    def socket(self) -> socket:
        """Return plain code's end of the pair; the first call takes over the connection."""
        if not self.active:
            bridge.wait(self._start())
        return self._theirs

    async def _start(self) -> None:
        if not self._asked:
            await self._receive()  # websocket.connect; plain code will accept it.
        self._ours, self._theirs = socketpair()
        self._ours.setblocking(False)
        self.active, self._drained, self._fed = True, make_event(), make_event()
        self._ended = self._started()
        self._stop = sockets.spawn(self._incoming)
        sockets.spawn(self._outgoing)

    def _hang_up(self) -> None:
        if self.active:
            # The other end can still read what was written before.
            with suppress(OSError):
                self._theirs.shutdown(SHUT_RDWR)

    async def _finish(self, finished: Any) -> None:
        try:
            self._hang_up()
            await self._drained.wait()
            self._stop()
            await self._fed.wait()
            await self._close(self._code, "")
        finally:
            self._ours.close()
            self._theirs.close()
            self._ended()
            finished.set()

    async def _close(self, code: int, reason: str) -> None:
        if not self._closed and not self._gone:
            self._closed = True
            with suppress(OSError):
                await self._send({"type": "websocket.close", "code": code, "reason": reason})

    # From the client to plain code

    async def _incoming(self) -> None:
        turns = Turns()
        try:
            while not self._gone:
                if turns.due():
                    await turns.give()
                async with self._receiving:
                    await self._feed(await self._receive())
        finally:
            self._fed.set()

    async def _feed(self, message: Message) -> None:
        if message["type"] == "websocket.disconnect":
            self._gone = True
            code = message.get("code") or 1005
            if code not in _WITHOUT_FRAME:
                await self._write(self._client.close(code, message.get("reason") or ""))
            self._write_no_more()
        else:
            await self._write(self._client.message(message.get("text"), message.get("bytes")))

    async def _write(self, data: bytes) -> None:
        # If that fails, plain code has closed its end.
        with suppress(OSError):
            async with self._writing:
                await sockets.write(self._ours, data)

    def _write_no_more(self) -> None:
        with suppress(OSError):
            self._ours.shutdown(SHUT_WR)

    # From plain code to the client

    async def _outgoing(self) -> None:
        from .frames import ProtocolError

        turns = Turns()
        try:
            while data := await sockets.read(self._ours):
                if turns.due():
                    await turns.give()
                for step in self._client.received(data):
                    await self._relay(step)
        except ProtocolError as error:
            await self._close(1011, str(error)[:100])
        except OSError:
            pass  # The connection is lost; `receive` reports it.
        finally:
            self._drained.set()

    async def _relay(self, step: Step) -> None:
        message = step.message
        if message is not None:
            if message["type"] == "websocket.close":
                await self._close(message["code"], message["reason"])
            elif message["type"] == "websocket.accept" or not (self._closed or self._gone):
                await self._send(message)
        if step.answer:
            await self._write(step.answer)
        if step.ends:
            self._write_no_more()
