"""Under Trio, let a handler stop waiting for a client that does not read.

Hypercorn shields each piece that it sends from cancellation. A client that stalls would keep its
handler for ever, whatever time limit that has, and the server could not stop.
"""

from __future__ import annotations

from contextvars import Context

import trio
from greenlet import getcurrent

from .._loops.resume import run_in
from .._types import Message, Send

#: A message larger than this may not fit into the buffers between the server and its client.
_MAY_STALL = frozenset({"http.response.body", "websocket.send", "websocket.http.response.body"})


def abandonable(send: Send) -> Send:
    """Return *send* so that cancelling the caller does not wait for the message to be sent.

    Sending goes on by itself, and ends when the server closes the connection, which it does once
    the handler has ended.
    """

    async def sending(message: Message) -> None:
        if message["type"] not in _MAY_STALL:
            await send(message)
            return
        apart = _Apart()
        # Use the current Context, which is the server's own.
        context = getcurrent().gr_context or Context()
        trio.lowlevel.spawn_system_task(apart.send, context, send, message)
        await apart.wait()

    return sending


class _Apart:
    """A message that is sent in a task of its own."""

    def __init__(self) -> None:
        self._ended = trio.Event()
        self._error: BaseException | None = None

    async def send(self, context: Context, send: Send, message: Message) -> None:
        try:
            await run_in(context, send, message)
        except BaseException as error:  # An error in a system task would end Trio's run.
            self._error = error
        self._ended.set()

    async def wait(self) -> None:
        await self._ended.wait()
        if self._error is not None:
            raise self._error
