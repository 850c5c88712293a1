"""The test client, and the application that a test starts."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

from _kit import fetch, make_app, page, returns

from quart import Quart, request, session, websocket
from quart.testing import QuartClient
from quart.testing.app import LifespanError


@page("how_to_guides/testing")
async def a_method_for_each_verb() -> Any:
    app = make_app()
    verbs = ("get", "post", "put", "patch", "delete", "head", "options", "trace")

    @app.route("/", methods=[verb.upper() for verb in verbs])
    async def view() -> Any:
        return request.method

    client = app.test_client()
    answers = [await getattr(client, verb)("/") for verb in verbs]
    return [[answer.status_code, answer.headers.get("Content-Type")] for answer in answers]


@page("how_to_guides/testing")
async def the_answer_that_a_test_gets() -> Any:
    app = make_app()

    @app.get("/")
    async def view() -> Any:
        return {"a": 1}, 201, {"X-Name": "value"}

    answer = await app.test_client().get("/")
    return {
        "status": answer.status,
        "code": answer.status_code,
        "json": [await answer.get_json(), await answer.json],
        "data": [(await answer.data).decode(), await answer.get_data(as_text=True)],
        "header": answer.headers["x-name"],
        "mimetype": answer.mimetype,
        "length": answer.content_length,
        "is_json": answer.is_json,
    }


@page("how_to_guides/testing")
async def cookies_of_a_client() -> Any:
    app = make_app()

    @app.get("/")
    async def view() -> Any:
        return dict(sorted(request.cookies.items()))

    @app.get("/set")
    async def set_cookie() -> Any:
        response = await app.make_response("")
        response.set_cookie("from_app", "1")
        return response

    client = app.test_client()
    client.set_cookie("localhost", "from_test", "2")
    await client.get("/set")
    found = [await (await client.get("/")).get_json()]
    client.delete_cookie("localhost", "from_test")
    found.append(await (await client.get("/")).get_json())
    other = app.test_client(use_cookies=False)
    await other.get("/set")
    return [*found, await (await other.get("/")).get_json()]


@page("how_to_guides/testing")
async def a_session_made_by_a_test() -> Any:
    app = make_app()

    @app.get("/")
    async def view() -> Any:
        return dict(session)

    client = app.test_client()
    async with client.session_transaction() as kept:
        kept["user"] = "ann"
    found = [await (await client.get("/")).get_json()]
    async with client.session_transaction() as kept:
        found.append(kept.pop("user"))
    return [*found, await (await client.get("/")).get_json()]


@page("how_to_guides/testing")
async def redirects_that_a_client_follows() -> Any:
    app = make_app()

    @app.route("/<int:code>", methods=["GET", "POST"])
    async def away(code: int) -> Any:
        return "", code, {"Location": "/end?q=1"}

    @app.route("/end", methods=["GET", "POST"])
    async def end() -> Any:
        return [request.method, request.full_path, (await request.get_data()).decode()]

    found = []
    for code in (301, 302, 303, 307, 308):
        options: dict[str, Any] = {"data": "sent", "follow_redirects": True}
        found.append(await fetch(app, f"/{code}", "POST", **options))
    return found


@page("how_to_guides/testing")
async def a_client_of_ones_own() -> Any:
    class Client(QuartClient):
        async def login(self) -> Any:
            return await self.post("/login", form={"user": "ann"})

    class App(Quart):
        test_client_class = Client

    app = App("clients")

    @app.post("/login")
    async def login() -> Any:
        return (await request.form)["user"]

    client: Any = app.test_client()
    return await (await client.login()).get_data(as_text=True)


@page("how_to_guides/testing")
async def a_connection_that_is_read_in_parts() -> Any:
    app = make_app()

    @app.post("/")
    async def view() -> Any:
        body = request.body

        async def echo() -> AsyncIterator[bytes]:
            async for data in body:
                yield data.upper()

        return echo(), 201, {"X-Name": "value"}

    async with app.test_client().request("/", method="POST") as connection:
        await connection.send(b"one")
        first = await connection.receive()
        await connection.send(b"two")
        await connection.send_complete()
    response = await connection.as_response()
    data = await response.get_data(as_text=True)
    return [first.decode(), data, connection.status_code, response.headers["X-Name"]]


@page("how_to_guides/startup_shutdown")
async def a_test_app_that_does_not_start() -> Any:
    app, log = make_app(), []

    @app.before_serving
    async def fail() -> None:
        raise LookupError("mine")

    try:
        async with app.test_app():
            log.append("started")
    except LifespanError:
        log.append("LifespanError")
    except Exception as error:
        log.append(type(error).__name__)
    return log


@page("how_to_guides/startup_shutdown")
async def a_test_app_hands_on() -> Any:
    app = make_app()

    @app.before_serving
    async def start() -> None:
        app.pool = "pool"  # type: ignore[attr-defined]

    @app.get("/")
    async def view() -> Any:
        return app.pool  # type: ignore[attr-defined]

    @app.websocket("/ws")
    async def ws() -> None:
        await websocket.send(app.pool)  # type: ignore[attr-defined]

    async with app.test_app() as test_app:
        client = test_app.test_client()
        async with client.websocket("/ws") as connection:
            said = await connection.receive()
        return [await (await client.get("/")).get_data(as_text=True), said]


@page("how_to_guides/developing")
async def serving_as_a_task() -> Any:
    import socket

    app = make_app()
    app.add_url_rule("/", "view", returns("served"))
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    stop = asyncio.Event()
    task = asyncio.ensure_future(app.run_task(port=port, shutdown_trigger=stop.wait))
    for _ in range(200):
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.02)
        else:
            break
    writer.write(b"GET / HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n")
    answer = (await reader.read()).decode()
    writer.close()
    stop.set()
    await task
    return [answer.splitlines()[0], answer.splitlines()[-1]]


@page("how_to_guides/middleware")
async def middleware_around_middleware() -> Any:
    app = make_app()

    class Adding:
        def __init__(self, inner: Any, name: str) -> None:
            self.inner, self.name = inner, name

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            headers = [*scope["headers"], (b"x-via", self.name.encode())]
            await self.inner({**scope, "headers": headers}, receive, send)

    class Rejecting:
        def __init__(self, inner: Any) -> None:
            self.inner = inner

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            if (b"x-secret", b"very-secret") in scope.get("headers", ()):
                await self.inner(scope, receive, send)
                return
            headers = [(b"content-length", b"0")]
            await send({"type": "http.response.start", "status": 401, "headers": headers})
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    app.asgi_app = Adding(app.asgi_app, "inner")  # type: ignore[method-assign]
    app.asgi_app = Adding(app.asgi_app, "outer")  # type: ignore[method-assign]
    app.asgi_app = Rejecting(app.asgi_app)  # type: ignore[method-assign]

    @app.get("/")
    async def view() -> Any:
        return request.headers.getlist("X-Via")

    return [
        (await fetch(app))[0],
        await fetch(app, headers={"X-Secret": "very-secret"}),
    ]
