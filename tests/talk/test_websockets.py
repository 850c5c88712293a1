"""Websockets: an echo, and a room where everybody hears everybody."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosedOK

from quart import Quart, websocket
from quart.wrappers import Websocket

from ._program import PATIENCE, serving


async def open_socket(port: int, path: str) -> ClientConnection:
    return await connect(f"ws://127.0.0.1:{port}{path}", proxy=None, open_timeout=PATIENCE)


def test_echo() -> None:
    app = Quart(__name__)

    @app.websocket("/ws")
    async def echo() -> None:
        while True:
            await websocket.send(await websocket.receive())

    async def main() -> None:
        async with serving(app) as port, await open_socket(port, "/ws") as client:
            for message in ("hello", b"\x00\xff", "", b"", "naïve 🦊", "x" * 200_000):
                await client.send(message)
                assert await client.recv() == message

    asyncio.run(main())


# --- Broadcast -----------------------------------------------------------------------------------

connected: set[Websocket] = set()


def collect_websocket(
    handler: Callable[..., Awaitable[None]],
) -> Callable[..., Awaitable[None]]:
    """Have the websocket in `connected` as long as its handler runs."""

    @wraps(handler)
    async def collected(*args: Any, **kwargs: Any) -> None:
        one: Websocket = websocket._get_current_object()
        connected.add(one)
        try:
            await handler(*args, **kwargs)
        finally:
            connected.remove(one)

    return collected


async def broadcast(message: object) -> None:
    for one in connected:
        await one.send_json(message)


def make_room() -> Quart:
    app = Quart(__name__)

    @app.websocket("/room/<name>")
    @collect_websocket
    async def room(name: str) -> None:
        await websocket.accept()
        while True:
            text = await websocket.receive()
            if text == "bye 👋":
                return
            await broadcast({"from": name, "text": text})

    return app


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not condition():  # noqa: ASYNC110  # what changes is not ours
            await asyncio.sleep(0.01)


def test_a_message_reaches_everybody() -> None:
    async def main() -> None:
        async with serving(make_room()) as port:
            names = ["ann", "bob", "zoë"]
            people = [await open_socket(port, f"/room/{name}") for name in names]
            await until(lambda: len(connected) == 3)

            await people[2].send("hi all 🎉👩‍🚀")
            for person in people:
                heard = json.loads(await person.recv())
                assert heard == {"from": "zoë", "text": "hi all 🎉👩‍🚀"}

            await people[0].send("bye 👋")
            with pytest.raises(ConnectionClosedOK):
                await people[0].recv()
            await people[1].close()
            await until(lambda: len(connected) == 1)

            await people[2].send("anyone? 🦗")
            assert json.loads(await people[2].recv())["text"] == "anyone? 🦗"
            await people[2].close()
            await until(lambda: not connected)

    asyncio.run(main())


def test_everybody_at_once() -> None:
    """Handlers of different connections send into the same websocket."""
    count = 8

    async def main() -> None:
        async with serving(make_room()) as port:
            people = [await open_socket(port, f"/room/{number}") for number in range(count)]
            await until(lambda: len(connected) == count)
            await asyncio.gather(*(person.send("🐝") for person in people))
            for person in people:
                heard = [json.loads(await person.recv()) for _ in range(count)]
                assert {message["from"] for message in heard} == set(map(str, range(count)))
                assert {message["text"] for message in heard} == {"🐝"}
            await asyncio.gather(*(person.close() for person in people))
            await until(lambda: not connected)

    asyncio.run(main())
