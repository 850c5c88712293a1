"""Async views on a loop of their own in a worker thread, where they hold nobody up."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextvars import ContextVar
from typing import Any

import pytest
from flask import current_app, Flask, g, request, Response, session

import quart
from quart import Quart, request as core_request, websocket
from quart.utils import run_sync
from quart_flask_patch import runs_in, wait

from ._asgi import Exchange, fetch, Handshake, run, until

number: ContextVar[int] = ContextVar("number", default=0)


@pytest.fixture
def app(app: Flask) -> Flask:
    app.config["ASYNC_PLACE"] = "own-loop"
    return app


@pytest.fixture
def either_app(either_app: Flask | Quart) -> Flask | Quart:
    either_app.config["ASYNC_PLACE"] = "own-loop"
    return either_app


def here() -> str:
    return threading.current_thread().name


def in_worker(name: str) -> bool:
    return name.startswith("quart-sync-")


# What is not held up


@pytest.mark.parametrize("way", ["config", "environment", "decorator"])
def test_a_view_that_blocks_holds_nobody_up(
    app: Flask, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lock = threading.Lock()
    app.config["ASYNC_PLACE"] = "own-loop" if way == "config" else "loop"
    if way == "environment":
        monkeypatch.setenv("QUART_ASYNC_PLACE", "own-loop")

    async def view() -> str:
        with lock:
            await asyncio.sleep(0.01)  # Long enough for others to wait for the lock.
        return here()

    app.add_url_rule("/", "view", runs_in("own-loop")(view) if way == "decorator" else view)

    async def main() -> None:
        # Each waits for the lock while another one that has it awaits.
        answers = await asyncio.gather(*[fetch(app, "/") for _ in range(4)])
        assert all(in_worker(answer.text) for answer in answers)

    run(main())


@pytest.mark.parametrize(("name", "key"), [("thread", "ASYNC_PLACE"), ("own-loop", "SYNC_PLACE")])
def test_a_place_that_there_is_not_is_refused(app: Flask, name: str, key: str) -> None:
    app.testing = True
    app.config[key] = name
    app.add_url_rule("/plain", "plain", here)

    @app.get("/async")
    async def view() -> str:
        return ""

    path = "/async" if key == "ASYNC_PLACE" else "/plain"
    with pytest.raises(ValueError, match=f"{key}.*{name}"):
        run(fetch(app, path))
    with pytest.raises(ValueError, match="own-loop"):
        runs_in("nowhere")


# What runs where


def test_all_of_a_request_runs_in_one_thread(either_app: Flask | Quart) -> None:
    seen: list[str] = []
    loops: list[Any] = []

    def plain(*args: Any) -> Any:
        seen.append(here())
        return args[0] if args and hasattr(args[0], "status_code") else None

    async def awaited(*args: Any) -> Any:
        await asyncio.sleep(0)
        loops.append(asyncio.get_running_loop())
        return plain(*args)

    for func in (plain, awaited):
        either_app.before_request(func)
        either_app.after_request(func)
        either_app.teardown_request(func)
        either_app.teardown_appcontext(func)

    @either_app.get("/")
    async def view() -> str:
        await awaited()
        return "fine"

    async def main() -> None:
        assert (await fetch(either_app, "/")).text == "fine"
        loops.append(asyncio.get_running_loop())

    run(main())
    assert len(seen) == 9
    assert len(set(seen)) == 1
    assert in_worker(seen[0])
    *own, server = loops
    assert len(set(own)) == 1
    assert server not in own


def test_the_loop_is_kept_and_its_tasks_are_not(app: Flask) -> None:
    ended: list[str] = []
    tasks: list[asyncio.Task[None]] = []
    app.config["SYNC_THREADS"] = 1

    async def lasting() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            ended.append(here())

    @app.get("/")
    async def view() -> str:
        tasks.append(asyncio.create_task(lasting()))
        await asyncio.sleep(0)
        return str(id(asyncio.get_running_loop()))

    async def main() -> None:
        first, second = [await fetch(app, "/") for _ in range(2)]
        assert first.text == second.text

    run(main())
    assert len(ended) == 2
    assert all(task.cancelled() for task in tasks)


@pytest.mark.parametrize("full", [True, False])
def test_calls_of_threads_do_not_wait_for_the_thread_itself(app: Flask, full: bool) -> None:
    app.config["SYNC_THREADS"] = 1 if full else 4

    @app.get("/")
    async def view() -> list[Any]:
        return [here(), await run_sync(here)(), await asyncio.to_thread(lambda: 1)]

    own, called, one = run(fetch(app, "/")).json
    assert own == called
    assert one == 1


def test_a_background_task_runs_on_the_servers_loop(app: Flask) -> None:
    seen: list[Any] = []

    async def work() -> None:
        await asyncio.sleep(0.001)
        seen.append(asyncio.get_running_loop())

    @app.get("/")
    async def view() -> str:
        quart.current_app.add_background_task(work)
        return ""

    async def main() -> None:
        await fetch(app, "/")
        await until(lambda: seen)
        assert seen == [asyncio.get_running_loop()]

    run(main())


# Contexts and plain code


def test_context_is_shared(app: Flask) -> None:
    @app.before_request
    def before() -> None:
        number.set(1)
        g.seen = ["before"]

    @app.get("/")
    async def view() -> str:
        await asyncio.sleep(0)
        g.seen.append(f"view {number.get()}")
        number.set(2)
        session["name"] = "value"
        async with quart.current_app.app_context():
            assert current_app.name == app.name
        return request.path

    @app.after_request
    def after(response: Any) -> Any:
        response.headers["Seen"] = f"{g.seen} {number.get()}"
        return response

    answer = run(fetch(app, "/"))
    assert answer.text == "/"
    assert answer.headers["seen"] == "['before', 'view 1'] 2"
    assert "session=" in answer.headers["set-cookie"]


def test_plain_code_waits_on_the_own_loop(app: Flask) -> None:
    async def loop() -> str:
        await asyncio.sleep(0.001)
        return f"{here()} {id(asyncio.get_running_loop())}"

    def beneath() -> str:
        return wait(loop())

    @app.before_request
    def before() -> None:
        g.before = wait(loop())

    @app.get("/")
    async def view() -> list[str]:
        both = await asyncio.gather(loop(), asyncio.to_thread(here))
        return [g.before, await loop(), beneath(), current_app.ensure_sync(loop)(), both[0]]

    seen = run(fetch(app, "/")).json
    assert len(set(seen)) == 1
    assert in_worker(seen[0])


def test_a_decorator_that_makes_a_view_plain_keeps_it_off_the_servers_loop(app: Flask) -> None:
    from functools import wraps

    def login_required(view: Any) -> Any:
        @wraps(view)
        def decorated() -> Any:
            return current_app.ensure_sync(view)()

        return decorated

    @app.get("/")
    @login_required
    async def view() -> str:
        await asyncio.sleep(0)
        return here()

    assert in_worker(run(fetch(app, "/")).text)


# The body


@pytest.mark.parametrize("face", ["plain", "async", "pieces", "hook"])
def test_a_body_arrives_on_the_servers_loop(either_app: Flask | Quart, face: str) -> None:
    @either_app.before_request
    def before() -> None:
        if face == "hook":
            request.get_data()

    @either_app.post("/")
    async def view() -> Any:
        if face == "async":
            return await core_request.get_data()
        if face == "pieces":
            return b"|".join([piece async for piece in core_request.body])
        return request.get_data()

    async def main() -> None:
        async with Exchange(either_app, "/", "POST", [("Content-Length", "4")]) as exchange:
            await exchange.until(lambda: exchange.asked)
            exchange.body_arrives(b"fo", more=True)
            await exchange.until(lambda: exchange.asked > 1)
            exchange.body_arrives(b"ur")
            await exchange.end()
            assert exchange.text.replace("|", "") == "four"

    run(main())


# Streams


@pytest.mark.parametrize("way", ["generator", "tuple", "response", "core-response", "plain"])
def test_a_stream_goes_on_where_it_began(either_app: Flask | Quart, way: str) -> None:
    closed: list[str] = []

    @either_app.get("/")
    async def view() -> Any:
        queue: asyncio.Queue[str] = asyncio.Queue()

        async def fill() -> None:
            for piece in ("1", "2", "3"):
                await asyncio.sleep(0.001)
                await queue.put(piece)

        task = asyncio.create_task(fill())

        async def chunks() -> AsyncIterator[str]:
            try:
                for _ in range(3):
                    yield f"{await queue.get()} {here()};"
                await task
            finally:
                closed.append(here())

        def plain() -> Iterator[str]:
            try:
                for _ in range(3):
                    yield f"{wait(queue.get())} {here()};"
            finally:
                closed.append(here())

        match way:
            case "generator":
                return chunks()
            case "tuple":
                return chunks(), 200
            case "response":
                return Response(chunks())
            case "core-response":
                return quart.Response(chunks())
            case _:
                return plain()

    answer = run(fetch(either_app, "/"))
    pieces = [piece.split() for piece in answer.text.split(";")[:-1]]
    assert [piece for piece, _ in pieces] == ["1", "2", "3"]
    assert {name for _, name in pieces} == set(closed)
    assert len(closed) == 1
    assert in_worker(closed[0])


# Errors and the end


@pytest.mark.parametrize("stage", ["before", "view", "after"])
def test_an_error_is_handled(either_app: Flask | Quart, stage: str) -> None:
    async def fail(*args: Any) -> Any:
        await asyncio.sleep(0)
        raise LookupError(stage)

    async def view() -> str:
        return await fail() if stage == "view" else ""

    either_app.add_url_rule("/", "view", view)
    if stage == "before":
        either_app.before_request(fail)
    if stage == "after":
        either_app.after_request(fail)

    @either_app.errorhandler(LookupError)
    async def handle(error: LookupError) -> Any:
        await asyncio.sleep(0)
        return str(error), 418

    @either_app.errorhandler(500)
    async def handle_500(error: Any) -> Any:
        return str(error.original_exception), 500

    answer = run(fetch(either_app, "/"))
    assert (answer.status, answer.text) == (500 if stage == "after" else 418, stage)


def test_a_client_that_leaves_ends_the_view(either_app: Flask | Quart) -> None:
    begun, seen = threading.Event(), []

    @either_app.get("/")
    async def view() -> str:
        begun.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            seen.append("cancelled")
            raise
        finally:
            await asyncio.sleep(0.001)
            seen.append("finally")
        return ""

    either_app.teardown_request(lambda error: seen.append(type(error).__name__))

    async def main() -> None:
        async with Exchange(either_app, "/") as exchange:
            exchange.body_arrives()
            await until(begun.is_set)
            exchange.leave()
            await exchange.end()
            assert exchange.messages == []

    run(main())
    assert seen == ["cancelled", "finally", "CancelledError"]


def test_a_client_that_leaves_amid_its_body_ends_the_view_once(app: Flask) -> None:
    seen: list[str] = []

    @app.post("/")
    async def view() -> str:
        try:
            await core_request.get_data()
        finally:
            await asyncio.sleep(0.001)
            seen.append("finally")
        return ""

    async def main() -> None:
        async with Exchange(app, "/", "POST", [("Content-Length", "4")]) as exchange:
            await exchange.until(lambda: exchange.asked)
            exchange.leave()
            await exchange.end()

    run(main())
    assert seen == ["finally"]


def test_what_somebody_else_has_cancelled_is_an_error_of_the_view(app: Flask) -> None:
    @app.get("/")
    async def view() -> str:
        task = asyncio.create_task(asyncio.sleep(60))
        asyncio.get_running_loop().call_soon(task.cancel)
        await task
        return ""

    assert run(fetch(app, "/")).status == 500


# Where it does not apply


@pytest.mark.parametrize("decorate", [lambda view: view, runs_in("own-loop")], ids=["", "chosen"])
def test_a_websocket_stays_on_the_servers_loop(
    either_app: Flask | Quart, decorate: Callable[[Any], Any]
) -> None:
    @decorate
    async def handler() -> None:
        await websocket.send(here())

    either_app.websocket("/")(handler)

    async def main() -> None:
        async with Handshake(either_app, "/") as handshake:
            await handshake.end()
            assert handshake.said == [here()]

    run(main())


def test_the_client_runs_a_view_in_the_callers_thread(app: Flask) -> None:
    @app.get("/")
    async def view() -> str:
        await asyncio.sleep(0)
        return here()

    assert app.test_client().get("/").text == here()


def test_behind_middleware_the_thread_is_the_middlewares(app: Flask) -> None:
    names: list[str] = []
    inner: Any = app.wsgi_app

    def middleware(environ: Any, start_response: Any) -> Any:
        names.append(here())
        return inner(environ, start_response)

    app.wsgi_app = middleware  # type: ignore[method-assign]

    @app.get("/")
    async def view() -> str:
        await asyncio.sleep(0)
        names.append(here())
        return "fine"

    assert run(fetch(app, "/")).text == "fine"
    assert len(set(names)) == 1
    assert in_worker(names[0])
