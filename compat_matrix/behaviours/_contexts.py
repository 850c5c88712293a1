"""What is around a view: contexts, signals, background work and plain code."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from typing import Any

from _kit import fetch, make_app, page, returns, scope

import quart
from quart import (
    after_this_request,
    current_app,
    g,
    has_app_context,
    has_request_context,
    Quart,
    render_template_string,
    request,
    session,
    stream_with_context,
)
from quart.utils import run_sync


@page("discussion/contexts")
async def proxies_without_a_context() -> Any:
    found = []
    for proxy in (current_app, g, request, session, quart.websocket):
        try:
            found.append(str(proxy.name))
        except RuntimeError:
            found.append("RuntimeError")
    return [*found, bool(request), bool(current_app)]


@page("discussion/contexts")
async def what_g_can_do() -> Any:
    app = make_app()
    async with app.app_context():
        g.a = 1
        found = [g.get("a"), g.get("b", 2), "a" in g, g.pop("a"), g.pop("a", None)]
        found += [g.setdefault("c", 3), sorted(g)]
        del g.c
        try:
            found.append(g.c)
        except AttributeError:
            found.append("AttributeError")
    return found


@page("discussion/contexts")
async def the_order_of_teardown() -> Any:
    app, log = make_app(), []

    @app.teardown_request
    async def first(error: Any) -> None:
        log.append(["request first", has_request_context()])

    @app.teardown_request
    def second(error: Any) -> None:
        log.append(["request second", has_request_context()])

    @app.teardown_appcontext
    async def context(error: Any) -> None:
        log.append(["context", has_app_context(), g.get("x")])

    @app.get("/")
    async def view() -> str:
        g.x = 1
        return "view"

    return [await fetch(app), log]


@page("discussion/contexts")
async def contexts_by_hand() -> Any:
    app, log = make_app(), []

    @app.teardown_appcontext
    async def down(error: Any) -> None:
        log.append(type(error).__name__)

    async with app.app_context():
        log.append("in")
    try:
        async with app.app_context():
            raise LookupError("mine")
    except LookupError:
        log.append("out")
    context = app.app_context()
    await context.push()
    log.append(current_app.name)
    await context.pop(None)
    return [log, has_app_context()]


@page("discussion/contexts")
async def request_contexts_by_hand() -> Any:
    app = make_app()
    app.add_url_rule("/<name>", "view", returns(""))
    found: list[Any] = []
    async with app.test_request_context(
        "/x", method="POST", json={"a": 1}, query_string={"q": "1"}, headers={"X-A": "b"}
    ):
        found += [request.endpoint, request.view_args, request.headers["X-A"], request.args["q"]]
        found.append(await request.get_json())
    async with app.test_request_context("/x", method="POST", form={"f": "2"}):
        found.append((await request.form)["f"])
    async with app.test_request_context("/x", data="text", root_path="/root", scheme="https"):
        found += [(await request.get_data()).decode(), request.root_path, request.scheme]
    async with app.test_request_context("/nowhere/at/all"):
        found.append(type(request.routing_exception).__name__)
    return found


@page("discussion/contexts")
async def a_request_made_of_a_scope() -> Any:
    app = make_app()
    app.add_url_rule("/<name>", "view", returns(""))

    async def promise(path: str, headers: Any) -> None:
        raise AssertionError("nobody pushes")

    asked = scope("/x", query_string=b"a=1")
    made = app.request_class(
        "GET", "http", "/x", b"a=1", quart.wrappers.request.Headers(), "", "1.1", asked,
        send_push_promise=promise,
    )  # fmt: skip
    async with app.request_context(made):
        return [request.endpoint, request.args["a"], request._get_current_object() is made]


@page("reference/api")
async def signals_of_a_request() -> Any:
    app, log = make_app(), []
    names = ("request_started", "request_finished", "request_tearing_down")
    names += ("appcontext_pushed", "appcontext_popped", "appcontext_tearing_down")

    def noting(name: str) -> Any:
        async def note(sender: Any, **more: Any) -> None:
            log.append([name, sender.name, sorted(key for key in more if key != "_sync_wrapper")])

        return note

    receivers = [noting(name) for name in names]
    for name, receiver in zip(names, receivers, strict=True):
        getattr(quart, name).connect(receiver, app)
    app.add_url_rule("/", "view", returns("view"))
    return [await fetch(app), log]


@page("reference/api")
async def signals_with_plain_receivers() -> Any:
    app, log = make_app(), []

    def note(sender: Any, **more: Any) -> None:
        log.append([sender.name, request.path])

    async def flashing() -> str:
        await quart.flash("said", "error")
        return await render_template_string("{{ get_flashed_messages() }}")

    def flashed(sender: Any, message: str, category: str, **more: Any) -> None:
        log.append([message, category])

    app.add_url_rule("/", "view", flashing)
    with (
        quart.request_started.connected_to(note, app),
        quart.message_flashed.connected_to(flashed, app),
    ):
        return [await fetch(app), log]


@page("how_to_guides/sync_code")
async def run_sync_of_what_fails_and_what_yields() -> Any:
    app = make_app()
    main = threading.get_ident()

    def fail() -> None:
        raise LookupError("mine")

    def numbers() -> Iterator[bool]:
        yield threading.get_ident() != main
        yield has_request_context()

    @app.get("/")
    async def view() -> Any:
        found: list[Any] = []
        try:
            await run_sync(fail)()
        except LookupError as error:
            found.append(str(error))
        made = await run_sync(numbers)()
        found += [value async for value in made] if hasattr(made, "__aiter__") else list(made)
        return [*found, await current_app.ensure_async(lambda: "ensured")()]

    return await fetch(app)


@page("how_to_guides/sync_code")
async def plain_serving_functions() -> Any:
    app, log, main = make_app(), [], threading.get_ident()

    def noting(name: str) -> Any:
        def note(*arguments: Any) -> Any:
            log.append([name, threading.get_ident() != main, has_app_context()])

        return note

    app.before_serving(noting("before"))
    app.after_serving(noting("after"))
    app.teardown_appcontext(noting("teardown"))

    @app.while_serving
    async def around() -> AsyncIterator[None]:
        log.append(["up"])
        yield
        log.append(["down"])

    app.add_url_rule("/", "view", lambda: "plain")
    async with app.test_app() as test_app:
        answer = await test_app.test_client().get("/")
        log.append([await answer.get_data(as_text=True)])
    return [entry for entry in log if entry[0] != "teardown"]


@page("how_to_guides/startup_shutdown")
async def what_serves_is_left_in_reverse() -> Any:
    app, log = make_app(), []

    def around(name: str) -> Any:
        async def serve() -> AsyncIterator[None]:
            log.append(f"{name} up")
            yield
            log.append(f"{name} down")

        return serve

    app.while_serving(around("one"))
    app.while_serving(around("two"))
    async with app.test_app():
        log.append("serving")
    return log


@page("discussion/background_tasks")
async def background_tasks_that_fail() -> Any:
    app, log = make_app(), []

    async def fail() -> None:
        log.append("ran")
        raise LookupError("mine")

    @app.get("/")
    async def view() -> str:
        app.add_background_task(fail)
        return "view"

    async with app.test_app() as test_app:
        for _ in range(2):
            answer = await test_app.test_client().get("/")
            log.append(answer.status_code)
            await asyncio.sleep(0.01)
    return log


@page("how_to_guides/background_tasks")
async def background_tasks_of_the_start() -> Any:
    app, log = make_app(), []

    async def task() -> None:
        await asyncio.sleep(0.01)
        log.append([current_app.name, has_request_context()])

    @app.before_serving
    async def startup() -> None:
        app.add_background_task(task)

    async with app.test_app():
        log.append("serving")
    return log


@page("how_to_guides/streaming_response")
async def after_this_request_in_layers() -> Any:
    app = make_app()

    @app.get("/")
    async def view() -> Any:
        for name in ("one", "two"):

            @after_this_request
            def mark(response: Any, name: str = name) -> Any:
                response.headers.add("X-Marked", name)
                return response

        @stream_with_context
        async def stream() -> AsyncIterator[str]:
            yield f"{request.path} {session.get('x')}"

        return stream()

    answer = await app.test_client().get("/")
    return [await answer.get_data(as_text=True), answer.headers.getlist("X-Marked")]


@page("how_to_guides/command_line")
async def what_the_shell_knows() -> Any:
    app = Quart("shell")

    @app.shell_context_processor
    def more() -> Any:
        return {"more": 1}

    return sorted(app.make_shell_context())
