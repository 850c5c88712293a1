"""The next message of a server, received before anybody asks for it.

A worker thread that reads a body has to come back to the event loop for it, which costs more than
all the rest of a small request. Most small bodies have come with the header. So one step is taken
on the loop before the thread is entered. What it brings is kept for whoever receives next; if it
brings nothing, whoever receives next goes on from there. Nothing is lost, and no server notices.
"""

from __future__ import annotations

from contextlib import suppress
from typing import Any, cast

from .._loops.resume import start, Suspended
from .._types import CoroutineOf, Message
from .entry import Server

DISCONNECTS = frozenset({"http.disconnect", "websocket.disconnect"})


class Early(Server):
    """A server from which a message may have been received already."""

    #: Whether the last message of the body has been received.
    complete = False
    #: A message, or what to await for one; empty once that was taken.
    _begun: list[Any] | None = None

    def begin_to_receive(self) -> None:
        """Take one step of receiving. Nobody else may be receiving."""
        with suppress(
            Exception
        ):  # A server that refuses is asked again by whoever wants a message.
            begun = start(self.from_server())
            if not isinstance(begun, Suspended) and begun["type"] not in DISCONNECTS:
                self.complete = not begun.get("more_body", False)
            self._begun = [begun]

    def take_begun(self) -> Message | None:
        """Take the part of a body that has come already, if any. Any thread may ask."""
        with suppress(IndexError):  # The loop may take it meanwhile.
            # A disconnect is left for the loop, which has to know of it.
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
        except IndexError:  # A thread has taken it meanwhile.
            return await super().from_server()
        return await message if isinstance(message, Suspended) else message
