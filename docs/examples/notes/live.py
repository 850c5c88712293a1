"""News as it happens: server-sent events and a websocket.

Both need a server that keeps connections open, which plain WSGI has not; there the page alone
remains and says so.
"""

import json
from collections.abc import AsyncIterator

from flask import abort, Blueprint, render_template, request
from flask.typing import ResponseReturnValue
from flask_login import current_user, login_required

from .announcer import announcer
from .extensions import db

bp = Blueprint("live", __name__, url_prefix="/live")
SILENCE = 15.0


@bp.get("/")
def page() -> ResponseReturnValue:
    return render_template("live/page.html")


@bp.app_context_processor
def tell_templates() -> dict[str, bool]:
    return {"is_live": hasattr(bp, "websocket")}


async def event_lines(user_id: int) -> AsyncIterator[str]:
    yield "retry: 2000\n"
    async for note in announcer.listen(user_id, SILENCE):
        if note is None:
            yield ": still here\n\n"
        else:
            yield f"event: note\nid: {note['id']}\ndata: {json.dumps(note)}\n\n"


if hasattr(bp, "websocket"):
    from quart import websocket

    @bp.get("/events")
    @login_required
    async def events() -> ResponseReturnValue:
        headers = {"Content-Type": "text/event-stream", "Cache-Control": "no-store"}
        return event_lines(current_user.id), headers

    @bp.websocket("/ws")
    async def ws() -> None:
        refuse_other_sites()
        name = current_user.name if current_user.is_authenticated else "stranger"
        db.session.remove()  # this may stay open for hours: give the connection back
        await websocket.send(json.dumps({"type": "greeting", "text": f"Hello, {name}!"}))
        while True:
            await websocket.send(json.dumps(answer_to(await websocket.receive())))


def refuse_other_sites() -> None:
    """A browser lets any page open a websocket to any site, so look where the page is from."""
    origin = request.headers.get("Origin")
    if origin is not None and origin.partition("://")[2] != request.host:
        abort(403)


def answer_to(message: str | bytes) -> dict[str, object]:
    try:
        return {"type": "echo", "payload": json.loads(message)}
    except ValueError:
        return {"type": "error", "text": "This is not JSON."}
