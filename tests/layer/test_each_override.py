"""Each public method of Flask's that a subclass overrides is called as often as on Flask.

A program (`_overriding_program.py`) overrides them all and runs on Flask, and on the layer.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import flask
import flask.globals
import pytest
from flask import request
from flask.ctx import AppContext

from quart._flask import HAS_ONE_CONTEXT
from quart_flask_patch.app import Flask

from ._asgi import fetch, run
from .test_overriding import as_async, Get, GETS

if HAS_ONE_CONTEXT:
    RequestContext = AppContext
else:
    from flask.ctx import RequestContext

PROGRAM = Path(__file__).with_name("_overriding_program.py")
#: What is called another number of times, and why.
DIFFERING = {
    # A context that is left and entered again, as the client does it, keeps its application's.
    "Flask.app_context": "client",
    "Flask.create_url_adapter": "client",
}


def called(way: str, place: str = "thread") -> dict[str, tuple[Any, dict[str, int]]]:
    done = subprocess.run(
        [sys.executable, PROGRAM, way],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"QUART_SYNC_PLACE": place},
    )
    return json.loads(done.stdout)  # type: ignore[no-any-return]  # what the program prints


@pytest.fixture(scope="module")
def on_flask() -> dict[str, tuple[Any, dict[str, int]]]:
    return called("flask")


@pytest.mark.skipif(HAS_ONE_CONTEXT, reason="Flask 3.2 has other methods")
@pytest.mark.parametrize("place", ["loop", "thread"])
@pytest.mark.parametrize("way", ["wsgi", "asgi"])
def test_each_is_called_as_often_as_on_flask(
    way: str, place: str, on_flask: dict[str, tuple[Any, dict[str, int]]]
) -> None:
    here = called(way, place)
    assert here.keys() == on_flask.keys()
    for name, (result, counts) in on_flask.items():
        found, ours = here[name]
        assert found == result, name
        differing = {
            method: (counts.get(method, 0), ours.get(method, 0))
            for method in counts.keys() | ours.keys()
            if counts.get(method, 0) != ours.get(method, 0) and DIFFERING.get(method) != name
        }
        assert not differing, name


# --- Contexts of one's own -----------------------------------------------------------------------


@pytest.fixture(params=GETS)
def get(request: pytest.FixtureRequest) -> Get:
    return GETS[request.param]


def add_view(app: Any, get: Get, func: Any) -> None:
    app.add_url_rule("/", "view", as_async(func) if get.kind == "async" else func)


@pytest.mark.parametrize("name", ["app_context", "request_context"])
def test_one_that_makes_contexts_is_put_in_after_the_first_request(name: str, get: Get) -> None:
    app = flask.Flask(__name__)
    add_view(app, get, lambda: "answer")
    get(app, "/")
    calls = []
    original = getattr(app, name)

    def counted(*args: Any) -> Any:
        calls.append(name)
        return original(*args)

    setattr(app, name, counted)
    get(app, "/")
    assert calls == [name]
    delattr(app, name)
    get(app, "/")
    assert calls == [name]


def test_a_request_context_changes_the_environ(get: Get) -> None:
    class App(Flask):
        def request_context(self, environ: Any) -> Any:
            environ["PATH_INFO"] = environ["PATH_INFO"].removeprefix("/prefix")
            environ["HTTP_X_ADDED"] = "added"
            return super().request_context(environ)

    app = App("app")
    app.add_url_rule("/page", "page", lambda: f"{request.path} {request.headers['X-Added']}")
    assert get(app, "/prefix/page") == (200, "/page added")


def test_a_context_of_ones_own_is_the_current_one(get: Get) -> None:
    class Context(RequestContext):  # type: ignore[misc]  # as it is
        said = "mine"

    class App(Flask):
        def request_context(self, environ: Any) -> Any:
            if HAS_ONE_CONTEXT:
                return Context.from_environ(self, environ)
            return Context(self, environ)

    app = App("app")

    def view() -> str:
        current: Any = flask.globals.app_ctx if HAS_ONE_CONTEXT else flask.globals.request_ctx
        return f"{current.said} {request.path} {flask.g.get('x')}"

    add_view(app, get, view)
    assert get(app, "/") == (200, "mine / None")


def test_a_context_matches_the_url_in_its_own_way(get: Get) -> None:
    class Context(RequestContext):  # type: ignore[misc]  # as it is
        def match_request(self) -> None:
            super().match_request()
            self.request.view_args = {"name": "matched"}

    class App(Flask):
        def request_context(self, environ: Any) -> Any:
            if HAS_ONE_CONTEXT:
                return Context.from_environ(self, environ)
            return Context(self, environ)

    app = App("app")
    app.add_url_rule("/<name>", "page", lambda name: name)
    assert get(app, "/given") == (200, "matched")


@pytest.mark.skipif(HAS_ONE_CONTEXT, reason="an application has no context beside the request's")
def test_an_application_context_of_ones_own(get: Get) -> None:
    class Context(AppContext):
        said = "mine"

    class App(Flask):
        def app_context(self) -> Any:
            return Context(self)

    app = App("app")
    app.before_request(lambda: setattr(flask.g, "x", 1))

    def view() -> str:
        current: Any = flask.globals.app_ctx
        return f"{current.said} {current.g.x} {flask.g.x} {flask.current_app.name}"

    add_view(app, get, view)
    assert get(app, "/") == (200, "mine 1 1 app")


def test_what_is_no_context_is_named() -> None:
    class App(Flask):
        def request_context(self, environ: Any) -> Any:
            return "nothing"

    app = App("app")
    app.testing = True
    with pytest.raises(TypeError, match=r"App\.request_context .*, got 'nothing'"):
        run(fetch(app, "/"))


# --- Requests and responses of one's own ---------------------------------------------------------


def test_a_request_is_closed_once_its_functions_have_run(get: Get) -> None:
    log: list[Any] = []

    class Request(flask.Request):
        def close(self) -> None:
            log.append(("close", self.path, flask.has_request_context()))
            super().close()

    app = Flask("app")
    app.request_class = Request
    app.teardown_request(lambda error: log.append("teardown"))
    app.teardown_appcontext(lambda error: log.append("of the application"))
    add_view(app, get, lambda: "view")
    assert get(app, "/") == (200, "view")
    assert log == ["teardown", ("close", "/", True), "of the application"]


def test_a_response_is_called_within_its_context(get: Get) -> None:
    class Response(flask.Response):
        def __call__(self, environ: Any, start_response: Any) -> Any:
            self.headers["X-Path"] = request.path
            body = super().__call__(environ, start_response)
            return [piece.upper() for piece in body]

    app = Flask("app")
    app.response_class = Response
    add_view(app, get, lambda: "view")
    assert get(app, "/") == (200, "VIEW")
    if get.entry == "asgi":
        assert run(fetch(app, "/")).headers["x-path"] == "/"


@pytest.mark.parametrize("body", ["whole", "streamed"])
def test_a_response_makes_its_pieces_itself(body: str, get: Get) -> None:
    closed = []

    class Response(flask.Response):
        def get_app_iter(self, environ: Any) -> Any:
            pieces = super().get_app_iter(environ)
            try:
                yield from (piece.upper() for piece in pieces)
            finally:
                if hasattr(pieces, "close"):
                    pieces.close()

    app = Flask("app")

    def view() -> Any:
        made = Response("view" if body == "whole" else iter(["vi", "ew"]))
        made.call_on_close(lambda: closed.append(True))
        return made

    add_view(app, get, view)
    assert get(app, "/") == (200, "VIEW")
    assert closed == [True]
