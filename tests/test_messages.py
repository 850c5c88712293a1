"""Error messages as a user sees them: what was expected, what came, what to do.

That each is written in one style is for `test_project.py`. Here are some that users meet first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from io import StringIO
from typing import Any

import pytest

from quart import Quart, send_file, stream_with_context, websocket
from quart._threads.strategy import wait_on_new_loop
from quart.ctx import after_this_request
from quart.views import MethodView, View


def app_with(**config: object) -> Quart:
    app = Quart(__name__, static_folder=None)
    app.config.update(config)
    return app


async def in_request(app: Quart, func: Callable[[], object]) -> None:
    async with app.test_request_context("/"):
        result = func()
        if hasattr(result, "__await__"):
            await result


async def register_without_method() -> None:
    class Page(MethodView):
        methods = ["PUT"]  # noqa: RUF012  # as users write it

    app = app_with(TESTING=True)
    app.add_url_rule("/", view_func=Page.as_view("page"))
    await app.test_client().put("/")


async def answer_by(result: Any) -> None:
    app = app_with(TESTING=True)
    app.add_url_rule("/", "page", lambda: result)
    await app.test_client().get("/")


async def send_over_websocket(value: object) -> None:
    app = app_with(TESTING=True)

    @app.websocket("/")
    async def speak() -> None:
        await websocket.send(value)  # type: ignore[arg-type]  # which is the point

    async with app.test_client().websocket("/") as connection:
        await connection.receive()


async def send_text_file() -> None:
    app = app_with()
    await in_request(app, lambda: send_file(StringIO("text"), mimetype="text/plain"))  # type: ignore[arg-type]


async def shut_down_first() -> None:
    await app_with().test_app().shutdown()


async def wait_on_running_loop() -> None:
    wait_on_new_loop(asyncio.sleep(0))


#: What a program does, and what the message must have: what came, and what to do about it.
MISTAKES: dict[str, tuple[Callable[[], object], type[Exception], str, str]] = {
    "no static folder": (
        lambda: app_with().send_static_file("a.css"),
        *(RuntimeError, "'a.css'", "static_folder"),
    ),
    "a resource for writing": (
        lambda: app_with().open_resource("a", "w"),
        *(ValueError, "'w'", "'rb'"),
    ),
    "a hook without a request": (
        lambda: after_this_request(lambda response: response),
        *(RuntimeError, "'after_this_request'", "view function"),
    ),
    "a stream without a context": (
        lambda: stream_with_context(iter(())),
        *(RuntimeError, "got none", "view function"),
    ),
    "a session outside of a request": (
        lambda: app_with().app_context().session,
        *(RuntimeError, "neither", "has_request_context()"),
    ),
    "a view class without code": (
        lambda: View().dispatch_request(),
        *(NotImplementedError, "View", "dispatch_request"),
    ),
    "a view class without the method": (
        register_without_method,
        *(RuntimeError, "PUT", "methods"),
    ),
    "a view that returns None": (
        lambda: answer_by(None),
        *(TypeError, "returned None", "a Response"),
    ),
    "a view that returns a number": (
        lambda: answer_by(7),
        *(TypeError, "returned int", "a Response"),
    ),
    "a number over a websocket": (
        lambda: send_over_websocket(7),
        *(TypeError, "int", "send_json"),
    ),
    "a text file": (
        send_text_file,
        *(ValueError, "gives text", "binary mode"),
    ),
    "a URL without a server": (
        lambda: app_with().url_for("page"),
        *(RuntimeError, "neither", "SERVER_NAME"),
    ),
    "a shutdown without a start": (
        shut_down_first,
        *(RuntimeError, "without startup()", "Await startup()"),
    ),
    "a wait on a running loop": (
        wait_on_running_loop,
        *(RuntimeError, "is running", "`await`"),
    ),
    "half of host matching": (
        lambda: Quart(__name__, host_matching=True, static_folder="static"),
        *(ValueError, "one of them", "static_folder=None"),
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_explained(mistake: str) -> None:
    act, error, came, to_do = MISTAKES[mistake]

    async def make_it() -> None:
        result = act()
        if hasattr(result, "__await__"):
            await result

    with pytest.raises(error) as caught:
        asyncio.run(make_it())
    said = str(caught.value)
    assert came in said
    assert to_do in said
    assert said[0].isupper()
    assert said.endswith(".")
