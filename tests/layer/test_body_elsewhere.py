"""A request's body, read in a thread that is none of the request's."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from flask import copy_current_request_context, Flask, request
from werkzeug.exceptions import ClientDisconnected

from quart._connection import inbound

from ._asgi import Answer, run, scope_for

BODY = b"colour=blue&" + b"x=" + b"y" * 5000
FORM = [("Content-Type", "application/x-www-form-urlencoded"), ("Content-Length", str(len(BODY)))]


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(2) as pool:
        yield pool


async def post(app: Flask, path: str) -> Answer:
    """POST `BODY`, which arrives in two pieces, each later than it is asked for."""
    pieces = [BODY[:100], BODY[100:]]
    sent = []

    async def receive() -> dict[str, object]:
        await asyncio.sleep(0.001)
        if not pieces:
            await asyncio.Event().wait()
        return {"type": "http.request", "body": pieces.pop(0), "more_body": bool(pieces)}

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    await app(scope_for("http", path, "POST", FORM), receive, send)  # type: ignore[arg-type, call-arg, misc]
    return Answer(sent)


async def leave(app: Flask, path: str) -> None:
    """POST the first piece of `BODY`, and go."""
    messages = [{"type": "http.request", "body": BODY[:100], "more_body": True}]

    async def receive() -> dict[str, object]:
        await asyncio.sleep(0.001)
        return messages.pop(0) if messages else {"type": "http.disconnect"}

    async def send(message: dict[str, object]) -> None:
        pass

    await app(scope_for("http", path, "POST", FORM), receive, send)  # type: ignore[arg-type, call-arg, misc]


def read() -> str:
    return request.form["colour"]


def test_a_plain_view_waits_for_the_thread(pool: ThreadPoolExecutor) -> None:
    app = Flask(__name__)

    @app.post("/")
    def view() -> str:
        return pool.submit(copy_current_request_context(read)).result(5)

    assert run(post(app, "/")).text == "blue"


def test_an_async_view_waits_for_the_thread() -> None:
    app = Flask(__name__)

    @app.post("/")
    async def view() -> str:
        return await asyncio.to_thread(read)

    assert run(post(app, "/")).text == "blue"


def test_a_loop_that_is_held_up_is_said_so(
    pool: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbound, "HELD_UP", 0.05)
    app = Flask(__name__)
    app.config["SYNC_PLACE"] = "loop"

    @app.post("/")
    def view() -> str:
        error = pool.submit(copy_current_request_context(read)).exception(5)
        assert isinstance(error, RuntimeError)
        return str(error)

    assert "Plain code holds it up" in run(post(app, "/")).text


def test_a_thread_is_told_that_the_client_has_left(pool: ThreadPoolExecutor) -> None:
    app = Flask(__name__)
    errors = []

    @app.post("/")
    def view() -> str:
        errors.append(pool.submit(copy_current_request_context(read)).exception(5))
        return ""

    run(leave(app, "/"))
    assert isinstance(errors[0], ClientDisconnected)
