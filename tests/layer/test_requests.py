"""`requests(app)`: what is under way, and where, for each way in which a request can wait."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import flask
import pytest
from flask import Flask, request, Response

import quart
from quart import Quart, websocket
from quart.utils import run_sync
from quart_flask_patch import requests, RequestUnderWay, wait

from ._asgi import Exchange, fetch, Handshake, run, until

GATE = threading.Event()


@pytest.fixture(autouse=True)
def gate() -> Iterator[threading.Event]:
    """What views wait for; open at the end, so that no thread is left."""
    GATE.clear()
    yield GATE
    GATE.set()


async def sleeps() -> None:
    while not GATE.is_set():  # noqa: ASYNC110  # Threads wait for it too.
        await asyncio.sleep(0.01)


def blocks() -> None:
    assert GATE.wait(10)  # HERE: blocks


# Each is a view; what is told of it has the line that ends with the comment of its name.


async def awaits() -> str:
    await sleeps()  # HERE: awaits
    return ""


def plain_blocks() -> str:
    blocks()
    return ""


def plain_waits() -> str:
    wait(sleeps())  # HERE: plain_waits
    return ""


async def beneath() -> str:
    def plain() -> None:
        wait(sleeps())  # HERE: beneath

    plain()
    return ""


def nested() -> str:
    async def outer() -> None:
        beneath_again()

    def beneath_again() -> None:
        wait(sleeps())  # HERE: nested

    wait(outer())
    return ""


async def in_thread() -> str:
    await run_sync(blocks)()
    return ""


async def waits_in_thread() -> str:
    def plain() -> None:
        wait(sleeps())  # HERE: waits_in_thread

    await run_sync(plain)()
    return ""


def reads() -> bytes:
    return request.get_data()  # HERE: reads


async def reads_async() -> bytes:
    return request.get_data()  # HERE: reads_async


def streams() -> Response:
    def chunks() -> Iterator[str]:
        yield "begun"
        blocks()

    return Response(chunks())


async def streams_async() -> Response:
    async def chunks() -> AsyncIterator[str]:
        yield "begun"
        await sleeps()  # HERE: streams_async

    return Response(chunks())


VIEWS: dict[Callable[..., Any], str] = {
    awaits: "awaits",
    plain_blocks: "blocks",
    plain_waits: "plain_waits",
    beneath: "beneath",
    nested: "nested",
    in_thread: "blocks",
    waits_in_thread: "waits_in_thread",
    reads: "reads",
    reads_async: "reads_async",
    streams: "blocks",
    streams_async: "streams_async",
}


def the_one(app: Any) -> RequestUnderWay | None:
    found = requests(app)
    return found[0] if found else None


@pytest.mark.parametrize("debug", [False, True], ids=["", "debug"])
@pytest.mark.parametrize(
    ("view", "place"),
    [
        *((view, "thread") for view in VIEWS),
        # In the other one a view that blocks would keep us from asking.
        *((view, "loop") for view in (plain_waits, nested, reads)),
    ],
)
def test_it_tells_where_a_request_is(
    either_app: Flask | Quart, view: Callable[..., Any], place: str, debug: bool
) -> None:
    app = either_app
    app.config["SYNC_PLACE"] = place
    app.debug = debug
    app.add_url_rule("/<int:number>", "the view", view, methods=["POST"])
    mark = f"# HERE: {VIEWS[view]}"

    async def main() -> None:
        async with Exchange(app, "/7?query=1", "POST", [("Content-Length", "4")]) as exchange:
            if "reads" not in view.__name__:
                exchange.body_arrives(b"body")
            await exchange.until(lambda: mark in str(the_one(app)))
            told = the_one(app)
            assert told is not None
            assert (told.method, told.path, told.endpoint) == ("POST", "/7", "the view")
            assert told.seconds is not None
            assert 0 <= told.seconds < 10
            is_plain = not asyncio.iscoroutinefunction(view)
            assert told.place == ("thread" if is_plain and place == "thread" else "loop")
            # Your code alone, and what you have called.
            assert "/quart/_" not in told.stack
            assert "/quart_flask_patch/" not in told.stack
            # From a thread of its own it is the same, once the view has come to rest.
            while (await asyncio.to_thread(requests, app))[0].stack != told.stack:
                told = the_one(app)
                assert told is not None
            GATE.set()
            if "reads" in view.__name__:
                exchange.body_arrives(b"body")
            await exchange.end()
        assert requests(app) == []

    def with_number(number: int) -> Any:
        return view()

    async def with_number_async(number: int) -> Any:
        return await view()

    is_async = asyncio.iscoroutinefunction(view)
    app.view_functions["the view"] = with_number_async if is_async else with_number
    run(main())


@pytest.mark.parametrize("colour", ["plain", "async"])
def test_it_tells_where_a_websocket_is(app: Flask, colour: str) -> None:
    async def handler() -> None:
        await websocket.receive()  # HERE: async

    def plain_handler() -> None:
        wait(websocket.receive())  # HERE: plain

    app.websocket("/socket")(handler if colour == "async" else plain_handler)

    async def main() -> None:
        async with Handshake(app, "/socket") as handshake:
            await handshake.until(lambda: f"# HERE: {colour}" in str(the_one(app)))
            told = the_one(app)
            assert told is not None
            assert (told.method, told.path, told.endpoint) == ("GET", "/socket", told.endpoint)
            handshake.say("go on")
            await handshake.end()
        assert requests(app) == []

    run(main())


@pytest.mark.parametrize("head", ["plain", "async"])
def test_a_view_is_told_of_itself(app: Flask, place: str, head: str) -> None:
    def plain() -> list[str]:
        return [told.stack for told in requests(app)]  # HERE: itself

    async def view() -> list[str]:
        return plain()

    app.add_url_rule("/", "view", view if head == "async" else plain)
    (stack,) = run(fetch(app, "/")).json
    assert "# HERE: itself" in stack


def test_a_request_of_a_wsgi_server_is_told_of_too(app: Flask) -> None:
    @app.get("/")
    def view() -> list[str]:
        return [told.stack for told in requests(app)]  # HERE: wsgi

    (stack,) = app.test_client().get("/").json
    assert "# HERE: wsgi" in stack


def test_only_those_of_the_application_are(app: Flask) -> None:
    other = Flask("other")
    app.add_url_rule("/", "view", awaits)

    async def main() -> None:
        async with Exchange(app, "/") as exchange:
            exchange.body_arrives()
            await until(lambda: requests(app))
            assert requests(other) == []
            GATE.set()
            await exchange.end()

    run(main())


def test_what_waits_for_a_thread_is_told_of(app: Flask) -> None:
    app.config["SYNC_THREADS"] = 1
    app.add_url_rule("/", "view", plain_blocks)

    async def main() -> None:
        async with Exchange(app, "/") as first, Exchange(app, "/") as second:
            first.body_arrives()
            second.body_arrives()
            await until(lambda: sum("# HERE" in told.stack for told in requests(app)) == 1)
            assert sorted(bool(told.stack) for told in requests(app)) == [False, True]
            assert any("in none of your code" in str(told) for told in requests(app))
            GATE.set()
            await first.end()
            await second.end()

    run(main())


def test_a_request_is_told_of_where_you_walk_greenlets_of_your_own(app: Flask) -> None:
    from greenlet import greenlet

    @app.get("/")
    def view() -> str:
        def inner() -> None:
            wait(sleeps())  # HERE: greenlet

        greenlet(inner).switch()
        return ""

    async def main() -> None:
        async with Exchange(app, "/") as exchange:
            exchange.body_arrives()
            await exchange.until(lambda: "# HERE: greenlet" in str(the_one(app)))
            GATE.set()
            await exchange.end()

    run(main())


# Background tasks, which are none


@pytest.mark.parametrize("view_colour", ["plain", "async"])
@pytest.mark.parametrize("colour", ["plain", "async"])
def test_a_background_task_has_no_request(
    either_app: Flask | Quart, colour: str, view_colour: str
) -> None:
    seen: list[Any] = []

    def plain() -> None:
        seen.append((flask.has_request_context(), quart.has_request_context()))
        seen.append((flask.current_app.name, quart.current_app.name))

    async def asynchronous() -> None:
        plain()

    def add() -> str:
        quart.current_app.add_background_task(plain if colour == "plain" else asynchronous)
        return ""

    async def add_async() -> str:
        return add()

    either_app.add_url_rule("/", "view", add if view_colour == "plain" else add_async)

    async def main() -> None:
        await fetch(either_app, "/")
        await until(lambda: len(seen) == 2)

    run(main())
    assert seen == [(False, False), (either_app.name, either_app.name)]


@pytest.mark.parametrize("path", ["/plain", "/async", "/redirected", "/nowhere"])
def test_hosts_that_the_class_of_requests_does_not_trust_reach_nothing(
    app: Flask, path: str
) -> None:
    class Trusting(flask.Request):
        trusted_hosts = ["example.org"]  # noqa: RUF012  # as in Werkzeug

    app.request_class = Trusting
    app.add_url_rule("/plain", "plain", lambda: "plain")
    app.add_url_rule("/redirected/", "redirected", lambda: "redirected")

    @app.get("/async")
    async def view() -> str:
        return "async"

    def status(host: str) -> int:
        return run(fetch(app, path, headers=[("host", host)])).status

    assert status("evil.example") == app.test_client().get(path).status_code == 400
    assert status("example.org") in (200, 308, 404)
