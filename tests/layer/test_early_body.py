"""A small body that is received before the worker thread is entered which reads it."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from flask import Flask, Request, request
from werkzeug.datastructures import Headers
from werkzeug.exceptions import RequestEntityTooLarge

from quart._connection import inbound
from quart_flask_patch._environs import body_stream

from ._asgi import Exchange, fetch, run, scope_for, until

BODY = b"colour=blue&size=4"
LENGTH = [("Content-Length", str(len(BODY)))]
FORM = [*LENGTH, ("Content-Type", "application/x-www-form-urlencoded")]


@pytest.fixture
def app() -> Flask:
    app = Flask(__name__)

    @app.post("/form")
    def form() -> Any:
        return dict(request.form)

    @app.post("/pieces")
    def pieces() -> Any:
        return [request.stream.read(3).decode(), request.stream.read().decode()]

    @app.post("/unread")
    def unread() -> str:
        return "unread"

    return app


@pytest.fixture
def visits(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What a worker thread has come back to the loop for, to read a body."""
    seen: list[object] = []
    wait = body_stream.bridge.wait

    def noted(awaitable: Any, *args: Any) -> Any:
        seen.append(awaitable)
        return wait(awaitable, *args)

    monkeypatch.setattr(body_stream.bridge, "wait", noted)
    return seen


def test_a_thread_reads_it_without_coming_back(app: Flask, visits: list[object]) -> None:
    answer = run(fetch(app, "/form", "POST", BODY, FORM))
    assert answer.json == {"colour": "blue", "size": "4"}
    assert not visits
    assert answer.asked == 1


@pytest.mark.parametrize("place", ["thread", "loop"])
def test_what_was_read_stays_read(app: Flask, place: str) -> None:
    app.config["SYNC_PLACE"] = place
    streams: list[Any] = []

    @app.post("/kept")
    def kept() -> Any:
        streams.append(request.stream)
        return [request.stream.read().decode(), request.stream.read().decode()]

    answer = run(fetch(app, "/kept", "POST", BODY, LENGTH))
    assert answer.json == [BODY.decode(), ""]
    assert streams[0].read() == streams[0].readline() == b""


@pytest.mark.parametrize("place", ["thread", "loop"])
@pytest.mark.parametrize("limit", [len(BODY) - 1, len(BODY)])
def test_a_limit_that_a_view_sets_counts(app: Flask, place: str, limit: int) -> None:
    app.config["SYNC_PLACE"] = place

    @app.post("/limited")
    def limited() -> str:
        request.max_content_length = limit
        return request.get_data(as_text=True)

    # Without its length, only reading it tells.
    answer = run(fetch(app, "/limited", "POST", BODY))
    assert answer.status == (413 if limit < len(BODY) else 200)


@pytest.mark.parametrize("place", ["thread", "loop"])
def test_headers_and_a_type_of_a_classs_own_count(app: Flask, place: str) -> None:
    class Own(Request):
        headers = property(lambda self: Headers(FORM))

    class Untyped(Request):
        content_type = ""

    class Renamed(Request):
        content_type = "of its own"

    app.config["SYNC_PLACE"] = place
    for cls, headers, expected in (
        (Own, LENGTH, {"colour": "blue", "size": "4"}),
        (Untyped, FORM, {}),
        (Renamed, FORM, {"colour": "blue", "size": "4"}),
    ):
        app.request_class = cls
        assert run(fetch(app, "/form", "POST", BODY, headers)).json == expected, cls


@pytest.mark.parametrize("cut", range(len(BODY)))
def test_one_in_two_pieces_is_read_whole(app: Flask, cut: int) -> None:
    async def main() -> Any:
        async with Exchange(app, "/pieces", "POST", LENGTH) as exchange:
            exchange.body_arrives(BODY[:cut], more=True)
            exchange.body_arrives(BODY[cut:])
            return (await exchange.end()).json

    assert run(main()) == ["col", BODY[3:].decode()]


@pytest.mark.parametrize("path", ["/form", "/pieces", "/unread"])
def test_one_that_comes_later_is_waited_for_once(app: Flask, path: str) -> None:
    async def main() -> Exchange:
        async with Exchange(app, path, "POST", FORM) as exchange:
            await until(lambda: exchange.asked)
            await asyncio.sleep(0.01)  # whether it reads the body or not, it has begun to by now
            exchange.body_arrives(BODY)
            return await exchange.end()

    answer = run(main())
    assert answer.status == 200
    assert answer.asked == 1


def test_one_that_nobody_reads_leaves_nothing_to_receive(app: Flask) -> None:
    """A server that is asked once more would give the next request's, or wait for ever."""
    answer = run(fetch(app, "/unread", "POST", BODY, LENGTH))
    assert (answer.text, answer.asked, answer.asked_before_answer) == ("unread", 1, 1)


@pytest.mark.parametrize(
    "headers",
    [
        [*LENGTH, ("Expect", "100-continue")],
        [("Content-Length", "0")],
        [("Content-Length", "100000")],
        [("Content-Length", "nonsense")],
        [],
    ],
    ids=["expected", "empty", "large", "nonsense", "unannounced"],
)
def test_only_a_small_announced_body_is_received_unasked(app: Flask, headers: Any) -> None:
    async def main() -> int:
        async with Exchange(app, "/unread", "POST", headers) as exchange:
            await exchange.sent(1)
            exchange.leave()
            await exchange.end()
            return exchange.asked_before_answer

    assert run(main()) == 0


def test_a_view_may_still_change_how_much_is_read(app: Flask) -> None:
    app.config["MAX_CONTENT_LENGTH"] = 4

    @app.post("/more")
    def more() -> bytes:
        request.max_content_length = 100
        return request.get_data()

    @app.post("/less")
    def less() -> bytes:
        request.max_content_length = 2
        return request.get_data()

    assert run(fetch(app, "/more", "POST", BODY, LENGTH)).body == BODY
    assert run(fetch(app, "/less", "POST", b"abc")).status == RequestEntityTooLarge.code


def test_a_client_that_left_is_told_to_who_reads(app: Flask) -> None:
    async def main() -> int:
        async with Exchange(app, "/form", "POST", FORM) as exchange:
            exchange.leave()
            return (await exchange.end()).status

    assert run(main()) == 400


@pytest.mark.parametrize("when", ["at once", "later"])
def test_a_client_that_leaves_is_noticed_though_nobody_reads(
    app: Flask, monkeypatch: pytest.MonkeyPatch, when: str
) -> None:
    monkeypatch.setattr(inbound, "WATCH_AFTER", 0.01)
    entered, cancelled = threading.Event(), threading.Event()

    @app.post("/wait")
    def wait() -> None:
        async def for_ever() -> None:
            entered.set()
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()

        app.async_to_sync(for_ever)()

    async def main() -> None:
        async with Exchange(app, "/wait", "POST", LENGTH) as exchange:
            if when == "at once":
                exchange.body_arrives(BODY)
            await until(entered.is_set)
            if when == "later":
                exchange.body_arrives(BODY)
            exchange.leave()
            await until(cancelled.is_set)

    run(main())


def test_what_a_server_raises_is_raised_to_who_reads(app: Flask) -> None:
    messages: list[Any] = []

    async def refuse() -> Any:
        raise OSError("no more")

    async def send(message: Any) -> None:
        messages.append(message)

    run(app(scope_for("http", "/form", "POST", FORM), refuse, send))  # type: ignore[call-arg, arg-type, func-returns-value]
    assert messages[0]["status"] == 500
