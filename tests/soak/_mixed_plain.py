"""The views of the mixed application, as Flask's users write them."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import Callable, Iterator
from typing import Any

import flask
import flask_sock
from flask import request, session

from quart_flask_patch import wait

TEMPLATE = "Hello {{ name }}{% for n in range(3) %}, {{ n }}{% endfor %}"


def add_views(app: Any, count: Callable[[str], None]) -> None:
    """Add the ordinary ones, those that stream, and those whose clients leave."""
    _add_readers(app)
    _add_ordinary(app)
    _add_errors(app)
    _add_contexts(app)
    _add_streams(app, count)
    _add_waiting(app)
    flask_sock.Sock(app).route("/taken")(taken)


def taken(socket: Any) -> None:
    socket.send(socket.receive())


def _add_readers(app: Any) -> None:
    @app.get("/text/<int:number>")
    def text(number: int) -> Any:
        return f"{number} {request.args.get('a')}", {"X-Number": str(number)}

    @app.post("/json")
    def take_json() -> Any:
        return {"got": request.get_json()}

    @app.post("/form")
    def form() -> Any:
        file = request.files.get("file")
        return {"form": request.form.to_dict(), "size": len(file.read()) if file else 0}

    @app.post("/raw")
    def raw() -> Any:
        return str(len(request.get_data()))

    @app.post("/unread")
    def unread() -> Any:
        return "unread", 403


def _add_ordinary(app: Any) -> None:
    @app.get("/session")
    def count() -> Any:
        session["count"] = session.get("count", 0) + 1
        return str(session["count"])

    @app.get("/template")
    def template() -> Any:
        return flask.render_template_string(TEMPLATE, name=request.args["name"])

    @app.get("/wait")
    def waits() -> Any:
        wait(asyncio.sleep(0.001))
        return "waited"

    @app.get("/async")
    async def awaits() -> Any:
        await asyncio.sleep(0.001)
        return "waited"

    @app.get("/redirect")
    def redirects() -> Any:
        flask.flash("on the way")
        return flask.redirect(flask.url_for("text", number=1))

    @app.get("/file")
    def file() -> Any:
        return flask.send_file(io.BytesIO(b"x" * 1000), "text/plain", etag=False)


def _add_errors(app: Any) -> None:
    @app.get("/handled")
    def handled() -> Any:
        raise LookupError("on purpose")

    @app.get("/unhandled")
    def unhandled() -> Any:
        raise ValueError("on purpose")

    @app.get("/abort")
    def aborts() -> Any:
        flask.abort(409)


def _add_contexts(app: Any) -> None:
    @app.get("/contexts/<int:rounds>")
    def contexts(rounds: int) -> Any:
        for number in range(rounds):
            with app.app_context():
                flask.g.number = number
                with app.test_request_context(f"/text/{number}?a=1"):
                    assert request.args["a"] == "1"
                    session["a"] = number
            with app.test_request_context("/form", method="POST", data={"a": "1"}):
                assert request.form["a"] == "1"
            with app.app_context():
                assert "number" not in flask.g
        return str(rounds * 4)


def _add_streams(app: Any, count: Callable[[str], None]) -> None:
    def stream(pieces: int, size: int, pause: float) -> Iterator[bytes]:
        count("streams begun")
        try:
            while pieces:
                pieces -= 1
                yield b"x" * size
                if pause:
                    time.sleep(pause)
        finally:
            count("streams closed")

    @app.get("/stream")
    def streams() -> Any:
        return flask.Response(stream(5, 100, 0))

    @app.get("/kept")
    def kept() -> Any:
        return flask.stream_with_context(stream(5, 100, 0))

    @app.get("/endless")
    def endless() -> Any:
        return flask.Response(stream(-1, 100, 0.01))

    @app.get("/large")
    def large() -> Any:
        return flask.Response(stream(-1, 65536, 0))


def _add_waiting(app: Any) -> None:
    @app.get("/waits")
    def waits_long() -> Any:
        wait(asyncio.sleep(30))
        return ""

    @app.get("/blocks")
    def blocks() -> Any:
        time.sleep(0.02)  # Longer than it takes the client to leave.
        return "blocked"
