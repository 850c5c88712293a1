"""What handles a request is changed meanwhile, or of a kind of its own: it counts as on Flask."""

from __future__ import annotations

import copy
from collections import defaultdict
from types import MappingProxyType
from typing import Any

import flask
import pytest
from flask import request

from quart import Quart
from quart_flask_patch.app import Flask

from ._asgi import fetch, run
from .test_overriding import as_async, Get, GETS


@pytest.fixture(params=GETS)
def get(request: pytest.FixtureRequest) -> Get:
    return GETS[request.param]


@pytest.fixture
def app(get: Get) -> Any:
    app = Flask(__name__)
    app.config["PROPAGATE_EXCEPTIONS"] = False
    for name in ("first", "second"):
        add(app, get, name)
    return app


def add(app: Any, get: Get, name: str) -> None:
    def view() -> str:
        return name

    app.add_url_rule(f"/{name}", name, as_async(view) if get.kind == "async" else view)


def marking(value: str) -> Any:
    def mark(response: Any) -> Any:
        response.headers.add("X-Mark", value)
        return response

    return mark


# --- Views ---------------------------------------------------------------------------------------


def test_a_hook_puts_another_view_there(app: Any, get: Get) -> None:
    @app.before_request
    def swap() -> None:
        app.view_functions["first"] = lambda: "swapped"

    assert get(app, "/first") == (200, "swapped")
    assert get(app, "/first") == (200, "swapped")


def test_a_hook_sends_the_request_to_another_rule(app: Any, get: Get) -> None:
    @app.before_request
    def redirect() -> None:
        if request.headers.get("X-To") != "first":
            request.url_rule = next(app.url_map.iter_rules("second"))

    assert get(app, "/first") == (200, "second")
    assert get(app, "/second") == (200, "second")


def test_what_is_done_for_a_blueprint_follows_the_rule(app: Any, get: Get) -> None:
    blueprint = flask.Blueprint("blue", __name__)
    add(blueprint, get, "third")
    blueprint.after_request(marking("blue"))
    seen = []
    blueprint.teardown_request(lambda error: seen.append(request.endpoint))
    app.register_blueprint(blueprint)

    @app.before_request
    def redirect() -> None:
        request.url_rule = next(app.url_map.iter_rules("blue.third"))

    assert get(app, "/first") == (200, "third")
    assert seen == ["blue.third"]


class Numbered(dict[Any, Any]):
    """Gives another view each time."""

    count = 0

    def __getitem__(self, endpoint: Any) -> Any:
        self.count += 1
        text = f"{endpoint} {self.count}"
        return lambda: text


def test_a_table_of_views_gives_another_each_time(app: Any, get: Get) -> None:
    app.view_functions = Numbered()
    assert get(app, "/first") == (200, "first 1")
    assert get(app, "/first") == (200, "first 2")


def test_a_table_of_views_makes_those_that_are_missing(app: Any, get: Get) -> None:
    app.view_functions = defaultdict(lambda: lambda: "made")
    assert get(app, "/first") == (200, "made")


def test_a_table_of_views_shows_another_table(app: Any, get: Get) -> None:
    views = dict(app.view_functions)
    app.view_functions = MappingProxyType(views)
    assert get(app, "/first") == (200, "first")
    views["first"] = lambda: "changed behind it"
    assert get(app, "/first") == (200, "changed behind it")
    app.view_functions = {"first": lambda: "plain again"}
    assert get(app, "/first") == (200, "plain again")


# --- Hooks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["hook", "view"])
def test_functions_that_are_added_late_run(where: str, get: Get) -> None:
    app, seen = Flask(__name__), []

    def add_late() -> Any:
        app.after_request_funcs.setdefault(None, []).append(marking("late"))
        app.teardown_request_funcs.setdefault(None, []).append(lambda error: seen.append("late"))
        return "view"

    view: Any = add_late if where == "view" else lambda: "view"
    if where == "hook":
        app.before_request(lambda: print(add_late()))  # noqa: T201 - it returns None
    app.add_url_rule("/", "view", as_async(view) if get.kind == "async" else view)
    answers = [get(app, "/"), get(app, "/")]
    assert answers == [(200, "view")] * 2
    assert seen == ["late"] * 3


