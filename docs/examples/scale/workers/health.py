"""Whether a process lives, and whether it should get requests: for probes, and for systemd.

`/alive` says that the event loop turns. `/ready` is 503 while requests wait for a thread, after the
loop stood still, and from the moment that the file `$DRAIN_FILE` exists: make it some seconds
before you stop the process, so that nobody sends it anything by the time it closes its socket.
"""

import asyncio
import os
import socket
import time
from contextlib import suppress
from pathlib import Path

from flask import Blueprint, current_app

from quart_flask_patch import threads

QUEUED_AT_MOST = int(os.environ.get("QUEUED_AT_MOST", "20"))
STOOD_AT_MOST = 1.0  # seconds for which the loop may stand still
REMEMBERED = 10.0  # seconds for which it is held against the process that it did
TICK = 0.25

health = Blueprint("health", __name__)
stood = {"for": 0.0, "at": 0.0}


async def watch_loop():
    """See whether the loop turns in time, and tell systemd that it does, if that asks for it."""
    tell_systemd("READY=1")
    while True:
        before = time.monotonic()
        await asyncio.sleep(TICK)
        late = time.monotonic() - before - TICK
        if late > STOOD_AT_MOST:
            stood.update({"for": late, "at": time.monotonic()})
        tell_systemd("WATCHDOG=1")


def tell_systemd(state):
    if address := os.environ.get("NOTIFY_SOCKET"):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as notify, suppress(OSError):
            notify.sendto(state.encode(), address.replace("@", "\0", 1))


async def while_serving():
    watching = asyncio.create_task(watch_loop())
    yield
    tell_systemd("STOPPING=1")
    watching.cancel()
    with suppress(asyncio.CancelledError):
        await watching


def init_app(app):
    app.while_serving(while_serving)
    app.register_blueprint(health)


@health.get("/alive")
async def alive():
    return "alive"


@health.get("/ready")
async def ready():
    busy = threads(current_app)
    reasons = {
        "requests wait for a thread": busy.queued > QUEUED_AT_MOST,
        "the event loop stood still": time.monotonic() - stood["at"] < REMEMBERED,
        "it is to be stopped": is_draining(),
    }
    why = [reason for reason, holds in reasons.items() if holds]
    return {
        "ready": not why,
        "why": why,
        "queued": busy.queued,
        "busy": busy.busy,
    }, 503 if why else 200


def is_draining():
    file = os.environ.get("DRAIN_FILE")
    return bool(file) and Path(file).exists()
