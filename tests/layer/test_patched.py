"""Classes are patched while applications of them serve, as agents and tests do it."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any
from unittest import mock

import flask.json.provider
import flask.sessions
import itsdangerous
import pytest
import werkzeug.formparser
import werkzeug.routing
import werkzeug.wrappers
from flask import request, session
from flask.sansio.scaffold import Scaffold as SansioScaffold

from _patches import patched, WAYS
from quart_flask_patch.app import Flask

from ._asgi import fetch, run
from .test_overriding import Get, GETS, STEPS, TIMES


@pytest.fixture(params=GETS)
def get(request: pytest.FixtureRequest) -> Get:
    return GETS[request.param]


@pytest.mark.parametrize("served", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("name", "path"), STEPS.items())
def test_a_step_of_the_class(name: str, path: str, way: str, served: bool, get: Get) -> None:
    """Before the first request, and after it."""
    app = get.fill(Flask(__name__))
    expected: Any = None
    if served:
        expected = get(app, path)
    with patched(Flask, name, way) as calls:
        answer = get(app, path)
    times = TIMES.get(name, 1)
    assert calls.count(name) == times
    assert answer == get(app, path) == (expected or answer)
    assert calls.count(name) == times


# What requests, responses, sessions and URLs are made of

#: What a request to `everything` goes through, by what has it.
PARTS = [
    (flask.Request, "make_form_data_parser"),
    (flask.Response, "set_cookie"),
    (flask.json.provider.DefaultJSONProvider, "dumps"),
    (flask.json.provider.DefaultJSONProvider, "response"),
    (flask.sessions.SecureCookieSessionInterface, "get_cookie_name"),
    (flask.sessions.SecureCookieSessionInterface, "get_signing_serializer"),
    (flask.sessions.SecureCookieSessionInterface, "open_session"),
    (flask.sessions.SecureCookieSessionInterface, "save_session"),
    (itsdangerous.TimestampSigner, "sign"),
    (itsdangerous.URLSafeTimedSerializer, "dumps"),
    (itsdangerous.URLSafeTimedSerializer, "loads"),
    (werkzeug.formparser.FormDataParser, "parse"),
    (werkzeug.routing.Map, "bind_to_environ"),
    (werkzeug.routing.MapAdapter, "match"),
    (werkzeug.wrappers.Request, "__init__"),
    (werkzeug.wrappers.Request, "make_form_data_parser"),
    (werkzeug.wrappers.Response, "__init__"),
    (werkzeug.wrappers.Response, "get_wsgi_headers"),
    (werkzeug.wrappers.Response, "iter_encoded"),
    (werkzeug.wrappers.Response, "set_cookie"),
    (werkzeug.wrappers.Response, "set_data"),
]
IDS = [f"{owner.__name__}.{name}" for owner, name in PARTS]


def everything(app: Any, kind: str) -> Any:
    """Give *app* a view that reads a form and the session, changes the session and gives JSON."""
    app.secret_key = "secret"

    def view() -> Any:
        session["count"] = session.get("count", 0) + 1
        return {"field": request.form["field"], "count": session["count"]}

    async def async_view() -> Any:
        return view()

    app.add_url_rule("/", "view", view if kind == "plain" else async_view, methods=["POST"])
    return app


def post(app: Any, cookies: dict[str, str]) -> Any:
    """Send the form with the session of the last time, as a server would; return the JSON."""
    headers = {"Content-Type": "application/x-www-form-urlencoded", **cookies}
    answer = run(fetch(app, "/", "POST", b"field=value", headers.items()))
    cookies["Cookie"] = answer.headers["set-cookie"].partition(";")[0]
    return answer.json


@pytest.mark.parametrize("kind", ["plain", "async"])
@pytest.mark.parametrize("served", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(("owner", "name"), PARTS, ids=IDS)
def test_a_part(owner: Any, name: str, way: str, served: bool, kind: str) -> None:
    app, cookies = everything(Flask(__name__), kind), {}
    count = 1
    if served or name in {"open_session", "loads"}:
        assert post(app, cookies) == {"field": "value", "count": count}
        count += 1
    with patched(owner, name, way) as calls:
        assert post(app, cookies) == {"field": "value", "count": count}
    assert name in calls
    calls.clear()
    assert post(app, cookies) == {"field": "value", "count": count + 1}
    assert calls == []


@pytest.mark.parametrize("owner", [flask.sessions.SecureCookieSessionInterface, None])
@pytest.mark.parametrize("served", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["open_session", "save_session"])
def test_what_handles_a_session_that_nobody_uses(
    name: str, way: str, served: bool, owner: Any, place: str, app: Any
) -> None:
    app.add_url_rule("/", view_func=lambda: "view")
    if served:
        run(fetch(app, "/"))
    with patched(owner or type(app.session_interface), name, way) as calls:
        assert run(fetch(app, "/")).text == "view"
    assert calls == [name]
    assert run(fetch(app, "/")).text == "view"
    assert calls == [name]


class CountingParser(werkzeug.formparser.FormDataParser):
    parsed = 0

    def parse(self, *args: Any, **kwargs: Any) -> tuple[object, ...]:
        type(self).parsed += 1
        return super().parse(*args, **kwargs)


def post_form(app: Any, *parts: str) -> str:
    """Post a form with these parts of a Content-Disposition; return the answer's text."""
    pieces = [f"--b\r\nContent-Disposition: form-data; {part}\r\n\r\n1\r\n" for part in parts]
    body = "".join([*pieces, "--b--\r\n"]).encode()
    headers = [("Content-Type", "multipart/form-data; boundary=b")]
    return str(run(fetch(app, "/", "POST", body, headers)).text)


