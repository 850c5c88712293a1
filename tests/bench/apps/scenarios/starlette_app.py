"""The Starlette contender: what its own documentation would write."""

from __future__ import annotations

from collections.abc import AsyncIterator

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.templating import Jinja2Templates
from starlette.websockets import WebSocket

from . import _payload as payload

templates = Jinja2Templates(directory=payload.TEMPLATES)


async def text(request: Request) -> Response:
    return PlainTextResponse(payload.TEXT)


def sync_text(request: Request) -> Response:
    return PlainTextResponse(payload.TEXT)


async def message(request: Request) -> Response:
    return JSONResponse(payload.MESSAGE)


async def item(request: Request) -> Response:
    return JSONResponse({"id": request.path_params["item_id"], "q": request.query_params["q"]})


async def echo(request: Request) -> Response:
    return JSONResponse(await request.json())


async def form(request: Request) -> Response:
    async with request.form() as fields:
        return JSONResponse(dict(fields))


async def table(request: Request) -> Response:
    return templates.TemplateResponse(
        request, "table.html", {"title": "Rows", "rows": payload.ROWS}
    )


async def stream(request: Request) -> Response:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(payload.CHUNKS):
            yield payload.CHUNK

    return StreamingResponse(chunks(), media_type="application/octet-stream")


async def upload(request: Request) -> Response:
    async with request.form() as fields:
        return JSONResponse({"note": fields["note"], "size": len(await fields["file"].read())})


async def count(request: Request) -> Response:
    request.session["count"] = request.session.get("count", 0) + 1
    return PlainTextResponse(str(request.session["count"]))


async def ws(websocket: WebSocket) -> None:
    await websocket.accept()
    async for data in websocket.iter_text():
        await websocket.send_text(data)


class Hooks(BaseHTTPMiddleware):
    async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
        request.state.seen = True
        response = await call_next(request)
        response.headers["X-Hook"] = "1"
        return response


applications = {
    "plain": Starlette(
        routes=[
            Route("/text", text),
            Route("/sync", sync_text),
            Route("/json", message),
            Route("/async", message),
            Route("/echo", echo, methods=["POST"]),
            Route("/form", form, methods=["POST"]),
            Route("/table", table),
            Route("/stream", stream),
            Route("/upload", upload, methods=["POST"]),
            WebSocketRoute("/ws", ws),
        ]
    ),
    "routes": Starlette(
        routes=[Route(f"/section{n}/{{item_id:int}}", item) for n in range(payload.ROUTES)]
    ),
    "session": Starlette(
        routes=[Route("/count", count)],
        middleware=[Middleware(SessionMiddleware, secret_key=payload.SECRET)],
    ),
    "hooks": Starlette(routes=[Route("/text", text)], middleware=[Middleware(Hooks)]),
}
