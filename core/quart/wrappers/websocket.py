"""The websocket: a table of its legal moves, and its messages."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from enum import Enum
from functools import wraps
from typing import Any, ParamSpec, TYPE_CHECKING

from werkzeug.datastructures import Headers as Headers

from .._loops.mailbox import make_lock
from .._loops.resume import WAITS
from .._loops.turns import Turns
from .._types import Message, Receive
from ..globals import _cv_app
from ..signals import websocket_received, websocket_sent
from ._buffer import Buffer as Buffer, Pulled
from .base import (
    BaseRequestWebsocket as BaseRequestWebsocket,
    ClientDisconnectedError as ClientDisconnectedError,
)

if TYPE_CHECKING:
    from blinker import NamedSignal
    from hypercorn.typing import WebsocketScope


P = ParamSpec("P")


class State(Enum):
    """Where a websocket is between the client's handshake and its end."""

    CONNECTING = "waiting to be accepted"
    OPEN = "open"
    CLOSED = "closed by this application"
    DENIED = "denied, by an HTTP response instead of an acceptance"
    DISCONNECTED = "disconnected by the client"


# Each message asks for these. Cost: "enum" in docs/performance.md.
_OPEN = State.OPEN

# {state: {move: next state}}. What is missing here is illegal and raises; `receive` and `send`
# while CONNECTING accept first. Closing what has ended does nothing, as for files.
MOVES: Mapping[State, Mapping[str, State]] = {
    State.CONNECTING: {
        "accept": State.OPEN,
        "close": State.CLOSED,
        "deny": State.DENIED,
        "disconnect": State.DISCONNECTED,
    },
    State.OPEN: {
        "accept": State.OPEN,
        "receive": State.OPEN,
        "send": State.OPEN,
        "close": State.CLOSED,
        "disconnect": State.DISCONNECTED,
    },
    State.CLOSED: {"close": State.CLOSED, "disconnect": State.CLOSED},
    State.DENIED: {"disconnect": State.DENIED},
    State.DISCONNECTED: {
        "accept": State.DISCONNECTED,
        "close": State.DISCONNECTED,
        "disconnect": State.DISCONNECTED,
    },
}

_ADVICE = {
    State.CONNECTING: "Call `await websocket.accept()` first.",
    State.OPEN: "To end it, use `await websocket.close(code)`; an HTTP answer is possible only"
    " before the websocket is accepted.",
    State.CLOSED: "Nothing can follow `close`; return from the handler.",
    State.DENIED: "The HTTP response has ended it; return from the handler.",
    State.DISCONNECTED: "Return from the handler.",
}

# After this many messages the handler gives others a turn, as neither the server's `send` nor its
# `receive` has to wait.
_MESSAGES_IN_A_ROW = 16


def _receive_is_optional(init: Callable[P, None]) -> Callable[P, None]:
    """Let *init* be called as in Quart 0.22 too, with a `receive` before its `send`.

    Quart-Trio calls it so, by position. Only the number of arguments tells the two apart.
    """

    @wraps(init)
    def create(*args: P.args, **kwargs: P.kwargs) -> None:
        given: Any = kwargs.pop("receive", None)
        if len(args) + len(kwargs) > _ARGUMENTS:
            given, args = args[_SEND], args[:_SEND] + args[_SEND + 1 :]  # type: ignore[assignment]
        init(*args, **kwargs)
        if given is not None:
            websocket: Any = args[0]
            websocket._buffer = Pulled(given)

    return create


# The number of arguments of `Websocket.__init__`, and the index of `send` among them.
_ARGUMENTS, _SEND = 12, 8


