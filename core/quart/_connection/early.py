"""Receive a server's next message before anybody wants it.

If a worker thread reads a body, it must go back to the event loop for it, which costs more than the
rest of a small request. Most small bodies have arrived with the header. So one step of `receive` is
taken on the loop before the thread is entered. A message that it brings is kept for the next caller
of `receive`. If it has to wait, the next caller goes on with it. Nothing is lost, and no server can
tell.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any, cast

from .._loops.resume import start, Suspended
from .._types import CoroutineOf, Message
from .isolation import Server

DISCONNECTS = frozenset({"http.disconnect", "websocket.disconnect"})


def ends_body(message: Message) -> bool:
    """Whether *message* is the last part of a request's body."""
    # The ASGI specification lets a server leave `more_body` out.
    return message["type"] == "http.request" and not message.get("more_body", False)


class Early(Server):
    """A server from which a message may have been received ahead."""

    #: Whether the last message of the body has been received.
    complete = False
    #: Whether a websocket may take the server's messages `at_once`: nothing was received ahead,
    #: nobody watches, nobody has left.
    direct = False
    #: A message, or an awaitable for one; empty once somebody has taken it.
    _begun: list[Any] | None = None

    def begin_to_receive(self) -> None:
        """Take the first step of a `receive`. Nobody else may be receiving."""
        self.direct = False
        # If the server raises, the next caller of `receive` will see that.
        with suppress(Exception):
            begun = start(self.from_server())
            self.complete = not isinstance(begun, Suspended) and ends_body(begun)
            self._begun = [begun]

    def take_begun(self) -> Message | None:
        """Take a part of a body that was received ahead, or None. Call this from any thread."""
        with suppress(IndexError):  # The loop may take it meanwhile.
            # Leave a disconnect for the loop, which must notice it.
            if (
                self._begun
                and not isinstance(self._begun[0], Suspended)
                and self._begun[0]["type"] not in DISCONNECTS
            ):
                return cast(Message, self._begun.pop())
        return None

    def from_server(self) -> CoroutineOf[Any]:
        """Return the server's next message."""
        return self._from_begun(self._begun) if self._begun else super().from_server()

    async def _from_begun(self, begun: list[Any]) -> Any:
        try:
            message = begun.pop()
        except IndexError:  # A thread may take it meanwhile.
            return await super().from_server()
        return await message if isinstance(message, Suspended) else message
