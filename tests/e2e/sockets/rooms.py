"""Flask-SocketIO with threads, as its users use it."""

from typing import Any

from flask import Flask, request, session
from flask_socketio import emit, join_room, SocketIO

import quart_flask_patch  # noqa: F401

app = Flask(__name__)
app.secret_key = "secret"
socketio = SocketIO(app, async_mode="threading")


@app.get("/")
def index() -> str:
    return "index"


@socketio.on("connect")  # type: ignore[untyped-decorator]  # Flask-SocketIO has no types
def connect(auth: Any) -> None:
    emit("welcome", {"auth": auth, "q": request.args.get("q")})


@socketio.on("add")  # type: ignore[untyped-decorator]
def add(number: int) -> int:
    session["sum"] = session.get("sum", 0) + number
    return int(session["sum"])


@socketio.on("say")  # type: ignore[untyped-decorator]
def say(room: str, text: Any) -> None:
    join_room(room)
    emit("said", text, to=room)


@socketio.on("work")  # type: ignore[untyped-decorator]
def work() -> None:
    asked_by = request.sid  # type: ignore[attr-defined]  # Flask-SocketIO's

    def task() -> None:
        socketio.sleep(0.001)
        socketio.emit("worked", "in the background", to=asked_by)

    socketio.start_background_task(task)
