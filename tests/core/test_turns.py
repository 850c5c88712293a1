"""Loops whose steps never suspend: others have their turn, and a client's leaving ends them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from _tireless import ENOUGH, serve, Tireless
from quart import Quart, request, Response, websocket
from quart._connection import inbound
from quart.templating import stream_template_string

from .driver import scope_for

POST = scope_for("http", method="POST")


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look out for a disconnect as soon as a handler waits."""
    monkeypatch.setattr(inbound, "WATCH_AFTER", 0.001)


@pytest.fixture(params=["asyncio", "trio"])
def backend(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def async_stream(log: list[str]) -> Any:
    async def chunks() -> AsyncIterator[bytes]:
        try:
            for _ in range(ENOUGH):
                yield b"x"
        finally:
            log.append("closed")

    return chunks()


def plain_stream(log: list[str]) -> Any:
    def chunks() -> Iterator[bytes]:
        try:
            for _ in range(ENOUGH):
                yield b"x"
        finally:
            log.append("closed")

    return chunks()


def empty_stream(log: list[str]) -> Any:
    """Its chunks are not even sent."""

    async def chunks() -> AsyncIterator[bytes]:
        try:
            for number in range(ENOUGH):
                yield b"x" if number < 100 else b""
        finally:
            log.append("closed")

    return chunks()


@pytest.mark.parametrize("stream", [async_stream, plain_stream, empty_stream])
def test_a_stream(app: Quart, backend: str, stream: Callable[[list[str]], Any]) -> None:
    log: list[str] = []

    @app.post("/")
    async def view() -> Response:
        response = Response(stream(log))
        response.call_on_close(lambda: log.append("response closed"))
        response.timeout = None
        return response

    client = Tireless("http", floods=False)
    anyio.run(serve, app, POST, client, backend=backend)

    assert log == ["closed", "response closed"]


def test_the_stream_of_a_template(app: Quart, backend: str) -> None:
    source = "{% for number in range(count) %}{{ number }}{% endfor %}"

    @app.post("/")
    async def view() -> Any:
        return await stream_template_string(source, count=ENOUGH)

    anyio.run(serve, app, POST, Tireless("http", floods=False), backend=backend)


async def iterate() -> None:
    async for _ in request.body:
        pass


async def read_it_whole() -> None:
    await request.get_data()


@pytest.mark.parametrize("read", [iterate, read_it_whole])
def test_a_body(app: Quart, backend: str, read: Callable[[], Any]) -> None:
    app.config["MAX_CONTENT_LENGTH"] = None
    app.post("/")(read)

    anyio.run(serve, app, POST, Tireless("http", floods=True), backend=backend)


def test_a_body_that_is_made_whole(app: Quart) -> None:
    """As when an `after_request` function looks at what is streamed."""

    async def main() -> None:
        response = Response(async_stream([]))
        async with anyio.create_task_group() as group:
            group.start_soon(response.get_data)
            for _ in range(5):
                await anyio.lowlevel.checkpoint()
            assert not response.is_sequence, "nobody else had a turn before it was whole"
            group.cancel_scope.cancel()

    anyio.run(main)


async def only_send() -> None:
    while True:
        await websocket.send("x")


async def only_receive() -> None:
    while True:
        await websocket.receive()


async def echo() -> None:
    while True:
        await websocket.send(await websocket.receive())


@pytest.mark.parametrize("handle", [only_send, only_receive, echo])
def test_a_websocket(app: Quart, backend: str, handle: Callable[[], Any]) -> None:
    log: list[str] = []

    @app.websocket("/")
    async def view() -> None:
        try:
            await handle()
        finally:
            log.append("ended")

    client = Tireless("websocket", floods=handle is not only_send)
    anyio.run(serve, app, scope_for("websocket"), client, backend=backend)

    assert log == ["ended"]
