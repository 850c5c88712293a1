"""See to it that Hypercorn ends when it is told to, whatever its clients do.

Hypercorn 0.18 waits without a limit until a client has taken what was written to it, and on Python
3.12 and newer for its connections as such. So once it has been told to stop and its grace period
is over, handlers that it has not cancelled are cancelled here, and what is then left of its
connections is cut off.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from contextvars import Context
from weakref import WeakSet

from .._loops.mailbox import in_trio
from .chain import frames_of
from .under_way import connections

_SERVER = "hypercorn.asyncio.tcp_server"
#: Seconds after the grace period in which Hypercorn cancels handlers itself, and these end.
AFTER, CLEANUP = 0.5, 1.0
_watched: WeakSet[asyncio.AbstractEventLoop] = WeakSet()
#: Tasks that wait for the end, as a loop alone does not keep them.
_waiting: set[asyncio.Task[None]] = set()


def see_to_stop() -> None:
    """Bound the stop of the server that has this connection, if that is Hypercorn on asyncio."""
    if _SERVER not in sys.modules or in_trio():
        return
    loop = asyncio.get_running_loop()
    if loop in _watched or (server := next(_servers(), None)) is None:
        return
    terminated = getattr(getattr(server, "context", None), "terminated", None)
    grace = getattr(getattr(server, "config", None), "graceful_timeout", None)
    if terminated is not None and grace is not None:  # Another Hypercorn may have others.
        # Not in the context of this request.
        task = loop.create_task(_stop(terminated, grace), context=Context())
        _watched.add(loop)
        _waiting.add(task)
        task.add_done_callback(_waiting.discard)


def _servers() -> Iterator[object]:
    """Yield Hypercorn's objects for the connections that are open on this loop."""
    for task in asyncio.all_tasks():
        for frame in frames_of(task.get_coro()):
            owner = frame.f_locals.get("self")
            if type(owner).__module__ == _SERVER:
                yield owner
                break


async def _stop(terminated: asyncio.Event, grace: float) -> None:
    await terminated.wait()
    await asyncio.sleep(grace + AFTER)
    loop = asyncio.get_running_loop()
    for each in connections():
        task = each.task
        if task is not None and task.get_loop() is loop and not task.cancelling():
            task.cancel()
    await asyncio.sleep(CLEANUP)
    for server in list(_servers()):
        transport = getattr(getattr(server, "writer", None), "transport", None)
        if transport is not None:
            transport.abort()
