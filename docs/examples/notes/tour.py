"""The start page: what this is, and proof of it that takes ten seconds."""

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

from flask import abort, Blueprint, current_app, flash, redirect, render_template, url_for
from flask.typing import ResponseReturnValue
from flask_login import current_user, login_user

from .announcer import Announcer
from .comparison import compare
from .models import SAMPLE_USER, User

bp = Blueprint("tour", __name__, url_prefix="/tour")
visitors = Announcer()
EVERYBODY = 0
SILENCE = 15.0


def where() -> dict[str, Any]:
    """Say which thread runs this, and whether an event loop runs in it."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        on_loop = False
    else:
        on_loop = True
    return {"thread": threading.current_thread().name, "on_loop": on_loop}


@bp.get("/")
def page() -> ResponseReturnValue:
    sample = User.named(SAMPLE_USER) if current_app.config["SAMPLES"] else None
    return render_template(
        "tour.html", here=where(), sample=sample, seconds=current_app.config["SUMMARY_SECONDS"]
    )


@bp.get("/plain")
def plain() -> ResponseReturnValue:
    """Block, as an ordinary Flask view does that asks a database or another server."""
    time.sleep(current_app.config["SUMMARY_SECONDS"])
    return where()


@bp.get("/async")
async def asynchronous() -> ResponseReturnValue:
    """Wait for as long, without a thread."""
    await asyncio.sleep(current_app.config["SUMMARY_SECONDS"])
    return where()


@bp.post("/compare")
def compared() -> ResponseReturnValue:
    """Measure both kinds of view on Flask alone and on the layer; the first time takes a while."""
    return compare()


@bp.post("/wave")
def wave() -> ResponseReturnValue:
    """Tell all windows that have the page open."""
    name = current_user.name if current_user.is_authenticated else "A stranger"
    visitors.publish({"waves": name})
    return "", 204


@bp.post("/log-in")
def log_in() -> ResponseReturnValue:
    """Log in with the account that is there from the start."""
    user = User.named(SAMPLE_USER) if current_app.config["SAMPLES"] else None
    if user is None:
        abort(404)
    login_user(user)
    flash(f"You are {user.name} now, who has written some notes.", "success")
    return redirect(url_for("notes.index"))


async def visits() -> AsyncIterator[str]:
    try:
        async with aclosing(visitors.listen(EVERYBODY, SILENCE)) as events:
            await anext(events)
            visitors.publish({})  # the others see one more
            async for event in events:
                yield f"data: {json.dumps((event or {}) | {'open': len(visitors)})}\n\n"
    finally:
        visitors.publish({})


if hasattr(bp, "websocket"):

    @bp.get("/visitors")
    async def stream() -> ResponseReturnValue:
        headers = {"Content-Type": "text/event-stream", "Cache-Control": "no-store"}
        return visits(), headers
