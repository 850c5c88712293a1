"""Websockets between several clients and tasks, and what surrounds them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from functools import wraps
from typing import Any

from _kit import call, CONNECT, DENIAL, GONE, make_app, page, returns, said, scope, told

import quart
from quart import (
    abort,
    Blueprint,
    copy_current_websocket_context,
    current_app,
    g,
    Quart,
    session,
    websocket,
)
from quart.ctx import after_this_websocket
from quart.testing import WebsocketResponseError


async def receive() -> None:
    while True:
        await websocket.receive()


async def receive_json() -> None:
    while True:
        await websocket.receive_json()


async def in_a_task() -> None:
    await asyncio.create_task(receive())


async def in_a_group() -> None:
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(receive())
        tasks.create_task(asyncio.sleep(10))


async def gathered() -> None:
    await asyncio.gather(receive(), asyncio.sleep(10))


async def waiting() -> None:
    await asyncio.sleep(10)


@page("how_to_guides/websockets")
async def a_disconnect_is_a_cancellation() -> Any:
    """Whatever a handler awaits, and in whichever of its tasks."""
    found = {}
    for work in (receive, receive_json, in_a_task, in_a_group, gathered, waiting):
        app, log = make_app(), []

        @app.websocket("/")
        async def ws(work: Callable[[], Any] = work, log: list[str] = log) -> None:
            await websocket.accept()
            try:
                await work()
            except asyncio.CancelledError:
                log.append("cancelled")
                raise
            finally:
                log.append("cleaned up")

        with contextlib.suppress(asyncio.CancelledError):
            await call(app, scope("/", "websocket"), CONNECT, said("1"), GONE)
        found[work.__name__] = log
    return found


class Broker:
    def __init__(self) -> None:
        self.connections: set[asyncio.Queue[str]] = set()
        self.both = asyncio.Event()

    async def publish(self, message: str) -> None:
        for connection in self.connections:
            await connection.put(message)

    async def subscribe(self) -> AsyncIterator[str]:
        connection: asyncio.Queue[str] = asyncio.Queue()
        self.connections.add(connection)
        if len(self.connections) == 2:
            self.both.set()
        try:
            while True:
                yield await connection.get()
        finally:
            self.connections.remove(connection)


@page("tutorials/chat_tutorial")
async def a_chat() -> Any:
    app, broker, log = make_app(), Broker(), []

    async def _receive() -> None:
        while True:
            await broker.publish(await websocket.receive())  # type: ignore[arg-type]

    @app.websocket("/ws")
    async def ws() -> None:
        try:
            task = asyncio.ensure_future(_receive())
            async for message in broker.subscribe():
                await websocket.send(message)
        finally:
            task.cancel()
            log.append("left")
            await task

    client = app.test_client()
    async with client.websocket("/ws") as one, client.websocket("/ws") as two:
        await broker.both.wait()
        await one.send("hello")
        heard = [await one.receive(), await two.receive()]
    return [heard, log]


@page("discussion/websockets_discussion")
async def a_websocket_that_needs_a_login() -> Any:
    app = make_app()

    def login_required(func: Any) -> Any:
        @wraps(func)
        async def wrapper(*args: Any, **values: Any) -> Any:
            found = websocket.authorization
            if found is not None and found.username == "ann" and found.password == "secret":
                return await func(*args, **values)
            return abort(401)

        return wrapper

    @app.websocket("/ws")
    @login_required
    async def ws() -> None:
        await websocket.send("welcome")

    client, found = app.test_client(), []
    for auth in (("ann", "secret"), ("ann", "wrong"), None):
        try:
            async with client.websocket("/ws", auth=auth) as connection:
                found.append(await connection.receive())
        except WebsocketResponseError as error:
            found.append(error.response.status_code)
    return found


@page("how_to_guides/websockets")
async def bytes_and_text() -> Any:
    app = make_app()

    @app.websocket("/")
    async def ws() -> None:
        for _ in range(4):
            data = await websocket.receive()
            await websocket.send(data)
            await websocket.send(type(data).__name__)

    asked = [said("text"), said(b"\xff"), said(""), said("ü")]
    sent = await call(app, scope("/", "websocket"), CONNECT, *asked)
    return [repr(message.get("bytes") or message.get("text")) for message in sent]


@page("how_to_guides/websockets")
async def closing_before_accepting() -> Any:
    app = make_app()

    @app.websocket("/")
    async def ws() -> None:
        await websocket.close(1000)

    return told(await call(app, scope("/", "websocket"), CONNECT))


@page("reference/api")
async def subprotocols() -> Any:
    app = make_app()

    @app.websocket("/")
    async def ws() -> None:
        await websocket.accept(subprotocol="b")
        await websocket.send(" ".join(websocket.requested_subprotocols))

    async with app.test_client().websocket("/", subprotocols=["a", "b"]) as connection:
        return await connection.receive()


@page("reference/api")
async def what_a_websocket_has() -> Any:
    app = make_app()

    @app.websocket("/<name>")
    async def ws(name: str) -> None:
        await websocket.send_json(
            {
                "args": websocket.args.to_dict(),
                "cookies": dict(websocket.cookies),
                "endpoint": websocket.endpoint,
                "header": websocket.headers["X-A"],
                "host": websocket.host,
                "method": websocket.method,
                "path": websocket.path,
                "scheme": websocket.scheme,
                "url": websocket.url,
                "view_args": websocket.view_args,
                "remote": websocket.remote_addr,
            }
        )

    asked = scope("/x", "websocket", query_string=b"q=1")
    asked["headers"] = [(b"host", b"a.test"), (b"x-a", b"b"), (b"cookie", b"c=d")]
    return told(await call(app, asked, CONNECT))


@page("how_to_guides/session_storage")
async def sessions_of_websockets() -> Any:
    app = make_app()

    @app.get("/set")
    async def set_user() -> str:
        session["user"] = "ann"
        return ""

    @app.websocket("/ws")
    async def ws() -> None:
        await websocket.send_json(dict(session))
        session["lost"] = True

    @app.get("/")
    async def view() -> Any:
        return dict(session)

    client = app.test_client()
    await client.get("/set")
    async with client.websocket("/ws") as connection:
        heard = await connection.receive_json()
    return [heard, await (await client.get("/")).get_json()]


@page("discussion/contexts")
async def g_of_a_websocket() -> Any:
    app, log = make_app(), []

    @app.before_websocket
    async def before() -> None:
        g.user = websocket.args.get("user")

    @app.teardown_websocket
    async def teardown(error: Any) -> None:
        log.append(g.get("user"))

    @app.websocket("/")
    async def ws() -> None:
        @copy_current_websocket_context
        async def task() -> Any:
            return [websocket.path, current_app.name]

        await websocket.send_json([g.user, await asyncio.create_task(task())])

    sent = await call(app, scope("/", "websocket", query_string=b"user=ann"), CONNECT)
    return [told(sent), log]


@page("reference/api")
async def after_a_websocket() -> Any:
    app, log = make_app(), []
    blueprint = Blueprint("blue", __name__)

    @blueprint.after_app_websocket
    async def after_app(response: Any) -> Any:
        log.append(["after", None if response is None else response.status_code])
        return response

    app.register_blueprint(blueprint)

    @app.websocket("/<name>")
    async def ws(name: str) -> Any:
        @after_this_websocket
        async def once(response: Any) -> Any:
            log.append("once")
            return response

        if name == "refused":
            return "no", 403
        await websocket.send("open")
        return None

    for name in ("open", "refused"):
        await call(app, scope(f"/{name}", "websocket", extensions=DENIAL), CONNECT)
    return log


@page("reference/api")
async def signals_of_websockets() -> Any:
    app, log = make_app(), []
    names = ("websocket_started", "websocket_finished", "websocket_tearing_down")
    names += ("websocket_received", "websocket_sent", "got_websocket_exception")

    def noting(name: str) -> Any:
        async def note(sender: Any, **more: Any) -> None:
            log.append(name)

        return note

    receivers = [noting(name) for name in names]
    for name, receiver in zip(names, receivers, strict=True):
        getattr(quart.signals, name).connect(receiver)

    @app.websocket("/<name>")
    async def ws(name: str) -> None:
        if name == "fail":
            raise LookupError("mine")
        await websocket.send(await websocket.receive())

    try:
        for name in ("open", "fail"):
            log.append(name)
            await call(app, scope(f"/{name}", "websocket"), CONNECT, said("x"))
    finally:
        for name, receiver in zip(names, receivers, strict=True):
            getattr(quart.signals, name).disconnect(receiver)
    return log


@page("how_to_guides/websockets")
async def websockets_added_by_calls() -> Any:
    app = Quart("added")

    async def ws(name: str, number: int = 0) -> None:
        await websocket.send(f"{name} {number}")

    app.add_websocket("/a/<name>", "one", ws, defaults={"number": 1})
    app.add_websocket("/b/<name>/<int:number>", "two", ws)
    app.add_url_rule("/a/<name>", "http", returns("http"))
    paths = ("/a/x", "/b/y/2")
    return [told(await call(app, scope(path, "websocket"), CONNECT)) for path in paths]


@page("how_to_guides/sync_code")
async def plain_hooks_of_websockets() -> Any:
    app, log = make_app(), []

    @app.before_websocket
    def before() -> None:
        log.append(["before", websocket.path])

    @app.after_websocket
    def after(response: Any) -> Any:
        log.append(["after", websocket.path])
        return response

    @app.teardown_websocket
    def teardown(error: Any) -> None:
        log.append(["teardown", websocket.path])

    @app.websocket("/")
    async def ws() -> None:
        await websocket.send("open")

    return [told(await call(app, scope("/", "websocket"), CONNECT)), log]
