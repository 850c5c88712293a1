"""The Starlette contender: routes alone, since it has no blueprints."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from . import _sizes as sizes


async def text(request: Request) -> Response:
    return PlainTextResponse(sizes.TEXT)


async def item(request: Request) -> Response:
    return PlainTextResponse(str(request.path_params["item_id"]))


def _routes(count: int) -> Starlette:
    before = count // 2
    items = [Route(f"/section{n}/{{item_id:int}}", item) for n in range(count)]
    return Starlette(routes=[*items[:before], Route("/text", text), *items[before:]])


applications = {f"routes-{n}": _routes(n) for n in sizes.ROUTES}
