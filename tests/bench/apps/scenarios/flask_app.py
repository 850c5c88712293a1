"""The Flask contender: plain functions throughout, except for the one ``async def`` view."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from flask import Flask, g, render_template, request, Response, session

from . import _payload as payload

View = Callable[..., Any]
AsView = Callable[[View], View]


def text() -> str:
    return payload.TEXT


def message() -> dict[str, Any]:
    return payload.MESSAGE


async def async_message() -> dict[str, Any]:
    return payload.MESSAGE


def item(item_id: int) -> dict[str, Any]:
    return {"id": item_id, "q": request.args["q"]}


def echo() -> Any:
    return request.get_json()


def form() -> dict[str, Any]:
    return request.form.to_dict()


def table() -> str:
    return render_template("table.html", title="Rows", rows=payload.ROWS)


def stream() -> Response:
    def chunks() -> Iterator[bytes]:
        for _ in range(payload.CHUNKS):
            yield payload.CHUNK

    return Response(chunks(), mimetype="application/octet-stream")


def upload() -> dict[str, Any]:
    return {"note": request.form["note"], "size": len(request.files["file"].read())}


def count() -> str:
    session["count"] = session.get("count", 0) + 1
    return str(session["count"])


def _plain(view: AsView) -> Flask:
    app = Flask(__name__)
    app.add_url_rule("/text", view_func=view(text))
    app.add_url_rule("/sync", "sync", text)
    app.add_url_rule("/json", view_func=view(message))
    app.add_url_rule("/async", view_func=async_message)
    app.add_url_rule("/echo", view_func=view(echo), methods=["POST"])
    app.add_url_rule("/form", view_func=view(form), methods=["POST"])
    app.add_url_rule("/table", view_func=view(table))
    app.add_url_rule("/stream", view_func=view(stream))
    app.add_url_rule("/upload", view_func=view(upload), methods=["POST"])
    return app


def _routes(view: AsView) -> Flask:
    app = Flask(__name__)
    for n in range(payload.ROUTES):
        app.add_url_rule(f"/section{n}/<int:item_id>", f"item{n}", view(item))
    return app


def _session(view: AsView) -> Flask:
    app = Flask(__name__)
    app.secret_key = payload.SECRET
    app.add_url_rule("/count", view_func=view(count))
    return app


def _hooks(view: AsView) -> Flask:
    app = Flask(__name__)
    app.add_url_rule("/text", view_func=view(text))

    @app.before_request
    def before() -> None:
        g.seen = True

    @app.after_request
    def after(response: Response) -> Response:
        response.headers["X-Hook"] = "1"
        return response

    return app


def build(view: AsView) -> dict[str, Flask]:
    """The applications, with every view as ``view`` makes it."""
    makers = {"plain": _plain, "routes": _routes, "session": _session, "hooks": _hooks}
    return {name: make(view) for name, make in makers.items()}


applications = build(lambda view: view)
