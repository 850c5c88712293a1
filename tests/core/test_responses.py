"""What a view may return, and what is said of what it may not."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import flask
import pytest
from werkzeug.datastructures import Headers
from werkzeug.exceptions import NotFound
from werkzeug.wrappers import Response as WerkzeugResponse

from quart import jsonify, Quart, redirect, Response
from quart._flask import REDIRECT

from .driver import exchange, route, run

HERE = Path(__file__)


def returning(value: Any) -> Callable[[], Any]:
    return lambda: value


async def async_generator() -> AsyncIterator[str]:
    yield "a"
    yield "b"


class AsyncIterable:
    def __init__(self) -> None:
        self._items = ["a", "b"]

    def __aiter__(self) -> AsyncIterable:
        return self

    async def __anext__(self) -> str:
        if not self._items:
            raise StopAsyncIteration
        return self._items.pop(0)


def generator() -> Any:
    yield "a"
    yield b"b"


BODIES: dict[str, tuple[Callable[[], Any], bytes]] = {
    "str": (returning("grüße"), "grüße".encode()),
    "bytes": (returning(b"\xff"), b"\xff"),
    "bytearray": (returning(bytearray(b"ab")), b"ab"),
    "empty": (returning(""), b""),
    "dict": (returning({"a": 1}), b'{"a":1}\n'),
    "list": (returning([1, 2]), b"[1,2]\n"),
    "empty dict": (returning({}), b"{}\n"),
    "empty list": (returning([]), b"[]\n"),
    "generator": (generator, b"ab"),
    "iterator": (lambda: iter(["a", "b"]), b"ab"),
    "map": (lambda: map(str, [1, 2]), b"12"),
    "async generator": (async_generator, b"ab"),
    "async iterator": (AsyncIterable, b"ab"),
    "path": (returning(HERE), HERE.read_bytes()),
    "open file": (lambda: io.BytesIO(b"file"), b"file"),
    "response": (returning(Response("ok")), b"ok"),
    "jsonify": (lambda: jsonify(a=1), b'{"a":1}\n'),
    "flask": (returning(flask.Response("flask")), b"flask"),
    "werkzeug": (returning(WerkzeugResponse(["a", "b"])), b"ab"),
    "werkzeug stream": (lambda: WerkzeugResponse(iter(["a", "b"])), b"ab"),
}


@pytest.mark.parametrize("body", BODIES)
def test_what_a_view_may_return(app: Quart, kind: str, body: str) -> None:
    make, expected = BODIES[body]

    @route(app, kind)
    async def view() -> Any:
        return make()

    client = exchange(app, kind)

    assert (client.status, client.body) == (200, expected)


@pytest.mark.parametrize("body", BODIES)
def test_a_plain_view_may_return_the_same(app: Quart, body: str) -> None:
    make, expected = BODIES[body]
    app.add_url_rule("/", "view", lambda: make())  # noqa: PLW0108

    assert exchange(app, "request").body == expected


def test_dicts_and_lists_are_json(app: Quart) -> None:
    for value in ({}, []):
        response = run(make(app, value))
        assert response.mimetype == "application/json"


async def make(app: Quart, value: Any) -> Response:
    async with app.app_context():
        return await app.make_response(value)


@pytest.mark.parametrize(
    ("status", "code", "text"),
    [
        (418, 418, "418 I'M A TEAPOT"),
        ("418", 418, "418 I'M A TEAPOT"),
        ("418 Teapot", 418, "418 Teapot"),
        (b"418 Teapot", 418, "418 Teapot"),
        (HTTPStatus.IM_A_TEAPOT, 418, "418 I'M A TEAPOT"),
    ],
)
def test_a_status_may_follow_the_body(app: Quart, status: Any, code: int, text: str) -> None:
    response = run(make(app, ("body", status)))

    assert (response.status_code, response.status) == (code, text)


@pytest.mark.parametrize(
    "headers",
    [{"X-A": "1"}, [("X-A", "1")], (("X-A", "1"),), Headers({"X-A": "1"})],
)
def test_headers_may_follow_the_body_or_the_status(app: Quart, headers: Any) -> None:
    assert run(make(app, ("body", headers))).headers["X-A"] == "1"
    response = run(make(app, ("body", 201, headers)))
    assert (response.status_code, response.headers["X-A"]) == (201, "1")


def test_headers_replace_those_of_a_response(app: Quart) -> None:
    given = Response("x", headers={"X-A": "old", "X-B": "kept"})

    response = run(make(app, (given, 202, {"X-A": "new", "Content-Type": "text/plain"})))

    assert response is given
    assert response.status_code == 202
    assert response.headers.getlist("X-A") == ["new"]
    assert response.headers["X-B"] == "kept"
    assert response.headers.getlist("Content-Type") == ["text/plain"]


def test_a_status_of_none_keeps_that_of_the_response(app: Quart) -> None:
    response = run(make(app, (Response("x", 404), None, {"X-A": "1"})))

    assert (response.status_code, response.headers["X-A"]) == (404, "1")


def test_a_response_is_returned_as_it_is(app: Quart) -> None:
    given = Response("x")

    assert run(make(app, given)) is given


def test_other_responses_become_the_applications(app: Quart) -> None:
    class Mine(Response):
        pass

    app.response_class = Mine
    other = WerkzeugResponse("x", 202, {"X-A": "1"}, content_type="text/x")
    other.set_cookie("c", "1")

    for given in (other, Response("x", 202, other.headers)):
        response = run(make(app, given))
        assert isinstance(response, Mine)
        assert (response.status_code, response.headers["X-A"]) == (202, "1")
        assert response.content_type == "text/x"
        assert "Set-Cookie" in response.headers


def test_an_http_exception_is_its_response(app: Quart) -> None:
    response = run(make(app, NotFound("nothing")))

    assert response.status_code == 404
    assert b"nothing" in run(response.get_data(as_text=False))


def test_an_http_exception_may_bring_a_response(app: Quart, kind: str) -> None:
    route(app, kind)(lambda: NotFound(response=WerkzeugResponse("mine", 404)))

    client = exchange(app, kind)

    assert (client.status, client.body) == (404, b"mine")


def test_a_redirect(app: Quart) -> None:
    app.add_url_rule("/", "view", lambda: redirect("/there"))

    client = exchange(app, "request")

    assert client.status == REDIRECT
    assert client.headers["Location"] == "/there"


def test_what_a_foreign_response_wants_closed_is_closed(app: Quart) -> None:
    closed: list[str] = []

    class Body:
        def __iter__(self) -> Any:
            return iter(["a", "b"])

        def close(self) -> None:
            closed.append("body")

    @app.route("/")
    async def view() -> Any:
        response = WerkzeugResponse(Body())  # type: ignore[arg-type]
        response.call_on_close(lambda: closed.append("response"))
        return response

    assert exchange(app, "request").body == b"ab"
    assert sorted(closed) == ["body", "response"]


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (None, r"'view' returned None.*return statement.*expected a str"),
        (3, r"'view' returned int; expected a str, bytes, dict"),
        (object(), r"'view' returned object; expected"),
        (("a",), r"'view' returned a tuple of 1; expected \(body, status\)"),
        ((), r"'view' returned a tuple of 0"),
        (("a", 200, {}, 1), r"'view' returned a tuple of 4"),
        ((None, 200), r"'view' returned None"),
    ],
)
def test_what_a_view_may_not_return_is_named(app: Quart, value: Any, message: str) -> None:
    app.testing = True
    app.add_url_rule("/", "view", lambda: value)

    with pytest.raises(TypeError, match=message):
        exchange(app, "request")


@pytest.mark.parametrize("colour", ["plain", "async"])
@pytest.mark.parametrize("part", [3, [3], {"a": 1}, None])
def test_what_a_stream_may_not_have_is_named(app: Quart, part: Any, colour: str) -> None:
    def plain() -> Any:
        yield part

    async def asynchronous() -> Any:
        yield part

    app.testing = True
    app.add_url_rule("/", "view", plain if colour == "plain" else asynchronous)

    with pytest.raises(TypeError, match=f"Expected str or bytes .* got {type(part).__name__}"):
        exchange(app, "request")


@pytest.mark.parametrize("with_status", [False, True])
def test_a_forgotten_await_names_the_function(app: Quart, with_status: bool) -> None:
    app.testing = True

    async def load_report() -> str:
        return "report"

    @app.get("/")
    async def view() -> Any:
        return (load_report(), 201) if with_status else load_report()

    with pytest.raises(TypeError, match=r"'view' returned the coroutine of '.*load_report', which"):
        exchange(app, "request")


def test_outside_of_a_view_the_message_names_none(app: Quart) -> None:
    with pytest.raises(TypeError, match="The value given returned int"):
        run(make(app, 3))


def test_a_coroutine_that_a_plain_view_returns_is_awaited(app: Quart) -> None:
    """A decorator without `functools.wraps` makes such a view."""

    async def body() -> str:
        return "ok"

    app.add_url_rule("/", "view", lambda: body())  # noqa: PLW0108

    assert exchange(app, "request").text == "ok"


def test_a_status_that_is_none_of_these_is_an_error(app: Quart) -> None:
    with pytest.raises((TypeError, ValueError)):
        run(make(app, ("body", "not a status", None, None)))
    with pytest.raises((TypeError, ValueError)):
        run(make(app, ("body", object())))


def test_a_dataclass_is_what_a_json_provider_makes_of_it(app: Quart) -> None:
    @dataclass
    class Point:
        x: int

    app.add_url_rule("/", "view", lambda: {"point": Point(1)})

    assert exchange(app, "request").body == b'{"point":{"x":1}}\n'
