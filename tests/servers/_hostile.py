"""An application for hostile clients, as `flask.Flask` or as `quart.Quart`."""

from __future__ import annotations

import asyncio
import os
import threading
from typing import Any

from quart import Quart, request as its_request, websocket

IS_FLASK = os.environ["APPLICATION_KIND"] == "flask"
if IS_FLASK:
    import quart_flask_patch  # noqa: F401, I001  # Flask is imported after it

    import flask
    import flask_sock

    app: Any = flask.Flask(__name__)
    sock = flask_sock.Sock(app)

    @sock.route("/taken/echo")
    def echo_by_hand(ws: Any) -> None:
        ws.send(str(len(ws.receive())))

    @sock.route("/taken/idle")
    def wait_by_hand(ws: Any) -> None:
        ws.send("ready")
        threading.Event().wait(3)

    @app.route("/plain", methods=["GET", "POST"])
    def plain() -> Any:
        return f"{len(flask.request.form)} {flask.request.host} {flask.session.get('a')}"

else:
    app = Quart(__name__)

    @app.route("/plain", methods=["GET", "POST"])
    async def awaited() -> Any:
        return f"{len(await its_request.form)} {its_request.host}"


@app.route("/n/<int:n>")
@app.route("/s/<n>")
async def number(n: Any) -> str:
    return "found"


@app.websocket("/echo")
async def echo() -> None:
    await websocket.send(str(len(await websocket.receive())))


@app.websocket("/idle")
async def idle() -> None:
    await websocket.send("ready")
    await asyncio.Event().wait()


app.secret_key = "of the hostile tests"
