"""What a view returns becomes the response that Flask would make of it, however that is changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import flask
import pytest
from flask import jsonify
from markupsafe import Markup

from quart_flask_patch import genuine
from quart_flask_patch.app import Flask

from ._asgi import fetch, run

RESULTS = ["text", "é", "", b"bytes", bytearray(b"array"), Markup("<b>"), {"b": 1, "a": [2]}, [1]]


def made_by(app: Any, result: Any) -> tuple[Any, ...]:
    with app.test_request_context("/"):
        response = app.make_response(result)
    return type(response), response.status, list(response.headers), response.data, response.response


@pytest.mark.parametrize("result", RESULTS, ids=repr)
@pytest.mark.parametrize("debug", [False, True])
def test_it_is_what_flask_makes(app: Flask, result: Any, debug: bool) -> None:
    flasks = genuine.Flask(__name__)
    app.debug = flasks.debug = debug
    assert made_by(app, result) == made_by(flasks, result)


@pytest.mark.parametrize("with_status", [False, True])
def test_a_forgotten_await_names_the_function(app: Flask, with_status: bool) -> None:
    app.testing = True

    async def load_report() -> str:
        return "report"

    @app.get("/")
    async def view() -> Any:
        return (load_report(), 201) if with_status else load_report()

    with pytest.raises(TypeError, match=r"'view' returned the coroutine of '.*load_report', which"):
        app.test_client().get("/")


@pytest.mark.parametrize("compact", [None, False, True])
def test_json_is_what_flask_makes(app: Flask, compact: bool | None) -> None:
    flasks = genuine.Flask(__name__)
    for provider in (app.json, flasks.json):
        provider.compact, provider.sort_keys, provider.mimetype = (
            compact,
            False,
            "application/x+json",
        )  # type: ignore[attr-defined]
    assert made_by(app, {"b": 1, "a": 2}) == made_by(flasks, {"b": 1, "a": 2})
    with app.app_context():
        assert jsonify(1, 2).json == [1, 2]
        assert jsonify(a=1).json == {"a": 1}
        assert jsonify().json is None


class Loud(flask.Response):
    def set_data(self, value: Any) -> None:
        super().set_data(value.upper())


class Initialized(flask.Response):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.headers["X-Mine"] = "yes"


def test_a_response_class_of_its_own_is_called(app: Flask) -> None:
    app.response_class = Loud
    assert made_by(app, "text")[0::3] == (Loud, b"TEXT")
    app.response_class = Initialized
    assert ("X-Mine", "yes") in made_by(app, {"a": 1})[2]


CHANGES: dict[str, tuple[Any, Callable[[Any], bool]]] = {
    "default_mimetype": ("text/x-mine", lambda r: r.content_type == "text/x-mine; charset=utf-8"),
    "default_status": (202, lambda r: r.status == "202 ACCEPTED"),
    "automatically_set_content_length": (False, lambda r: "Content-Length" not in r.headers),
    "set_data": (
        lambda self, value: setattr(self, "response", [b"set"]),
        lambda r: r.data == b"set",
    ),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_of_flasks_class_counts(app: Flask, name: str) -> None:
    value, shows = CHANGES[name]
    with mock.patch.object(flask.Response, name, value), app.test_request_context("/"):
        assert shows(app.make_response("text"))


def test_no_mimetype_at_all(app: Flask) -> None:
    with mock.patch.object(flask.Response, "default_mimetype", None):
        assert made_by(app, "text")[2] == [("Content-Length", "4")]


def test_two_responses_have_nothing_in_common(app: Flask) -> None:
    with app.test_request_context("/"):
        first, second = app.make_response("one"), app.make_response("two")
    first.headers["X-First"] = "1"
    first.call_on_close(list)
    first.status_code = 404
    assert second.status_code == 200
    assert "X-First" not in second.headers
    assert not second._on_close


# --- What of it is sent --------------------------------------------------------------------------


class Encoding(flask.Response):
    def iter_encoded(self) -> Iterator[bytes]:
        return (chunk.upper() for chunk in super().iter_encoded())


class Heading(flask.Response):
    def get_wsgi_headers(self, environ: Any) -> Any:
        headers = super().get_wsgi_headers(environ)
        headers["X-Path"] = environ.get("PATH_INFO", "none")
        return headers


SENT: dict[str, tuple[Callable[[], Any], bytes, dict[str, str]]] = {
    "encoded": (lambda: Encoding(b"one"), b"ONE", {}),
    "pieces": (lambda: flask.Response([b"one", "two"]), b"onetwo", {"content-length": "6"}),
    "tuple": (lambda: flask.Response((b"one",)), b"one", {"content-length": "3"}),
    "text": (lambda: flask.Response(["é"]), "é".encode(), {"content-length": "2"}),
    "array": (lambda: flask.Response([bytearray(b"one")]), b"one", {}),  # type: ignore[list-item]
    "none": (flask.Response, b"", {"content-length": "0"}),
    "head": (lambda: Heading(b"one"), b"one", {"x-path": "none"}),
    "location": (lambda: ("x", {"Location": "/é"}), b"x", {"location": "/%C3%A9"}),
    "dict": (lambda: _with_headers({"X-Mine": "1"}), b"one", {"x-mine": "1"}),
}


def _with_headers(headers: Any) -> flask.Response:
    response = flask.Response("one")
    response.headers = headers
    return response


@pytest.mark.parametrize("name", SENT)
def test_it_is_sent_as_its_class_says(app: Flask, place: str, name: str) -> None:
    view, body, headers = SENT[name]
    app.add_url_rule("/", "view", view)
    answer = run(fetch(app, "/"))
    assert answer.body == body
    assert headers.items() <= dict(answer.headers).items()
