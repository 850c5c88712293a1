"""Answers in pieces: from either sort of generator, in either place, with their context."""

from __future__ import annotations

import asyncio
import gc
import threading
from functools import partial
from typing import Any

import pytest
from flask import Flask, g, request, Response, session, stream_with_context

import quart
from _tireless import ENOUGH, serve, Tireless
from quart import Quart, stream_with_context as quart_stream_with_context
from quart._connection import inbound
from quart._flask import HAS_ONE_CONTEXT
from quart_flask_patch import wait

from ._asgi import Exchange, fetch, run, scope_for, until


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look out for a disconnect as soon as a handler waits."""
    monkeypatch.setattr(inbound, "WATCH_AFTER", 0.001)


def event(number: int) -> str:
    return f"data: {number}\n\n"


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize("generator", ["sync", "async"])
def test_server_sent_events_come_one_by_one(
    either_app: Flask | Quart, place: str, kind: str, generator: str
) -> None:
    """The client has each event before the next is made."""
    go_on = [threading.Event() for _ in range(3)]

    def plain_events() -> Any:
        for number in range(3):
            wait(until(go_on[number].is_set))
            yield event(number)

    async def async_events() -> Any:
        for number in range(3):
            await until(go_on[number].is_set)
            yield event(number)

    events = plain_events if generator == "sync" else async_events

    def view() -> Any:
        return events(), {"Content-Type": "text/event-stream"}

    async def async_view() -> Any:
        return view()

    either_app.add_url_rule("/", "view", async_view if kind == "async" else view)

    async def main() -> None:
        async with Exchange(either_app, "/") as exchange:
            start = await exchange.sent(1)
            assert start["status"] == 200
            for number in range(3):
                assert len(exchange.chunks) == number
                go_on[number].set()
                assert (await exchange.sent(number + 2))["body"] == event(number).encode()
            await exchange.end()
        assert exchange.headers["content-type"] == "text/event-stream"
        assert exchange.complete

    run(main())


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize("generator", ["sync", "async"])
def test_a_stream_can_keep_the_context(app: Flask, place: str, kind: str, generator: str) -> None:
    torn_down: list[str] = []

    @app.teardown_request
    def teardown(error: BaseException | None) -> None:
        torn_down.append(request.path)

    def piece() -> str:
        return f"{request.args['name']} {g.value} {session.get('some', 'nothing')};"

    def plain_pieces() -> Any:
        yield piece()
        wait(asyncio.sleep(0))
        yield piece()

    async def async_pieces() -> Any:
        yield piece()
        await asyncio.sleep(0)
        yield piece()

    def view() -> Any:
        g.value = "kept"
        if generator == "async":
            return quart_stream_with_context(async_pieces)()
        return Response(stream_with_context(plain_pieces()))

    async def async_view() -> Any:
        return view()

    app.add_url_rule("/", "view", async_view if kind == "async" else view)
    assert run(fetch(app, "/?name=me")).text == "me kept nothing;" * 2
    # The helper of Flask 3.1 pushes a new context, so another teardown follows the stream.
    pushes_anew = generator == "sync" and not HAS_ONE_CONTEXT
    assert torn_down == ["/"] * (2 if pushes_anew else 1)


def plain_numbers(log: list[str]) -> Any:
    try:
        for number in range(ENOUGH):
            yield str(number)
    finally:
        log.append("closed")


async def async_numbers(log: list[str]) -> Any:
    try:
        for number in range(ENOUGH):
            yield str(number)
    finally:
        log.append("closed")


@pytest.mark.parametrize("kind", ["sync", "async"])
@pytest.mark.parametrize(
    "made",
    [
        pytest.param(plain_numbers, id="plain"),
        pytest.param(async_numbers, id="async"),
        pytest.param(lambda log: stream_with_context(plain_numbers(log)), id="plain, kept"),
        pytest.param(lambda log: quart_stream_with_context(async_numbers(log)), id="async, kept"),
        pytest.param(lambda log: quart.Response(async_numbers(log)), id="async, in a response"),
    ],
)
@pytest.mark.parametrize("wrapped", [False, True], ids=["bare", "in middleware"])
def test_a_stream_that_never_waits_leaves_others_their_turn(
    app: Flask, place: str, soon: None, kind: str, made: Any, wrapped: bool
) -> None:
    log: list[str] = []

    def view() -> Any:
        return made(log)

    async def async_view() -> Any:
        return made(log)

    app.add_url_rule("/", "view", async_view if kind == "async" else view)
    if wrapped:
        app.wsgi_app = partial(app.wsgi_app)  # type: ignore[method-assign]
    asyncio.run(serve(app, scope_for("http", "/"), Tireless("http", floods=False)))
    gc.collect()
    assert log == ["closed"]


def test_a_client_that_leaves_ends_a_stream(app: Flask, place: str) -> None:
    events: list[str] = []

    def pieces() -> Any:
        try:
            while True:
                yield "more"
                wait(asyncio.sleep(0.001))
        finally:
            events.append("generator closed")

    @app.get("/")
    def view() -> Response:
        response = Response(pieces())
        response.call_on_close(lambda: events.append("response closed"))
        return response

    async def main() -> None:
        async with Exchange(app, "/") as exchange:
            exchange.body_arrives()
            await exchange.sent(3)
            exchange.leave()
            await exchange.end()
            assert not exchange.complete

    run(main())
    assert events == ["generator closed", "response closed"]


@pytest.mark.parametrize("body", ["text", "stream", "async stream"])
def test_what_is_to_happen_on_close_happens_once(app: Flask, place: str, body: str) -> None:
    closed: list[str] = []

    async def chunks() -> Any:
        yield "te"
        await asyncio.sleep(0)
        yield "xt"

    def view() -> Any:
        made: Any = {"text": "text", "stream": iter(["te", "xt"]), "async stream": chunks()}[body]
        response = app.make_response(made)
        response.call_on_close(lambda: closed.append("closed"))
        return response

    app.add_url_rule("/", "view", view)
    assert run(fetch(app, "/")).text == "text"
    assert closed == ["closed"]


def test_an_iterable_with_close_is_closed(app: Flask, place: str) -> None:
    closed = []

    class Pieces:
        def __iter__(self) -> Any:
            return iter(["a", "b"])

        def close(self) -> None:
            closed.append(True)

    app.add_url_rule("/", "view", lambda: Response(Pieces()))
    assert run(fetch(app, "/")).text == "ab"
    assert closed == [True]


def test_no_thread_is_taken_by_a_client_that_reads_slowly(app: Flask) -> None:
    """While nothing is asked of the generator its request holds its thread, but no other."""
    app.config["SYNC_THREADS"] = 2
    app.add_url_rule("/", "view", lambda: Response(iter(["a", "b", "c"])))
    app.add_url_rule("/other", "other", lambda: "other")

    async def main() -> None:
        taken, go_on = asyncio.Event(), asyncio.Event()
        sent = []

        async def send(message: Any) -> None:
            sent.append(message)
            taken.set()
            await go_on.wait()

        exchange = Exchange(app, "/")
        task = asyncio.create_task(app(exchange.scope, exchange._receive, send))
        await taken.wait()
        assert (await fetch(app, "/other")).text == "other"
        go_on.set()
        await task
        assert b"".join(m.get("body", b"") for m in sent) == b"abc"

    run(main())


def test_a_head_request_makes_no_body(app: Flask, place: str) -> None:
    made = []

    def pieces() -> Any:
        made.append(True)
        yield "some"

    app.add_url_rule("/", "view", lambda: Response(pieces()))
    answer = run(fetch(app, "/", "HEAD"))
    assert (answer.status, answer.body, answer.complete) == (200, b"", True)
    assert made == []
