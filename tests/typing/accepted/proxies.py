"""The proxies are what they stand for, and can hand it out."""

from __future__ import annotations

import asyncio
from typing import assert_type

from quart import (
    current_app,
    g,
    Quart,
    Request,
    request,
    request_started,
    session,
    Websocket,
    websocket,
)
from quart.ctx import AppContext
from quart.globals import app_ctx, request_ctx, websocket_ctx
from quart.sessions import SessionMixin


def takes_app(app: Quart) -> str:
    return app.name


async def takes_request(given: Request) -> bytes:
    return await given.get_data()


async def takes_websocket(given: Websocket) -> str | bytes:
    return await given.receive()


async def use() -> None:
    takes_app(current_app)
    await takes_request(request)
    await takes_websocket(websocket)
    g.user = "ada"
    user: str = g.user
    g.setdefault("count", 0)
    session["user"] = g.pop("user", user)

    assert_type(current_app._get_current_object(), Quart)
    assert_type(request._get_current_object(), Request)
    assert_type(websocket._get_current_object(), Websocket)
    assert_type(session._get_current_object(), SessionMixin)
    assert_type(app_ctx._get_current_object(), AppContext)
    g._get_current_object().user = user

    assert_type(app_ctx.app, Quart)
    assert_type(request_ctx.request, Request)
    assert_type(websocket_ctx.websocket, Websocket)

    app = current_app._get_current_object()

    async def later() -> None:
        async with app.app_context():
            app.logger.info("later")

    await asyncio.create_task(later())
    await current_app.ensure_async(takes_app)(app)


def receive(sender: Quart, **extra: object) -> None: ...


def connect(app: Quart) -> None:
    request_started.connect(receive, app)
    request_started.disconnect(receive, sender=app)
