"""Requests one after the other on connections of their own, each of which must be answered."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field


@dataclass
class Load:
    """What came of the requests so far."""

    answered: int = 0
    failed: list[str] = field(default_factory=list)
    processes: set[int] = field(default_factory=set)


async def ask(port: int, method: str = "GET", path: str = "/", body: str = "") -> tuple[int, bytes]:
    """The status and body of one answer, all of which must come."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        writer.write(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())
        answer = await reader.read()
    finally:
        writer.close()
    before, _, rest = answer.partition(b"\r\n\r\n")
    if not before:
        raise EOFError("closed without an answer")
    return int(before.split()[1]), rest


@asynccontextmanager
async def under_load(port: int, path: str = "/", clients: int = 8) -> AsyncIterator[Load]:
    """Have *clients* ask all the time, half of them with POST; none asks again."""
    load, stop = Load(), asyncio.Event()

    async def work(number: int) -> None:
        while not stop.is_set():
            method = "POST" if number % 2 else "GET"
            try:
                async with asyncio.timeout(30):
                    status, body = await ask(port, method, path, "x" * 100 * (number % 2))
                if status != 200:
                    raise ValueError(f"{status} {body[:200]!r}")
                load.processes.add(
                    json.loads(body[body.index(b"{") : body.rindex(b"}") + 1])["process"]
                )
                load.answered += 1
            except (OSError, EOFError, ValueError) as error:
                load.failed.append(f"{method}: {type(error).__name__}: {error}")
            await asyncio.sleep(0.005)

    tasks = [asyncio.create_task(work(number)) for number in range(clients)]
    try:
        yield load
    finally:
        stop.set()
        await asyncio.gather(*tasks)
