"""One visit to a thread that waits for it, and nothing else."""

from __future__ import annotations

import asyncio
import threading
from queue import SimpleQueue

_calls: SimpleQueue[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = SimpleQueue()


async def visit() -> None:
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[None] = loop.create_future()
    _calls.put((loop, answer))
    await answer


def _work() -> None:
    while True:
        loop, answer = _calls.get()
        loop.call_soon_threadsafe(answer.set_result, None)


threading.Thread(target=_work, daemon=True).start()
