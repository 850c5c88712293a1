"""Serving, background tasks, contexts, templates, plain code, tests and settings."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextvars import ContextVar
from typing import Any

from _kit import call, fetch, make_app, page, scope, told

from quart import (
    copy_current_app_context,
    copy_current_request_context,
    copy_current_websocket_context,
    current_app,
    g,
    has_app_context,
    has_request_context,
    Quart,
    render_template_string,
    request,
    url_for,
    websocket,
)
from quart.utils import run_sync
from quart.views import MethodView, View


@page("how_to_guides/startup_shutdown")
async def serving() -> Any:
    app, log = make_app(), []

    @app.before_serving
    async def before() -> None:
        log.append(["before", current_app.name])
        g.made = True

    @app.before_serving
    def before_too() -> None:
        log.append(["before too", g.get("made")])

    @app.while_serving
    async def around() -> AsyncIterator[None]:
        log.append(["up", g.get("made")])
        yield
        log.append(["down", g.get("made")])

    @app.after_serving
    async def after() -> None:
        log.append(["after", g.get("made")])

    @app.get("/")
    async def view() -> str:
        return str(g.get("made"))

    await fetch(app)
    async with app.test_app() as test_app:
        client = test_app.test_client()
        log.append(await (await client.get("/")).get_data(as_text=True))
    return log


@page("how_to_guides/startup_shutdown")
async def a_start_that_fails() -> Any:
    app = make_app()

    @app.before_serving
    async def before() -> None:
        raise ZeroDivisionError("no")

    says = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    sent = await call(app, {"type": "lifespan", "asgi": {"version": "3.0"}}, *says)
    return sent[0]["type"]


@page("how_to_guides/background_tasks")
async def background_tasks() -> Any:
    app, log = make_app(), []

    async def asynchronous(value: int, *, more: int) -> None:
        await asyncio.sleep(0)
        log.append([value, more, current_app.name, g.get("of_the_view")])

    def plain() -> None:
        log.append(["plain", current_app.name])

    @app.post("/jobs/")
    async def create_job() -> str:
        g.of_the_view = True
        app.add_background_task(asynchronous, 1, more=2)
        app.add_background_task(plain)
        return "Success"

    async with app.test_app():
        await fetch(app, "/jobs/", "POST")
    return sorted(log, key=str)


@page("how_to_guides/background_tasks")
async def a_background_task_that_takes_too_long() -> Any:
    app, log = make_app(), []
    app.config["BACKGROUND_TASK_SHUTDOWN_TIMEOUT"] = 0.05

    async def long() -> None:
        try:
            await asyncio.sleep(10)
        except asyncio.CancelledError:
            log.append("cancelled")
            raise

    async with app.test_app():
        app.add_background_task(long)
        await asyncio.sleep(0)
    return log


@page("discussion/contexts")
async def contexts() -> Any:
    app = make_app()
    app.add_url_rule("/", "index", lambda: "")
    found: list[Any] = [[has_app_context(), has_request_context()]]
    async with app.app_context():
        found.append([has_app_context(), has_request_context(), current_app.name])
    async with app.test_request_context("/?a=1", method="POST"):
        found.append([has_request_context(), request.method, request.args["a"], url_for("index")])
        async with app.app_context():
            found.append([has_request_context(), request.path, url_for("index"), "x" in g])
    found.append([has_app_context(), has_request_context()])
    return found


@page("discussion/contexts")
async def a_context_made_by_hand() -> Any:
    from quart.ctx import RequestContext

    app = make_app()
    app.add_url_rule("/", "index", lambda: "")
    async with app.test_request_context("/x"):
        found = request._get_current_object()
    async with RequestContext(app, found):
        return request.path


@page("discussion/contexts")
async def contexts_in_tasks() -> Any:
    app = make_app()

    @app.get("/")
    async def view() -> Any:
        g.value = "view"

        @copy_current_request_context
        async def in_request() -> Any:
            return [request.path, current_app.name]

        @copy_current_app_context
        async def in_app() -> Any:
            return [current_app.name]

        return [await asyncio.create_task(in_request()), await asyncio.create_task(in_app())]

    @app.websocket("/")
    async def ws() -> None:
        @copy_current_websocket_context
        async def in_websocket() -> str:
            return str(websocket.path)

        await websocket.send(await asyncio.create_task(in_websocket()))

    sent = await call(app, scope("/", "websocket"), {"type": "websocket.connect"})
    return [await fetch(app), told(sent)]


@page("how_to_guides/testing")
async def preprocessing_by_hand() -> Any:
    app = make_app()

    @app.before_request
    async def before() -> None:
        g.before = True

    async with app.test_request_context("/", method="GET"):
        first = g.get("before")
        await app.preprocess_request()
        return [first, g.get("before")]


@page("how_to_guides/testing")
async def the_test_client() -> Any:
    app = make_app()

    @app.route("/", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
    async def view() -> Any:
        return {
            "args": request.args.to_dict(flat=False),
            "authorization": request.authorization and request.authorization.username,
            "data": (await request.get_data()).decode(),
            "method": request.method,
            "type": request.content_type,
            "url": request.url,
        }

    @app.get("/away")
    async def away() -> Any:
        return "", 302, {"Location": "/"}

    options: list[dict[str, Any]] = [
        {"query_string": {"a": ["1", "2"]}},
        {"data": "text", "method": "POST"},
        {"json": {"a": 1}, "method": "PUT"},
        {"form": {"a": "b c"}, "method": "PATCH"},
        {"auth": ("user", "password")},
        {"scheme": "https", "headers": {"Host": "other.test"}},
    ]
    found = [await fetch(app, **entry) for entry in options]
    found.append(await fetch(app, "/away", follow_redirects=True))
    return found


@page("how_to_guides/sync_code")
async def plain_functions() -> Any:
    app, threads = make_app(), set()
    main = threading.get_ident()

    def note(name: str, result: Any = None) -> Any:
        def function(*arguments: Any) -> Any:
            threads.add((name, threading.get_ident() != main, has_request_context()))
            return arguments[0] if result is ... else result

        return function

    app.before_request(note("before"))
    app.after_request(note("after", ...))
    app.teardown_request(note("teardown"))
    app.add_url_rule("/", "view", note("view", "text"))
    app.context_processor(note("processor", {"a": 1}))

    @app.get("/template")
    async def template() -> str:
        return await render_template_string("{{ a }}")

    @app.errorhandler(404)
    def missing(error: Any) -> Any:
        return note("handler", ("none", 404))()

    answers = [await fetch(app, path) for path in ("/", "/template", "/nowhere")]
    return [answers, sorted(map(list, threads))]


@page("how_to_guides/sync_code")
async def run_sync_keeps_the_context() -> Any:
    app, variable = make_app(), ContextVar("variable", default="unset")

    @app.get("/")
    async def view() -> Any:
        variable.set("set")

        def plain(value: int) -> Any:
            return [value, request.path, variable.get()]

        return await run_sync(plain)(1)

    return await fetch(app)


@page("reference/api")
async def views_as_classes() -> Any:
    app = make_app()

    class One(View):
        methods = ("GET", "POST")

        async def dispatch_request(self, name: str) -> Any:
            return f"{request.method} {name}"

    class Two(MethodView):
        async def get(self) -> str:
            return "got"

        def post(self) -> str:
            return "posted"

    app.add_url_rule("/one/<name>", view_func=One.as_view("one"))
    app.add_url_rule("/two", view_func=Two.as_view("two"))
    asked = [("/one/a", "GET"), ("/one/a", "POST"), ("/one/a", "PUT"), ("/two", "GET")]
    asked += [("/two", "POST"), ("/two", "HEAD"), ("/two", "PUT")]
    return [await fetch(app, path, method) for path, method in asked]


@page("how_to_guides/middleware")
async def middleware() -> Any:
    app = make_app()

    class Middleware:
        def __init__(self, inner: Any) -> None:
            self.inner = inner

        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            if scope["path"] == "/refused":
                start = {"type": "http.response.start", "status": 401, "headers": []}
                await send(start)
                await send({"type": "http.response.body", "body": b"no"})
                return
            await self.inner(scope, receive, send)

    app.asgi_app = Middleware(app.asgi_app)  # type: ignore[method-assign]
    app.add_url_rule("/", "view", lambda: "in")
    asked = {"type": "http.request", "body": b"", "more_body": False}
    return [told(await call(app, scope(path), asked)) for path in ("/", "/refused")]


@page("how_to_guides/configuration")
async def configuration() -> Any:
    import json
    import os
    import tempfile
    from pathlib import Path

    class Mine:
        TESTING = True
        lower = "left out"
        OWN = [1]  # noqa: RUF012 - a module's, as it were

    app = Quart("configured")
    app.config.from_object(Mine)
    os.environ["QUART_OF_THE_ENVIRONMENT"] = '{"a": 1}'
    app.config.from_prefixed_env()
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "config.json")
        Path(path).write_text('{"OF_A_FILE": true}')  # noqa: ASYNC240 - nothing else runs
        app.config.from_file(path, json.load)
    app.config.from_mapping(OF_A_MAPPING=1)
    names = ("TESTING", "OWN", "OF_THE_ENVIRONMENT", "OF_A_FILE", "OF_A_MAPPING", "lower")
    return {name: app.config.get(name) for name in names} | {"testing": app.testing}


@page("how_to_guides/command_line")
async def commands() -> Any:
    import click

    app = make_app()

    @app.cli.command()
    def initdb() -> None:
        click.echo("Database is migrating")

    def invoke() -> Any:
        result = app.test_cli_runner().invoke(args=["initdb"])
        return [result.exit_code, result.output]

    return await asyncio.to_thread(invoke)
