"""An application with endless responses, which reports how they end."""

import asyncio
from collections.abc import AsyncIterator
from sys import stdout

from quart import make_response, Quart, Response, websocket

app = Quart(__name__)


def say(text: str) -> None:
    stdout.write(f"{text}\n")
    stdout.flush()


@app.after_serving
async def stop() -> None:
    say("after_serving has run")


@app.get("/events")
async def events() -> Response:
    async def send_events() -> AsyncIterator[str]:
        try:
            while True:
                yield "data: 🎈\n\n"
                await asyncio.sleep(0.02)
        finally:
            say("the stream has ended")

    response = await make_response(send_events(), {"Content-Type": "text/event-stream"})
    response.timeout = None
    return response


@app.get("/large")
async def large() -> Response:
    async def send_pieces() -> AsyncIterator[bytes]:
        try:
            while True:
                yield b"x" * 65536
        finally:
            say("the large stream has ended")

    response = Response(send_pieces())
    response.timeout = None
    return response


@app.websocket("/waiting")
async def waiting() -> None:
    try:
        await websocket.send("here")
        await asyncio.Event().wait()
    finally:
        say("the handler that waits has ended")


@app.websocket("/receiving")
async def receiving() -> None:
    try:
        await websocket.send("here")
        await websocket.receive()
    finally:
        say("the handler that receives has ended")


@app.get("/slow")
async def slow() -> str:
    say("slow has begun")
    await asyncio.sleep(0.5)  # Until after the server was told to stop.
    return "done all the same"
