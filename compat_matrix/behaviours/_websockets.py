"""Websockets."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from _kit import call, CONNECT, DENIAL, GONE, make_app, page, said, scope, told

from quart import (
    abort,
    g,
    has_app_context,
    has_request_context,
    has_websocket_context,
    session,
    url_for,
    websocket,
)
from quart.testing import WebsocketResponseError


@page("how_to_guides/websockets")
async def an_echo() -> Any:
    app = make_app()

    @app.websocket("/ws/<name>")
    async def ws(name: str) -> None:
        while True:
            data = await websocket.receive()
            await websocket.send(f"{name} {data} {websocket.headers['host']}")
            if data == "last":
                return

    return told(await call(app, scope("/ws/a", "websocket"), CONNECT, said("first"), said("last")))


@page("how_to_guides/websockets")
async def the_test_client_speaks() -> Any:
    app = make_app()

    @app.websocket("/ws")
    async def ws() -> None:
        session["seen"] = True
        while True:
            await websocket.send(await websocket.receive())
            await websocket.send_json(await websocket.receive_json())

    async with app.test_client().websocket("/ws") as connection:
        await connection.send("data")
        first = await connection.receive()
        await connection.send_json({"a": 1})
        return [first, await connection.receive_json()]


@page("how_to_guides/websockets")
async def refusing() -> Any:
    app, found = make_app(), []

    @app.websocket("/tuple")
    async def by_tuple() -> Any:
        return "Invalid password", 403

    @app.websocket("/abort")
    async def by_abort() -> Any:
        abort(401)

    for path in ("/tuple", "/abort", "/nowhere"):
        for extensions in (DENIAL, {}):
            asked = scope(path, "websocket", extensions=extensions)
            sent = await call(app, asked, CONNECT)
            found.append(told(sent))
    try:
        async with app.test_client().websocket("/tuple") as connection:
            await connection.receive()
    except WebsocketResponseError as error:
        found.append([error.response.status_code])
    return found


@page("how_to_guides/websockets")
async def accepting_and_closing() -> Any:
    app = make_app()

    @app.websocket("/")
    async def ws() -> None:
        await websocket.accept(headers={"X-Name": "value"}, subprotocol="b")
        await websocket.send("text")
        await websocket.send(b"bytes")
        await websocket.close(1000, "done")

    sent = await call(app, scope("/", "websocket", subprotocols=["a", "b"]), CONNECT)
    return [told(sent), [[name.decode(), value.decode()] for name, value in sent[0]["headers"]]]


@page("how_to_guides/websockets")
async def headers_for_a_server_without_them() -> Any:
    import warnings

    app = make_app()

    @app.websocket("/")
    async def ws() -> None:
        await websocket.accept(headers={"X-Name": "value"})

    asgi = {"version": "3.0", "spec_version": "2.0"}
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        sent = await call(app, scope("/", "websocket", asgi=asgi), CONNECT)
    return [sent[0]["headers"], any(warning.category is UserWarning for warning in seen)]


@page("how_to_guides/websockets")
async def two_tasks() -> Any:
    app = make_app()

    @app.websocket("/")
    async def ws() -> None:
        async def send() -> None:
            for number in range(3):
                await websocket.send(str(number))

        async def receive() -> None:
            for _ in range(2):
                g.setdefault("got", []).append(await websocket.receive())

        await asyncio.gather(asyncio.create_task(send()), asyncio.create_task(receive()))
        await websocket.send(" ".join(g.got))

    return told(await call(app, scope("/", "websocket"), CONNECT, said("a"), said("b")))


@page("how_to_guides/disconnections")
async def a_client_that_leaves() -> Any:
    app, log = make_app(), []

    @app.websocket("/")
    async def ws() -> None:
        await websocket.accept()
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            log.append("cancelled")
            raise
        finally:
            log.append("finally")

    @app.teardown_websocket
    async def torn_down(error: Any) -> None:
        log.append("teardown")

    with contextlib.suppress(asyncio.CancelledError):
        await call(app, scope("/", "websocket"), CONNECT, GONE)
    return log


@page("discussion/websockets_discussion")
async def hooks_of_websockets() -> Any:
    app, log = make_app(), []
    app.before_request(lambda: log.append("before_request"))

    @app.before_websocket
    async def before() -> Any:
        log.append("before")
        return ("no", 403) if websocket.path == "/refused" else None

    @app.after_websocket
    async def after(response: Any) -> Any:
        log.append("after")
        return response

    @app.teardown_websocket
    async def teardown(error: Any) -> None:
        log.append(f"teardown {error!r}")

    @app.websocket("/<name>")
    async def ws(name: str) -> None:
        log.append([has_websocket_context(), has_request_context(), has_app_context()])
        await websocket.send(url_for("ws", name="x", _external=True))

    asked = [scope(path, "websocket", extensions=DENIAL) for path in ("/open", "/refused")]
    return [[told(await call(app, entry, CONNECT)) for entry in asked], log]


@page("discussion/websockets_discussion")
async def errors_in_websockets() -> Any:
    app = make_app()

    @app.errorhandler(KeyError)
    async def handle(error: Any) -> Any:
        return "handled", 400

    @app.websocket("/")
    async def ws() -> None:
        raise KeyError("mine")

    return told(await call(app, scope("/", "websocket", extensions=DENIAL), CONNECT))
