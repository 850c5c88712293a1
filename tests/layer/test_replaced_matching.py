"""What finds a URL's view is replaced or changed: rules, adapters, and what a request keeps."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar
from unittest import mock

import flask.app
import flask.wrappers
import pytest
import werkzeug.routing.map
from werkzeug.exceptions import InternalServerError
from werkzeug.routing import MapAdapter, Rule

import quart.app
import quart.routing
from quart import Quart
from quart.globals import _cv_app
from quart_flask_patch.app import Flask

from ._asgi import fetch, run
from .test_overriding import Get, GETS

App = TypeVar("App", Flask, Quart)


@pytest.fixture(params=GETS)
def get(request: pytest.FixtureRequest) -> Get:
    return GETS[request.param]


def fill(app: App) -> App:
    app.config["PROPAGATE_EXCEPTIONS"] = False
    app.add_url_rule("/", "index", lambda: "index", methods=["GET"])
    app.add_url_rule("/<int:number>", "number", str_of)
    app.add_url_rule("/error", "error", lambda: 1 // 0)
    return app


def warm(app: Flask, get: Get) -> None:
    for path in ("/", "/1", "/error"):
        get(app, path)


@pytest.fixture(params=[False, True], ids=["before", "after"])
def app(request: pytest.FixtureRequest, get: Get) -> Flask:
    """An application that has not had a request yet, or has had some."""
    app = fill(Flask(__name__))
    if request.param:
        warm(app, get)
    return app


def str_of(number: int) -> str:
    return str(number)


class Unusual(InternalServerError):
    code = 599


class Adapter(MapAdapter):
    def match(self, *args: Any, **kwargs: Any) -> Any:
        found: tuple[Rule, Any] = super().match(*args, **kwargs)
        return found[0], {"number": 7} if found[1] else {}


def test_the_class_of_server_errors_is_replaced(app: Flask, get: Get) -> None:
    with mock.patch.object(flask.app, "InternalServerError", Unusual):
        assert get(app, "/error")[0] == 599
    assert get(app, "/error")[0] == 500


def test_the_class_of_adapters_is_replaced(app: Flask, get: Get) -> None:
    with mock.patch.object(werkzeug.routing.map, "MapAdapter", Adapter):
        assert [get(app, path)[1] for path in ("/", "/1")] == ["index", "7"]
    assert get(app, "/1")[1] == "1"


def test_a_quart_application_has_these_names_in_quarts_modules() -> None:
    app = fill(Quart(__name__))
    for _ in range(2):
        with mock.patch.object(quart.routing, "MapAdapter", Adapter):
            assert run(fetch(app, "/1")).text == "7"
        with mock.patch.object(quart.app, "InternalServerError", Unusual):
            assert run(fetch(app, "/error")).status == 599
        assert run(fetch(app, "/1")).text == "1"
        assert run(fetch(app, "/error")).status == 500


@pytest.mark.parametrize("name", ["match", "get_default_redirect"])
@pytest.mark.parametrize("path", ["/", "/1"])
def test_a_method_of_adapters_is_replaced(path: str, name: str, app: Flask, get: Get) -> None:
    with mock.patch.object(MapAdapter, name, autospec=True, side_effect=getattr(MapAdapter, name)):
        get(app, path)
        assert getattr(MapAdapter, name).called


#: What is done to a rule, and the status then.
CHANGES: dict[str, tuple[Callable[[Rule], object], int]] = {
    "a method is taken out": (lambda rule: rule.methods.discard("GET"), 405),  # type: ignore[union-attr]
    "other methods": (lambda rule: setattr(rule, "methods", {"PUT"}), 405),
    "any method": (lambda rule: setattr(rule, "methods", None), 200),
    "redirects": (lambda rule: setattr(rule, "redirect_to", "/1"), 308),
    "an alias": (lambda rule: setattr(rule, "alias", True), 308),
    "for websockets": (lambda rule: setattr(rule, "websocket", True), 400),
    "an unknown argument": (lambda rule: setattr(rule, "defaults", {"unknown": 1}), 500),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_rule_is_changed(change: str, app: Flask, get: Get) -> None:
    (rule,) = app.url_map.iter_rules("index")
    do, status = CHANGES[change]
    do(rule)
    assert get(app, "/")[0] == status


def test_of_two_rules_that_come_to_match_the_first_wins(get: Get) -> None:
    app = fill(Flask(__name__))
    app.add_url_rule("/", "second", lambda: "second", methods=["PUT"])
    assert get(app, "/")[1] == "index"
    (first,), (second,) = (app.url_map.iter_rules(name) for name in ("index", "second"))
    second.methods.add("GET")
    assert get(app, "/")[1] == "index"
    first.methods.discard("GET")
    assert get(app, "/")[1] == "second"


# Properties of a request class


class Doubling(flask.wrappers.Request):
    @property
    def view_args(self) -> dict[str, int] | None:
        found = self.__dict__.get("_found")
        return found and {name: 2 * value for name, value in found.items()}

    @view_args.setter
    def view_args(self, value: Any) -> None:
        self.__dict__["_found"] = value


class Matching(flask.wrappers.Request):
    @property
    def url_rule(self) -> Any:
        return self.__dict__.get("_rule")

    @url_rule.setter
    def url_rule(self, value: Any) -> None:
        self.__dict__["_rule"] = None if value.endpoint == "index" else value


class Forgiving(flask.wrappers.Request):
    @property
    def routing_exception(self) -> Any:
        error = self.__dict__.get("_error")
        return None if error is None else Unusual()

    @routing_exception.setter
    def routing_exception(self, value: Any) -> None:
        self.__dict__["_error"] = value


class ReadOnly(flask.wrappers.Request):
    @property
    def view_args(self) -> Any:  # type: ignore[override]
        return {}


#: A request class, a path, and the status and text there.
REQUESTS: list[tuple[type, str, int, str | None]] = [
    (Doubling, "/4", 200, "8"),
    (Doubling, "/", 200, "index"),
    (Matching, "/4", 200, "4"),
    (Matching, "/", 500, None),
    (Forgiving, "/4", 200, "4"),
    (Forgiving, "/missing", 599, None),
    (ReadOnly, "/4", 500, None),
    (ReadOnly, "/missing", 404, None),
]


@pytest.mark.parametrize("on_class", [False, True], ids=["object", "class"])
@pytest.mark.parametrize(("cls", "path", "status", "text"), REQUESTS)
def test_properties_of_a_request_class_are_asked(
    cls: type, path: str, status: int, text: str | None, on_class: bool, get: Get
) -> None:
    own = type("Own", (Flask,), {"request_class": cls}) if on_class else Flask
    app = fill(own(__name__))
    if not on_class:
        warm(app, get)
        app.request_class = cls
    found = get(app, path)
    assert found[0] == status
    assert text in (None, found[1])


def test_a_context_made_by_hand_asks_them_too() -> None:
    app = fill(Flask(__name__))
    app.request_class = Doubling
    with app.test_request_context("/4") as context:
        assert context.request.view_args == {"number": 8}
        assert context.request.endpoint == "number"


# --- While nobody has replaced anything ----------------------------------------------------------


def test_no_adapter_is_made_for_a_url_that_nobody_builds(get: Get) -> None:
    """However the request came; it would be a quarter of what a small one costs."""
    app = fill(Flask(__name__))
    waits: list[bool] = []
    app.before_request(lambda: waits.append(_cv_app.get()._adapter_waits))
    warm(app, get)
    assert set(waits) == {True}
