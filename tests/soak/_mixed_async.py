"""The views of the mixed application, as Quart's users write them."""

from __future__ import annotations

import asyncio
import io
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

from quart import (
    abort,
    flash,
    g,
    redirect,
    render_template_string,
    request,
    Response,
    send_file,
    session,
    stream_with_context,
    url_for,
)
from quart.utils import run_sync

TEMPLATE = "Hello {{ name }}{% for n in range(3) %}, {{ n }}{% endfor %}"


def add_views(app: Any, count: Callable[[str], None]) -> None:
    """Add the ordinary ones, those that stream, and those whose clients leave."""
    _add_readers(app)
    _add_ordinary(app)
    _add_errors(app)
    _add_contexts(app)
    _add_streams(app, count)
    _add_waiting(app)


def _add_readers(app: Any) -> None:
    @app.get("/text/<int:number>")
    async def text(number: int) -> Any:
        return f"{number} {request.args.get('a')}", {"X-Number": str(number)}

    @app.post("/json")
    async def take_json() -> Any:
        return {"got": await request.get_json()}

    @app.post("/form")
    async def form() -> Any:
        file = (await request.files).get("file")
        fields = (await request.form).to_dict()
        return {"form": fields, "size": len(file.read()) if file else 0}

    @app.post("/raw")
    async def raw() -> Any:
        return str(len(await request.get_data()))

    @app.post("/unread")
    async def unread() -> Any:
        return "unread", 403


def _add_ordinary(app: Any) -> None:
    @app.get("/session")
    async def count() -> Any:
        session["count"] = session.get("count", 0) + 1
        return str(session["count"])

    @app.get("/template")
    async def template() -> Any:
        return await render_template_string(TEMPLATE, name=request.args["name"])

    @app.get("/wait")
    async def waits() -> Any:
        await run_sync(time.sleep)(0.001)
        return "waited"

    @app.get("/async")
    async def awaits() -> Any:
        await asyncio.sleep(0.001)
        return "waited"

    @app.get("/redirect")
    async def redirects() -> Any:
        await flash("on the way")
        return redirect(url_for("text", number=1))

    @app.get("/file")
    async def file() -> Any:
        return await send_file(io.BytesIO(b"x" * 1000), "text/plain", conditional=False)


def _add_errors(app: Any) -> None:
    @app.get("/handled")
    async def handled() -> Any:
        raise LookupError("on purpose")

    @app.get("/unhandled")
    async def unhandled() -> Any:
        raise ValueError("on purpose")

    @app.get("/abort")
    async def aborts() -> Any:
        abort(409)


def _add_contexts(app: Any) -> None:
    @app.get("/contexts/<int:rounds>")
    async def contexts(rounds: int) -> Any:
        for number in range(rounds):
            async with app.app_context():
                g.number = number
                async with app.test_request_context(f"/text/{number}?a=1"):
                    assert request.args["a"] == "1"
                    session["a"] = number
            # As both kinds of applications are given a form.
            kind = {"Content-Type": "application/x-www-form-urlencoded"}
            async with app.test_request_context("/form", method="POST", data=b"a=1", headers=kind):
                assert (await request.form)["a"] == "1"
            async with app.app_context():
                assert "number" not in g
        return str(rounds * 4)


def _add_streams(app: Any, count: Callable[[str], None]) -> None:
    async def stream(pieces: int, size: int, pause: float) -> AsyncIterator[bytes]:
        count("streams begun")
        try:
            while pieces:
                pieces -= 1
                yield b"x" * size
                if pause:
                    await asyncio.sleep(pause)
        finally:
            count("streams closed")

    @app.get("/stream")
    async def streams() -> Any:
        return Response(stream(5, 100, 0))

    @app.get("/kept")
    async def kept() -> Any:
        return stream_with_context(stream)(5, 100, 0)

    @app.get("/endless")
    async def endless() -> Any:
        return Response(stream(-1, 100, 0.01))

    @app.get("/large")
    async def large() -> Any:
        return Response(stream(-1, 65536, 0))


def _add_waiting(app: Any) -> None:
    @app.get("/waits")
    async def waits_long() -> Any:
        await asyncio.sleep(30)
        return ""

    @app.get("/blocks")
    async def blocks() -> Any:
        await run_sync(time.sleep)(0.02)
        return "blocked"
