"""The Starlette contender: what its own documentation would write."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio.to_thread
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import (
    FileResponse,
    JSONResponse,
    PlainTextResponse,
    Response,
    StreamingResponse,
)
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from . import _payload as payload


@asynccontextmanager
async def widened(app: Starlette) -> AsyncIterator[None]:
    anyio.to_thread.current_default_thread_limiter().total_tokens = payload.THREADS
    yield


async def message(request: Request) -> Response:
    return JSONResponse(payload.MESSAGE)


async def file(request: Request) -> Response:
    return FileResponse(payload.path_of(request.path_params["kib"]))


def blocking(milliseconds: int) -> Callable[[Request], Response]:
    def block(request: Request) -> Response:
        time.sleep(milliseconds / 1000)
        return PlainTextResponse("done")

    return block


async def wait(request: Request) -> Response:
    await asyncio.sleep(payload.PAUSE)
    return PlainTextResponse("done")


async def count(request: Request) -> Response:
    size = 0
    async for piece in request.stream():
        size += len(piece)
    return PlainTextResponse(str(size))


async def upload(request: Request) -> Response:
    async with request.form() as form:
        return PlainTextResponse(str(form["file"].size))


async def download(request: Request) -> Response:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(request.path_params["mib"] * payload.CHUNKS_PER_MIB):
            yield payload.CHUNK

    return StreamingResponse(chunks(), media_type="application/octet-stream")


async def echo(websocket: WebSocket) -> None:
    await websocket.accept()
    async for data in websocket.iter_text():
        await websocket.send_text(data)


app = Starlette(
    routes=[
        Route("/json", message),
        Route("/async", message),
        Route("/file/{kib:int}", file),
        *(Route(f"/block/{each}", blocking(each)) for each in payload.BLOCKS),
        Route("/wait", wait),
        Route("/count", count, methods=["POST"]),
        Route("/upload", upload, methods=["POST"]),
        Route("/download/{mib:int}", download),
        WebSocketRoute("/ws", echo),
    ],
    lifespan=widened,
)
