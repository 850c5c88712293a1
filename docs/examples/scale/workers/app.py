"""An application to be served by several processes, with what a proxy and a platform ask of it."""

import asyncio
import os
import time
from pathlib import Path

import quart_flask_patch  # noqa: F401

# isort: split

import health
from flask import Flask, make_response, request, url_for

from quart import websocket

app = Flask(__name__)
health.init_app(app)
FILES = Path(os.environ.get("FILES", "."))


@app.get("/")
async def index():
    return {"process": os.getpid(), "url": url_for("index", _external=True)}


@app.post("/")
async def save():
    await asyncio.sleep(0.02)  # a database, say
    return {"process": os.getpid(), "saved": len(request.get_data())}


@app.get("/count")
def count():
    """Work for the processor, of which two processes do twice as much."""
    return {"sum": sum(number * number for number in range(20_000))}


@app.get("/block/<int:milliseconds>")
def block(milliseconds):
    time.sleep(milliseconds / 1000)
    return {"process": os.getpid()}


@app.get("/hold/<int:milliseconds>")
async def hold(milliseconds):
    """A mistake: nothing else is done meanwhile. After ten seconds the log names this view."""
    time.sleep(milliseconds / 1000)  # noqa: ASYNC251
    return {"process": os.getpid()}


@app.get("/file/<path:name>")
async def file(name):
    """Let nginx send it: here is decided who may have it, there the work is done."""
    response = make_response("")
    response.headers["X-Accel-Redirect"] = f"/protected/{name}"
    del response.headers["Content-Type"]
    return response


@app.get("/events")
async def events():
    async def ticks():
        number = 0
        while True:
            yield f"id: {number}\ndata: {os.getpid()}\n\n"
            number += 1
            await asyncio.sleep(0.2)

    response = make_response(ticks())
    response.mimetype = "text/event-stream"
    response.timeout = None
    return response


@app.websocket("/echo")
async def echo():
    while True:
        await websocket.send(await websocket.receive())
