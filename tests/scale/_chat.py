"""Clients of the broadcast examples, which come again as a browser's script would."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress

import httpx
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from _serving import Server

Told = list[str]


class Listener:
    """A client that keeps what it was sent, and its place."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self.place = ""
        self.heard: Told = []
        self.times_connected = 0
        self.is_connected = False

    def take(self, place: str, text: str | None) -> None:
        self.place = place
        if text is not None:
            self.heard.append(text)

    async def connect(self) -> None:
        raise NotImplementedError

    async def stay(self) -> None:
        """Be connected, and connect again whenever that ends."""
        while True:
            with suppress(OSError, EOFError, ConnectionClosed, InvalidHandshake, httpx.HTTPError):
                await self.connect()
            self.is_connected = False
            await asyncio.sleep(random.uniform(0.05, 0.5))


class WebsocketListener(Listener):
    async def connect(self) -> None:
        after = f"?after={self.place}" if self.place else ""
        url = f"ws://{self.server.host}:{self.server.port}/chat{after}"
        async with connect(
            url, proxy=None, compression=None, ping_interval=None, open_timeout=30
        ) as connection:
            async for message in connection:
                told = json.loads(message)
                self.take(told["id"], told.get("text"))
                if not self.is_connected:
                    self.is_connected = True
                    self.times_connected += 1


class EventListener(Listener):
    """As `EventSource` does it: it sends the last `id` that it has seen."""

    def __init__(self, server: Server, client: httpx.AsyncClient) -> None:
        super().__init__(server)
        self.client = client

    async def connect(self) -> None:
        headers = {"Last-Event-ID": self.place} if self.place else {}
        url = f"{self.server.url}/events"
        async with self.client.stream("GET", url, headers=headers) as response:
            response.raise_for_status()
            place, text = "", None
            async for line in response.aiter_lines():
                name, _, value = line.partition(": ")
                if name == "id":
                    place = value
                elif name == "data":
                    text = json.loads(value)["text"]
                elif not line and place:
                    self.take(place, text)
                    place, text = "", None
                    if not self.is_connected:
                        self.is_connected = True
                        self.times_connected += 1


async def say(client: httpx.AsyncClient, url: str, key: str, text: str) -> None:
    """Send a message until it is taken, always with the same key."""
    while True:
        try:
            headers = {"Idempotency-Key": key}
            answer = await client.post(f"{url}/messages", content=text, headers=headers)
        except httpx.HTTPError:
            await asyncio.sleep(0.1)
            continue
        if answer.status_code == 202:
            return
        await asyncio.sleep(0.1)


@asynccontextmanager
async def staying(listeners: Sequence[Listener]) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(each.stay()) for each in listeners]
    try:
        await until(lambda: all(each.is_connected for each in listeners), "all are connected")
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def heard_at_least(listeners: Sequence[Listener], count: int) -> bool:
    return all(len(each.heard) >= count for each in listeners)


async def until(ready: Callable[[], object], what: str, patience: float = 60) -> None:
    try:
        async with asyncio.timeout(patience):
            while not ready():  # noqa: ASYNC110  # what changes is not ours
                await asyncio.sleep(0.05)
    except TimeoutError:
        raise AssertionError(f"waited {patience} seconds: {what}") from None