class Websocket(BaseRequestWebsocket):
    """A websocket, as the async function that handles it sees it."""

    is_websocket = True
    buffer_class: type[Buffer] = Buffer

    #: Whether the handshake was accepted; the websocket may have been closed since.
    accepted = False
    #: The client's close code and reason, once it has closed.
    close_code: int | None = None
    close_reason: str = ""

    _receive: Receive | None = None
    _buffer: Buffer | None = None
    _accepting: Any = None

    @_receive_is_optional
    def __init__(
        self,
        path: str,
        query_string: bytes,
        scheme: str,
        headers: Headers,
        root_path: str,
        http_version: str,
        subprotocols: list[str],
        send: Callable[[str | bytes], Awaitable[None] | None],
        accept: Callable[[Headers, str | None], Awaitable[None]],
        close: Callable[[int, str], Awaitable[None]],
        scope: WebsocketScope,
    ) -> None:
        """Create a websocket that speaks through *send*, *accept* and *close*.

        Messages are read from the callable given to `receive_from`, or pushed into `buffer`.
        """
        super().__init__("GET", scheme, path, query_string, headers, root_path, http_version, scope)
        self.state = State.CONNECTING
        self._accept = accept
        self._close = close
        self._send = send
        self._subprotocols = subprotocols
        self._turns, self._until_turn = Turns(), _MESSAGES_IN_A_ROW - 1

    @property
    def requested_subprotocols(self) -> list[str]:
        """The subprotocols that the client offers, in the order of its preference."""
        return self._subprotocols

    @property
    def buffer(self) -> Buffer:
        """The buffer into which messages are pushed, if `receive_from` was not called."""
        if self._buffer is None:
            self._buffer = self.buffer_class()
        return self._buffer

    def receive_from(self, receive: Receive) -> None:
        """Set ASGI's *receive*, from which each message is read when the handler wants it."""
        self._receive, self._inbound = receive, None

    def move(self, name: str) -> None:
        """Make the move *name*, which leads to another state.

        Raises:
            ClientDisconnectedError: if the client has gone, for a move that needs it.
            RuntimeError: if the move is not legal in this state.
        """
        try:
            self.state = MOVES[self.state][name]
        except KeyError:
            if self.state is State.DISCONNECTED:
                raise ClientDisconnectedError(
                    close_code=self.close_code, reason=self.close_reason
                ) from None
            raise RuntimeError(
                f"Cannot {name} while the websocket is {self.state.value}. {_ADVICE[self.state]}"
            ) from None

    def disconnected(self, close_code: int | None = None, reason: str = "") -> None:
        """Note that the client has gone, with its close code and reason."""
        self.move("disconnect")
        self.close_code, self.close_reason = close_code, reason

    async def accept(
        self,
        headers: Mapping[str, object] | Iterable[tuple[str, str]] | Headers | None = None,
        subprotocol: str | None = None,
    ) -> None:
        """Accept the handshake, with more *headers* and a *subprotocol* if given.

        Receiving and sending do this by themselves. Doing it again has no effect, and so cannot
        add anything.

        Raises:
            RuntimeError: if it is too late for the headers or the subprotocol, or it has ended.
        """
        if self.state is State.CONNECTING:
            await self._accept_once(Headers(headers), subprotocol)
        elif headers or subprotocol:
            raise RuntimeError(
                f"Cannot add headers or a subprotocol while the websocket is {self.state.value}."
                " Call `accept` with them before anything is received or sent."
            )
        else:
            self.move("accept")

    async def _accept_once(self, headers: Headers, subprotocol: str | None) -> None:
        # Two tasks of one handler may come here at once; the second must not send before the first
        # is through.
        if self._accepting is None:
            self._accepting = make_lock()
        async with self._accepting:
            if self.state is State.CONNECTING:
                await self._accept(headers, subprotocol)
                self.accepted = True
                if self.state is State.CONNECTING:
                    self.move("accept")
        self._accepting = None  # The lock is not needed any more.

    async def receive(self) -> str | bytes:
        """Return the client's next message: text as str, binary as bytes.

        Raises:
            ClientDisconnectedError: if the client has gone; it says what the client closed with.
        """
        if self._until_turn:
            self._until_turn -= 1
        else:
            await self._take_turn()
        if self.state is not _OPEN:
            await self._be_open_for("receive")
        inbound = self._inbound
        if inbound is None or not inbound.direct:
            message = await self._next_message()
        else:
            # As `Inbound.receive`, written out to save a coroutine for each message.
            # Its rules are methods there.
            message = inbound.at_once()
            if type(message) is WAITS:
                inbound.receiving = True
                try:
                    message = await message
                finally:
                    inbound.receiving = False
                    if inbound.late:
                        inbound.watch_after_all()
            elif inbound.receiving is None:
                inbound.receiving = False
            if message["type"] != "websocket.receive":
                self._end_if_left(message)
                message = await self._next_message()
        data: str | bytes | None = message.get("bytes")
        if data is None:
            # Check for None: an empty binary message is a message.
            data = message.get("text") or ""
        if websocket_received.receivers:
            await _emit(websocket_received, data)
        return data

    async def _take_turn(self) -> None:
        self._until_turn = _MESSAGES_IN_A_ROW - 1
        if self._turns.due():
            await self._turns.give()

    async def _next_message(self) -> Message:
        """Return the client's next message, however it comes here."""
        while True:
            if self._receive is None:
                # Quart-Trio, for one, sends None for an empty binary message.
                if (data := await self._next_pushed()) is not None:
                    return {"bytes": data}
            else:
                message: Message = await self._receive()
                if message["type"] == "websocket.receive":
                    return message
                self._end_if_left(message)

    def _end_if_left(self, message: Message) -> None:
        if message["type"] == "websocket.disconnect":
            if self._inbound is not None and self._inbound.gone is None:
                self._inbound.left(message)
            self.disconnected(message.get("code"), message.get("reason") or "")
            self.move("receive")

    async def _be_open_for(self, move: str) -> None:
        if self.state is State.CONNECTING:
            await self._accept_once(Headers(), None)
        if self.state is not _OPEN:
            self.move(move)

    async def _next_pushed(self) -> str | bytes:
        try:
            return await self.buffer.get()
        except ClientDisconnectedError as gone:
            self.disconnected(gone.close_code, gone.reason)
            raise

    async def send(self, data: str | bytes) -> None:
        """Send a message: str as text, bytes as binary.

        Raises:
            ClientDisconnectedError: if the client has gone.
        """
        # Most messages are str, so check that first. Cost: "call" in docs/performance.md.
        if type(data) is not str and not isinstance(data, (str, bytes, bytearray, memoryview)):
            raise TypeError(
                f"Expected str or bytes to send, got {type(data).__name__}. "
                + (
                    "Did you forget `await`?"
                    if isinstance(data, Coroutine)
                    else "For anything that JSON has, use `await websocket.send_json(value)`."
                )
            )
        if self._until_turn:
            self._until_turn -= 1
        else:
            await self._take_turn()
        if self.state is not _OPEN:
            await self._be_open_for("send")
        try:
            if (rest := self._send(data)) is not None:
                await rest
        except ClientDisconnectedError:
            self.disconnected()
            raise
        except OSError as error:
            # ASGI 2.4: an OSError from `send` says that the client is gone.
            self.disconnected()
            raise ClientDisconnectedError from error
        if websocket_sent.receivers:
            await _emit(websocket_sent, data)

    async def receive_json(self) -> Any:
        """Return the client's next message, parsed as JSON."""
        return self.json_module.loads(await self.receive())

    async def send_json(self, *args: Any, **kwargs: Any) -> None:
        """Send as JSON one value, several as a list, or keywords as an object."""
        if args and kwargs:
            raise TypeError(
                "Expected positional or keyword arguments for send_json, got both. Pass one dict."
            )
        data = args[0] if len(args) == 1 else args or kwargs
        await self.send(self.json_module.dumps(data))

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close the websocket; before it is accepted, this refuses the handshake (403)."""
        ended = self.state in (State.CLOSED, State.DISCONNECTED)
        self.move("close")
        if not ended:
            await self._close(code, reason)


async def _emit(signal: NamedSignal, data: str | bytes) -> None:
    ctx = _cv_app.get(None)
    if ctx is not None:
        await ctx.app._emit(signal, data=data)
