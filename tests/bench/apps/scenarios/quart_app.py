"""The Quart contender: ``async def`` throughout, except for the one plain view."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from quart import g, Quart, render_template, request, Response, session, websocket

from . import _payload as payload


async def text() -> str:
    return payload.TEXT


def sync_text() -> str:
    return payload.TEXT


async def message() -> dict[str, Any]:
    return payload.MESSAGE


async def item(item_id: int) -> dict[str, Any]:
    return {"id": item_id, "q": request.args["q"]}


async def echo() -> Any:
    return await request.get_json()


async def form() -> dict[str, Any]:
    return (await request.form).to_dict()


async def table() -> str:
    return await render_template("table.html", title="Rows", rows=payload.ROWS)


async def stream() -> Response:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(payload.CHUNKS):
            yield payload.CHUNK

    return Response(chunks(), mimetype="application/octet-stream")


async def upload() -> dict[str, Any]:
    files = await request.files
    return {"note": (await request.form)["note"], "size": len(files["file"].read())}


async def count() -> str:
    session["count"] = session.get("count", 0) + 1
    return str(session["count"])


async def ws() -> None:
    while True:
        await websocket.send(await websocket.receive())


def _plain() -> Quart:
    app = Quart(__name__)
    app.add_url_rule("/text", view_func=text)
    app.add_url_rule("/sync", view_func=sync_text)
    app.add_url_rule("/json", view_func=message)
    app.add_url_rule("/async", "async", message)
    app.add_url_rule("/echo", view_func=echo, methods=["POST"])
    app.add_url_rule("/form", view_func=form, methods=["POST"])
    app.add_url_rule("/table", view_func=table)
    app.add_url_rule("/stream", view_func=stream)
    app.add_url_rule("/upload", view_func=upload, methods=["POST"])
    app.add_websocket("/ws", view_func=ws)
    return app


def _routes() -> Quart:
    app = Quart(__name__)
    for n in range(payload.ROUTES):
        app.add_url_rule(f"/section{n}/<int:item_id>", f"item{n}", item)
    return app


def _session() -> Quart:
    app = Quart(__name__)
    app.secret_key = payload.SECRET
    app.add_url_rule("/count", view_func=count)
    return app


def _hooks() -> Quart:
    app = Quart(__name__)
    app.add_url_rule("/text", view_func=text)

    @app.before_request
    async def before() -> None:
        g.seen = True

    @app.after_request
    async def after(response: Response) -> Response:
        response.headers["X-Hook"] = "1"
        return response

    return app


applications = {"plain": _plain(), "routes": _routes(), "session": _session(), "hooks": _hooks()}
