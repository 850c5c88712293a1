"""An application that answers in many ways, and reports what its process holds and still does.

Its views are the plain ones of a `flask.Flask`, or async ones, of a `quart.Quart` or, on loops of
their own, of a `flask.Flask`.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import threading
from sys import stdout
from typing import Any

from ._state import state_of_this_process

counts = {"begun": 0, "ended": 0, "streams begun": 0, "streams closed": 0}
_lock = threading.Lock()


def count(what: str) -> None:
    with _lock:
        counts[what] += 1


if IS_FLASK := os.environ.get("APPLICATION_KIND") == "flask":
    import quart_flask_patch  # noqa: F401, I001  # Flask is imported after it

    import flask

    if "QUART_ASYNC_PLACE" in os.environ:
        from ._mixed_async import add_views
    else:
        from ._mixed_plain import add_views

    app: Any = flask.Flask(__name__)
else:
    from quart import Quart

    from ._mixed_async import add_views

    app = Quart(__name__)

from quart import g, websocket  # noqa: E402  # the layer comes first

app.secret_key = "of the soak tests"
app.config.update(
    MAX_CONTENT_LENGTH=None, SYNC_THREADS=16, BODY_TIMEOUT=None, RESPONSE_TIMEOUT=None
)


def begin() -> None:
    g.is_counted = True
    count("begun")


def end(error: BaseException | None) -> None:
    # A context that is made by hand has not begun so; Flask's streams push that of theirs again.
    if g.pop("is_counted", False):
        count("ended")


async def begin_async() -> None:
    begin()


async def end_async(error: BaseException | None) -> None:
    await asyncio.sleep(0)
    end(error)


if IS_FLASK:
    # They are called for websockets too.
    app.before_request(begin)
    app.teardown_request(end)
else:
    app.before_request(begin_async)
    app.before_websocket(begin_async)
    app.teardown_request(end_async)
    app.teardown_websocket(end_async)
add_views(app, count)


@app.errorhandler(LookupError)
def handled(error: LookupError) -> tuple[str, int]:
    return "handled", 418


@app.after_serving
async def stop() -> None:
    # The test that stops the server reads that in its log.
    tell("after_serving")


def tell(when: str) -> None:
    stdout.write(f"{when}: {counts}\n")
    stdout.flush()


# A server that is told to stop twice may not call it.
atexit.register(tell, "at exit")


@app.get("/state")
async def state() -> Any:
    return {**state_of_this_process(), "counts": counts}


@app.get("/counts")
async def tell_counts() -> Any:
    return counts


# --- Websockets


@app.websocket("/echo")
async def echo() -> None:
    while (message := await websocket.receive()) != "end":
        await websocket.send(message)


@app.websocket("/push")
async def push() -> None:
    for number in range(3):
        await websocket.send(str(number))


@app.websocket("/fail")
async def fail() -> None:
    await websocket.send("0")
    raise LookupError("on purpose")


@app.websocket("/listen")
async def listen() -> None:
    await websocket.send("here")
    while True:
        await websocket.receive()


@app.websocket("/talk")
async def talk() -> None:
    while True:
        await websocket.send("x" * 1000)


@app.websocket("/still")
async def still() -> None:
    await websocket.send("here")
    await asyncio.Event().wait()
