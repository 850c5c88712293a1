"""The Flask contender, on Flask and on the layer: plain views."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterator
from typing import Any

from flask import Flask, request, Response, send_file
from werkzeug.middleware.proxy_fix import ProxyFix

from . import _payload as payload

app = Flask(__name__)
app.config["SYNC_THREADS"] = payload.THREADS
if payload.IS_PROXIED:
    app.wsgi_app = ProxyFix(app.wsgi_app)  # type: ignore[method-assign]  # as Flask's docs do


@app.get("/json")
def message() -> dict[str, Any]:
    return payload.MESSAGE


@app.get("/file/<int:kib>")
def file(kib: int) -> Response:
    return send_file(payload.path_of(kib))


@app.get("/stream")
def stream() -> Response:
    def pieces() -> Iterator[bytes]:
        for _ in range(64):
            yield payload.PIECE

    return Response(pieces(), mimetype="application/octet-stream")


@app.get("/async")
async def async_message() -> dict[str, Any]:
    return payload.MESSAGE


for each in payload.BLOCKS:
    app.get(f"/block/{each}", endpoint=f"block_{each}")(payload.blocking(each))


@app.get("/wait")
def wait() -> str:
    app.ensure_sync(asyncio.sleep)(payload.PAUSE)
    return "done"


@app.post("/count")
def count() -> str:
    size = 0
    while piece := request.stream.read(len(payload.CHUNK)):
        size += len(piece)
    return str(size)


@app.post("/upload")
def upload() -> str:
    return str(request.files["file"].seek(0, io.SEEK_END))


@app.get("/download/<int:mib>")
def download(mib: int) -> Response:
    def chunks() -> Iterator[bytes]:
        for _ in range(mib * payload.CHUNKS_PER_MIB):
            yield payload.CHUNK

    return Response(chunks(), mimetype="application/octet-stream")
