"""An application that reports what each request finds at its beginning."""

from __future__ import annotations

import asyncio
import json
import os
import time
from contextvars import ContextVar
from typing import Any

USER: ContextVar[str | None] = ContextVar("user", default=None)
#: How many requests have begun, and how many of their contexts have ended.
counts = {"begun": 0, "ended": 0}
UPLOAD_PAUSE = 0.02


def found_at_first(g: Any, session: Any, request: Any) -> None:
    """Record what is there already, and leave something that a later request must not find."""
    counts["begun"] += 1
    found = {"g": g.get("user"), "variable": USER.get(), "session": session.get("user")}
    user = request.headers.get("X-User")
    g.user, g.found = user, found
    USER.set(user)
    session["user"] = user


def count_ended(g: Any) -> None:
    # A server's start has a context too; and Flask's streams push that of their request again.
    if "found" in g and not g.get("has_ended"):
        g.has_ended = True
        counts["ended"] += 1


def told(g: Any, **more: Any) -> str:
    return json.dumps({**g.found, "user": g.user, "own": USER.get(), **more})


if os.environ.get("APPLICATION_KIND") == "flask":
    import quart_flask_patch  # noqa: F401, I001  # Flask is imported after it

    import flask
    import flask_login
    from flask import g, request, session

    app: Any = flask.Flask(__name__)
    login = flask_login.LoginManager(app)

    class Account(flask_login.UserMixin):
        def __init__(self, name: str) -> None:
            self.id = name

    @login.request_loader
    def load(request: Any) -> Any:
        name = request.headers.get("X-User")
        return Account(name) if name else None

    def known() -> Any:
        return flask_login.current_user.get_id()

    @app.before_request
    def begin() -> None:
        found_at_first(g, session, request)

    @app.teardown_appcontext
    def end(error: BaseException | None) -> None:
        count_ended(g)

    @app.route("/me", methods=["GET", "POST"])
    def me() -> Any:
        return told(g, known=known())

    @app.post("/read")
    def read() -> Any:
        time.sleep(UPLOAD_PAUSE)
        return told(g, known=known(), size=len(request.get_data()))

    @app.post("/unread")
    def unread() -> Any:
        time.sleep(UPLOAD_PAUSE)
        return told(g, known=known()), 403

    @app.get("/stream")
    def stream() -> Any:
        def chunks() -> Any:
            yield from told(g, known=known())

        return flask.Response(flask.stream_with_context(chunks()))

    @app.get("/error")
    def error() -> Any:
        raise LookupError("on purpose")

    @app.errorhandler(LookupError)
    def failed(error: LookupError) -> Any:
        return told(g, known=known()), 500

    @app.websocket("/socket")
    async def socket() -> None:
        from quart import websocket

        await websocket.send(told(g, known=known()))

else:
    from quart import g, Quart, request, Response, session, stream_with_context, websocket

    app = Quart(__name__)

    @app.before_request
    async def begin_request() -> None:
        found_at_first(g, session, request)

    @app.before_websocket
    async def begin_websocket() -> None:
        found_at_first(g, session, websocket)

    @app.teardown_appcontext
    async def end_context(error: BaseException | None) -> None:
        count_ended(g)

    @app.route("/me", methods=["GET", "POST"])
    async def tell() -> Any:
        return told(g)

    @app.post("/read")
    async def read_all() -> Any:
        await asyncio.sleep(UPLOAD_PAUSE)
        return told(g, size=len(await request.get_data()))

    @app.post("/unread")
    async def leave_unread() -> Any:
        await asyncio.sleep(UPLOAD_PAUSE)
        return told(g), 403

    @app.get("/stream")
    async def stream_it() -> Any:
        @stream_with_context
        async def chunks() -> Any:
            for character in told(g):
                yield character

        return Response(chunks())

    @app.get("/error")
    async def fail() -> Any:
        raise LookupError("on purpose")

    @app.errorhandler(LookupError)
    async def has_failed(error: LookupError) -> Any:
        return told(g), 500

    @app.websocket("/socket")
    async def speak() -> None:
        await websocket.send(told(g))


@app.get("/counts")
async def tell_counts() -> Any:
    return counts


app.secret_key = "of the soak tests"
app.config["MAX_CONTENT_LENGTH"] = None
