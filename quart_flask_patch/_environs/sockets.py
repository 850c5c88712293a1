"""Start tasks and use non-blocking sockets, on asyncio and on Trio."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from socket import socket
from typing import Any

from quart._loops.mailbox import in_trio

_SIZE = 64 * 1024

_running: set[asyncio.Task[None]] = set()


def spawn(work: Callable[[], Awaitable[None]]) -> Callable[[], object]:
    """Start a task that runs *work*; return a function that cancels it."""
    if in_trio():
        return _spawn_in_trio(work)

    async def run() -> None:
        await work()

    task = asyncio.get_running_loop().create_task(run())
    # An event loop keeps only weak references to its tasks.
    _running.add(task)
    task.add_done_callback(_running.discard)
    return task.cancel


def _spawn_in_trio(work: Callable[[], Awaitable[None]]) -> Callable[[], object]:
    trio: Any = sys.modules["trio"]
    scope = trio.CancelScope()

    async def run() -> None:
        with scope:
            await work()

    trio.lowlevel.spawn_system_task(run)
    return scope.cancel  # type: ignore[no-any-return]  # of an optional package


async def read(sock: socket) -> bytes:
    """Wait until bytes have arrived and return them; b"" at the end."""
    if not in_trio():
        return await asyncio.get_running_loop().sock_recv(sock, _SIZE)
    await sys.modules["trio"].lowlevel.wait_readable(sock)
    return sock.recv(_SIZE)


async def write(sock: socket, data: bytes) -> None:
    """Write all of *data*, waiting where the socket's buffer is full."""
    if not in_trio():
        await asyncio.get_running_loop().sock_sendall(sock, data)
        return
    rest = memoryview(data)
    while rest:
        await sys.modules["trio"].lowlevel.wait_writable(sock)
        rest = rest[sock.send(rest) :]
