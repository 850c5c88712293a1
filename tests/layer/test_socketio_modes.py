"""Flask-SocketIO in its three modes, each in a process of its own, and a client over a socket."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from _serving import environment, environment_with, PATIENCE, served

socketio = pytest.importorskip("socketio")
pytest.importorskip("flask_socketio")

SOURCE = """
import sys

mode, port = sys.argv[1], int(sys.argv[2])
if mode == "gevent":
    from gevent import monkey

    monkey.patch_all()
elif mode == "eventlet":
    import eventlet

    eventlet.monkey_patch()

import asyncio

import quart_flask_patch
from flask import Flask, request, session
from flask_socketio import emit, SocketIO

app = Flask(__name__)
app.secret_key = "secret"
socketio = SocketIO(app, async_mode=mode)


@app.get("/async")
async def async_view():
    await asyncio.sleep(0.001)
    return "async"


@socketio.on("say")
def say(data):
    session["count"] = session.get("count", 0) + 1
    emit("said", {"data": data, "count": session["count"], "mode": socketio.async_mode})
    return request.path


@socketio.on("tick")
def tick():
    sid = request.sid

    def work():
        for number in range(3):
            socketio.sleep(0.01)
            socketio.emit("ticked", number, to=sid)

    socketio.start_background_task(work)


socketio.run(app, host="127.0.0.1", port=port, allow_unsafe_werkzeug=True)
"""
PACKAGES: dict[str, list[str]] = {
    "threading": [],
    "gevent": ["gevent", "gevent-websocket"],
    "eventlet": ["eventlet"],
}


@pytest.mark.parametrize("mode", PACKAGES)
def test_events(mode: str, tmp_path: Path) -> None:
    python = environment_with(tmp_path, *PACKAGES[mode]) if PACKAGES[mode] else sys.executable
    (tmp_path / "serve_events.py").write_text(SOURCE, encoding="utf-8")
    # What they warn of is theirs.
    env = {**environment(), "PYTHONWARNINGS": ""}
    command = ["serve_events", mode, "{port}"]
    with served(command, tmp_path, env, tmp_path / "log", python) as server:
        for transport in ("polling", "websocket"):
            assert events(server.url, transport) == [
                {"data": "x", "count": 1, "mode": mode},
                {"data": "y", "count": 2, "mode": mode},
                *(0, 1, 2),
            ]
        assert "Traceback" not in server.output()


def events(url: str, transport: str) -> list[Any]:
    """Return what comes over a connection on which two things are said."""
    client, came, last = socketio.Client(), [], threading.Event()

    def note(data: Any) -> None:
        came.append(data)
        if data == 2:
            last.set()

    client.on("said", note)
    client.on("ticked", note)
    client.connect(url, transports=[transport], wait_timeout=PATIENCE)
    try:
        assert client.call("say", "x", timeout=PATIENCE) == "/socket.io/"
        assert client.call("say", "y", timeout=PATIENCE) == "/socket.io/"
        client.emit("tick")
        assert last.wait(PATIENCE)
    finally:
        client.disconnect()
    return came
