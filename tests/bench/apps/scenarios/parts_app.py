"""What nobody can do without, alone, behind the least ASGI there is.

A template is Jinja's own synchronous rendering, an upload Werkzeug's own parser, a plain view one
visit to a thread that waits for it.
"""

from __future__ import annotations

import io
import json
from collections.abc import Awaitable, Callable
from typing import Any

from jinja2 import Environment, FileSystemLoader, select_autoescape
from werkzeug.formparser import MultiPartParser

from . import _payload as payload
from ._visit import visit

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
Scope = dict[str, Any]
environment = Environment(
    loader=FileSystemLoader(payload.TEMPLATES), autoescape=select_autoescape()
)


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


async def plain(scope: Scope, receive: Receive) -> bytes:
    await visit()
    return payload.TEXT.encode()


_VIEWS = {"/table": table, "/upload": upload, "/sync": plain}


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "http":
        body = await _VIEWS[scope["path"]](scope, receive)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})


applications = {"plain": app}
