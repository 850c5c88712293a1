"""What nobody can do without, alone, behind the least ASGI there is.

A template is Jinja's own synchronous rendering, an upload Werkzeug's own parser, a plain view one
visit to a thread that waits for it.
"""

from __future__ import annotations

import asyncio
import io
import json
import threading
from collections.abc import Awaitable, Callable
from queue import SimpleQueue
from typing import Any

from jinja2 import Environment, FileSystemLoader, select_autoescape
from werkzeug.formparser import MultiPartParser

from . import _payload as payload

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Scope = dict[str, Any]
environment = Environment(
    loader=FileSystemLoader(payload.TEMPLATES), autoescape=select_autoescape()
)
calls: SimpleQueue[tuple[asyncio.AbstractEventLoop, asyncio.Future[str]]] = SimpleQueue()


async def table(scope: Scope, receive: Receive) -> bytes:
    template = environment.get_template("table.html")
    return template.render(title="Rows", rows=payload.ROWS).encode()


async def upload(scope: Scope, receive: Receive) -> bytes:
    headers = dict(scope["headers"])
    _, _, boundary = headers[b"content-type"].partition(b"boundary=")
    body, more = io.BytesIO(), True
    while more:
        message = await receive()
        body.write(message["body"])
        more = message["more_body"]
    body.seek(0)
    size = int(headers[b"content-length"])
    form, files = MultiPartParser().parse(body, boundary, size)
    return json.dumps({"note": form["note"], "size": len(files["file"].read())}).encode()


async def visit(scope: Scope, receive: Receive) -> bytes:
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[str] = loop.create_future()
    calls.put((loop, answer))
    return (await answer).encode()


def work() -> None:
    while True:
        loop, answer = calls.get()
        loop.call_soon_threadsafe(answer.set_result, payload.TEXT)


threading.Thread(target=work, daemon=True).start()
_VIEWS = {"/table": table, "/upload": upload, "/sync": visit}


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "http":
        body = await _VIEWS[scope["path"]](scope, receive)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})


applications = {"plain": app}