def test_a_step_that_a_view_replaces_is_the_one_that_is_taken(app: Any, get: Get) -> None:
    def view() -> str:
        app.process_response = lambda response: app.make_response("replaced")
        return "view"

    app.add_url_rule("/view", "view", as_async(view) if get.kind == "async" else view)
    assert get(app, "/view") == (200, "replaced")


def test_a_websockets_hook_is_changed_while_it_is_open() -> None:
    app, seen = Quart(__name__), []

    @app.websocket("/")
    async def socket() -> None:
        from quart import websocket

        app.teardown_websocket(lambda error: seen.append("late"))
        await websocket.send("hello")

    async def work() -> None:
        async with app.test_client().websocket("/") as connection:
            assert await connection.receive() == "hello"

    run(work())
    assert seen == ["late"]


# --- Copies --------------------------------------------------------------------------------------


def test_a_copy_has_hooks_of_its_own(app: Any, get: Get) -> None:
    assert get(app, "/first") == (200, "first")
    copied = copy.copy(app)
    assert type(copied) is type(app)
    copied.before_request_funcs = {None: [lambda: "of the copy"]}
    assert get(copied, "/first") == (200, "of the copy")
    assert get(app, "/first") == (200, "first")


def test_what_a_copy_shares_is_changed_for_both(app: Any, get: Get) -> None:
    copied = copy.copy(app)
    assert get(copied, "/first") == get(app, "/first") == (200, "first")
    app.before_request_funcs.setdefault(None, []).append(lambda: "of both")
    assert get(copied, "/first") == get(app, "/first") == (200, "of both")


# --- Requests and responses ----------------------------------------------------------------------


def test_a_request_is_made_before_its_url_is_matched(app: Any, get: Get) -> None:
    """Its class may change the environ."""

    class Request(flask.Request):
        def __init__(self, environ: Any, *args: Any, **kwargs: Any) -> None:
            environ["PATH_INFO"] = environ["PATH_INFO"].replace("/first", "/second")
            super().__init__(environ, *args, **kwargs)

    app.request_class = Request
    assert get(app, "/first") == (200, "second")


@pytest.mark.parametrize(
    ("answer", "given"),
    [
        ("text", {"status", "headers"}),
        ({"a": 1}, {"mimetype"}),
        (("text", 201), {"status", "headers"}),
    ],
)
def test_a_response_class_is_called_as_flask_calls_it(
    answer: Any, given: set[str], get: Get
) -> None:
    """One may choose the media type where nobody gave one, by what is among its arguments."""
    calls = []

    class Response(flask.Response):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            calls.append(set(kwargs))
            if "mimetype" not in kwargs and len(args) == 1:
                kwargs["mimetype"] = "application/x-mine"
            super().__init__(*args, **kwargs)

    app = Flask(__name__)
    app.response_class = Response
    app.add_url_rule(
        "/", "view", as_async(lambda: answer) if get.kind == "async" else lambda: answer
    )
    kinds = []
    app.after_request(lambda response: kinds.append(response.mimetype) or response)
    get(app, "/")
    assert calls[0] == given
    assert kinds == ["application/json" if "mimetype" in given else "application/x-mine"]


def test_a_response_class_makes_a_response_of_an_error(get: Get) -> None:
    made = []

    class Response(flask.Response):
        @classmethod
        def force_type(cls, response: Any, environ: Any = None) -> Any:
            made.append(type(response).__name__)
            return cls(f"{response.code}", status=response.code)

    app = Flask(__name__)
    app.response_class = Response
    assert get(app, "/nowhere") == (404, "404")
    assert made == ["NotFound"]


def test_a_url_map_behind_a_proxy(app: Any, get: Get) -> None:
    wrapt = pytest.importorskip("wrapt")
    bound = []

    class Proxy(wrapt.ObjectProxy):  # type: ignore[misc,name-defined]  # it is untyped
        def bind_to_environ(self, *args: Any, **kwargs: Any) -> Any:
            bound.append(True)
            return self.__wrapped__.bind_to_environ(*args, **kwargs)

    app.url_map = Proxy(app.url_map)
    assert get(app, "/first") == (200, "first")
    assert bound == [True]
    assert run(fetch(app, "/nowhere")).status == 404