@pytest.mark.parametrize("served", [False, True], ids=["before", "after"])
def test_what_werkzeugs_request_parses_forms_with(served: bool, place: str, app: Any) -> None:
    field, file, owner = 'name="a"', 'name="f"; filename="f"', werkzeug.wrappers.Request
    app.add_url_rule("/", "", lambda: f"{[*request.form]} {[*request.files]}", methods=["POST"])
    if served:
        assert post_form(app, field, file) == "['a'] ['f']"
    CountingParser.parsed = 0
    with mock.patch.object(owner, "form_data_parser_class", CountingParser):
        assert post_form(app, field, file) == "['a'] ['f']"
    assert CountingParser.parsed == 1
    with patched(owner, "_get_file_stream", "function") as calls:
        assert post_form(app, field, file) == "['a'] ['f']"
    assert calls == ["_get_file_stream"]
    with mock.patch.object(owner, "want_form_data_parsed", property(lambda request: False)):
        assert post_form(app, field, file) == "[] []"
    assert post_form(app, field, file) == "['a'] ['f']"
    assert (CountingParser.parsed, calls) == (1, ["_get_file_stream"])


@pytest.mark.parametrize(("owner", "name"), PARTS[:10], ids=IDS[:10])
def test_a_subclass_of_a_part(owner: Any, name: str) -> None:
    calls: list[str] = []

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        calls.append(name)
        return getattr(super(subclass, self), name)(*args, **kwargs)

    subclass = type("Sub", (owner,), {name: method})
    uses: dict[Any, Callable[[Any], Any]] = {
        flask.Request: lambda app: setattr(app, "request_class", subclass),
        flask.Response: lambda app: setattr(app, "response_class", subclass),
        flask.json.provider.DefaultJSONProvider: lambda app: setattr(app, "json", subclass(app)),
    }
    for base in (flask.sessions.SecureCookieSessionInterface,):
        uses[base] = lambda app: setattr(app, "session_interface", subclass())
    if owner not in uses:
        pytest.skip("an application is not given one")
    app = everything(Flask(__name__), "plain")
    uses[owner](app)
    assert post(app, {}) == {"field": "value", "count": 1}
    assert name in calls


@pytest.mark.parametrize("made", [Flask, flask.Blueprint])
def test_a_wrapper_that_a_tool_puts_around_views(made: Any, monkeypatch: Any) -> None:
    """By replacing `route`, as Sentry's SDK does; several rules may have one view."""
    original, wrapped = SansioScaffold.route, []

    def route(self: Any, rule: str, **options: Any) -> Any:
        decorate = original(self, rule, **options)

        def decorator(func: Any) -> Any:
            @functools.wraps(func)
            def wrapper(*args: Any, **kwargs: Any) -> Any:
                wrapped.append(func.__name__)
                return func(*args, **kwargs)

            return decorate(wrapper)

        return decorator

    monkeypatch.setattr(SansioScaffold, "route", route)
    scaffold = made("made", __name__) if made is flask.Blueprint else made(__name__)

    @scaffold.get("/one")
    @scaffold.route("/two", methods=["GET"])
    def view() -> str:
        return request.path

    app = scaffold
    if made is flask.Blueprint:
        app = Flask(__name__)
        app.register_blueprint(scaffold)
    assert [run(fetch(app, path)).text for path in ("/one", "/two")] == ["/one", "/two"]
    assert wrapped == ["view", "view"]
