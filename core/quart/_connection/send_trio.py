"""What a server sends, under Trio: a handler can stop waiting for a client that takes nothing.

Hypercorn shields each piece that it sends. A client that stalls would keep its handler for ever,
whatever time limit it has, and the server could not end.
"""

from __future__ import annotations

from contextvars import Context

import trio
from greenlet import getcurrent

from .._loops.resume import run_in
from .._types import Message, Send

#: What may be too much for the buffers between the server and its client.
_MAY_STALL = frozenset({"http.response.body", "websocket.send", "websocket.http.response.body"})


def abandonable(send: Send) -> Send:
    """Return what sends as *send* does, and goes on alone where who waits for it is cancelled.

    It ends when the server closes the connection, which it does once the handler has ended.
    """

    async def sending(message: Message) -> None:
        if message["type"] not in _MAY_STALL:
            await send(message)
            return
        apart = _Apart()
        # In the context here, which is the server's own.
        context = getcurrent().gr_context or Context()
        trio.lowlevel.spawn_system_task(apart.send, context, send, message)
        await apart.wait()

    return sending


class _Apart:
    """One message that is sent in a task of its own."""

    def __init__(self) -> None:
        self._ended = trio.Event()
        self._error: BaseException | None = None

    async def send(self, context: Context, send: Send, message: Message) -> None:
        try:
            await run_in(context, send, message)
        except BaseException as error:  # An error of a system task would end Trio.
            self._error = error
        self._ended.set()

    async def wait(self) -> None:
        await self._ended.wait()
        if self._error is not None:
            raise self._error
