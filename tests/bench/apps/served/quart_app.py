"""The Quart contender, ours and upstream's: ``async def`` views, except for the one that blocks."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from quart import Quart, request, Response, send_file, websocket

from . import _payload as payload

app = Quart(__name__)
app.config.update(
    SYNC_THREADS=payload.THREADS, MAX_CONTENT_LENGTH=None, BODY_TIMEOUT=None, RESPONSE_TIMEOUT=None
)


@app.before_serving
async def widen() -> None:
    """Give upstream, whose threads are the loop's, as many of them."""
    asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(payload.THREADS))


@app.get("/json")
async def message() -> dict[str, Any]:
    return payload.MESSAGE


@app.get("/async")
async def async_message() -> dict[str, Any]:
    return payload.MESSAGE


@app.get("/file/<int:kib>")
async def file(kib: int) -> Response:
    return await send_file(payload.path_of(kib))


for each in payload.BLOCKS:
    app.get(f"/block/{each}", endpoint=f"block_{each}")(payload.blocking(each))


@app.get("/wait")
async def wait() -> str:
    await asyncio.sleep(payload.PAUSE)
    return "done"


@app.post("/count")
async def count() -> str:
    size = 0
    async for piece in request.body:
        size += len(piece)
    return str(size)


@app.post("/upload")
async def upload() -> str:
    return str((await request.files)["file"].stream.seek(0, io.SEEK_END))


@app.get("/download/<int:mib>")
async def download(mib: int) -> Response:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(mib * payload.CHUNKS_PER_MIB):
            yield payload.CHUNK

    return Response(chunks(), mimetype="application/octet-stream")


@app.websocket("/ws")
async def echo() -> None:
    while True:
        await websocket.send(await websocket.receive())
