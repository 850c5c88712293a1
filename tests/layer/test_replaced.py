"""Everything public of an application may be replaced by the plain object of Flask or Werkzeug.

On one application, before its first request and after it, or on a class of applications.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import flask
import flask.cli
import flask.config
import flask.ctx
import flask.json.provider
import flask.sessions
import flask.templating
import jinja2
import pytest
import werkzeug.exceptions
import werkzeug.routing
import werkzeug.wrappers
from click.testing import CliRunner
from flask import g, session
from flask.testing import FlaskClient, FlaskCliRunner

import quart
from quart import Quart
from quart_flask_patch.app import Flask

from ._asgi import fetch, run


class Aborter(werkzeug.exceptions.Aborter):
    pass


class Globals:
    """No more than an object with attributes, as Flask asks of it."""


def templates(app: Any) -> Any:
    environment = jinja2.Environment(autoescape=True)
    environment.globals["url_for"] = app.url_for
    return environment


def logger(app: Any) -> logging.Logger:
    return logging.getLogger("replaced")


#: What is put on one application.
ON_AN_APPLICATION: dict[str, Callable[[Any], Any]] = {
    "aborter": lambda app: Aborter(),
    "after_request_funcs": lambda app: dict(app.after_request_funcs),
    "app_ctx_globals_class": lambda app: flask.ctx._AppCtxGlobals,
    "asgi_app": lambda app: app.asgi_app,
    "before_request_funcs": lambda app: dict(app.before_request_funcs),
    "blueprints": lambda app: dict(app.blueprints),
    "cli": lambda app: flask.cli.AppGroup("replaced"),
    "config": lambda app: flask.config.Config(app.root_path, dict(app.config)),
    "error_handler_spec": lambda app: app.error_handler_spec,
    "jinja_env": templates,
    "jinja_environment": lambda app: flask.templating.Environment,
    "jinja_options": lambda app: {"trim_blocks": True},
    "json": flask.json.provider.DefaultJSONProvider,
    "logger": logger,
    "session_interface": lambda app: flask.sessions.SecureCookieSessionInterface(),
    "teardown_appcontext_funcs": lambda app: list(app.teardown_appcontext_funcs),
    "teardown_request_funcs": lambda app: defaultdict(list, app.teardown_request_funcs),
    "template_context_processors": lambda app: dict(app.template_context_processors),
    "url_build_error_handlers": lambda app: [],
    "url_default_functions": lambda app: dict(app.url_default_functions),
    "url_value_preprocessors": lambda app: {},
    "view_functions": lambda app: dict(app.view_functions),
}
OF_FLASKS = {
    "request_class": lambda app: flask.Request,
    "response_class": lambda app: werkzeug.wrappers.Response,
    "test_cli_runner_class": lambda app: FlaskCliRunner,
    "test_client_class": lambda app: FlaskClient,
    "wsgi_app": lambda app: app.wsgi_app,
}
#: What is put on a class of applications, which use it when they are made.
ON_A_CLASS: dict[str, Any] = {
    "aborter_class": Aborter,
    "app_ctx_globals_class": flask.ctx._AppCtxGlobals,
    "config_class": flask.config.Config,
    "jinja_environment": flask.templating.Environment,
    "jinja_options": {"trim_blocks": True},
    "json_provider_class": flask.json.provider.DefaultJSONProvider,
    "session_interface": flask.sessions.SecureCookieSessionInterface(),
    "url_map_class": werkzeug.routing.Map,
    "url_rule_class": werkzeug.routing.Rule,
}


def filled(app: Any) -> Any:
    app.secret_key = "secret"

    @app.before_request
    def before() -> None:
        g.before = "before"

    @app.get("/page/<int:number>")
    async def page(number: int) -> Any:
        session["number"] = number
        text = "{{ url_for('page', number=1) }}"
        if issubclass(type(app), Flask):
            return flask.render_template_string(text)
        return await quart.render_template_string(text)

    @app.get("/json")
    def json() -> Any:
        return {"before": g.before}

    @app.get("/refused")
    def refused() -> Any:
        flask.abort(403)

    return app


def check(app: Any) -> None:
    page = run(fetch(app, "/page/7"))
    assert (page.status, page.text) == (200, "/page/1")
    assert page.headers["set-cookie"].startswith("session=")
    assert run(fetch(app, "/json")).json == {"before": "before"}
    assert run(fetch(app, "/refused")).status == 403
    assert run(fetch(app, "/missing")).status == 404
    if issubclass(type(app), Flask):
        client = app.test_client()
        assert client.get("/json").get_json() == {"before": "before"}
        assert client.get("/refused").status_code == 403
        runner = app.test_cli_runner()
        assert isinstance(runner, CliRunner)


@pytest.mark.parametrize("served", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("name", [*ON_AN_APPLICATION, *OF_FLASKS])
@pytest.mark.parametrize("cls", [Flask, Quart])
def test_on_an_application(cls: Any, name: str, served: bool) -> None:
    if cls is Quart and name in OF_FLASKS:
        pytest.skip("Quart's are async, or there is none")
    app = filled(cls(__name__))
    if served:
        check(app)
    value = {**ON_AN_APPLICATION, **OF_FLASKS}[name](app)
    setattr(app, name, value)
    check(app)
    if name not in {"json", "cli"} and not callable(value):
        assert getattr(app, name) == value


@pytest.mark.parametrize("name", ON_A_CLASS)
@pytest.mark.parametrize("cls", [Flask, Quart])
def test_on_a_class(cls: Any, name: str) -> None:
    app = filled(type("Mine", (cls,), {name: ON_A_CLASS[name]})(__name__))
    check(app)
    check(app)


@pytest.mark.parametrize("served", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("cls", [Flask, Quart])
def test_the_url_map(cls: Any, served: bool) -> None:
    app = filled(cls(__name__))
    if served:
        check(app)
    rules = [rule.empty() for rule in app.url_map.iter_rules()]
    app.url_map = werkzeug.routing.Map(rules)
    check(app)


@pytest.mark.parametrize("served", [False, True], ids=["before", "after"])
def test_a_method_of_the_url_map(served: bool) -> None:
    app = filled(Flask(__name__))
    if served:
        check(app)
    calls: list[str] = []
    original = app.url_map.bind_to_environ

    def replaced(*args: Any, **kwargs: Any) -> Any:
        calls.append("bound")
        return original(*args, **kwargs)

    app.url_map.bind_to_environ = replaced  # type: ignore[method-assign]  # what is asked
    assert run(fetch(app, "/json")).status == 200
    assert app.test_client().get("/json").status_code == 200
    assert calls == ["bound"] * 2


@pytest.mark.parametrize("name", ["asgi_app", "session_interface", "response_class"])
def test_on_the_class_after_the_first_request(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    app = filled(Flask(__name__))
    check(app)
    used: list[str] = []
    original = Flask.asgi_app

    async def asgi_app(self: Any, *args: Any) -> None:
        used.append(name)
        await original(self, *args)

    class Sessions(flask.sessions.SecureCookieSessionInterface):
        def open_session(self, *args: Any) -> Any:
            used.append(name)
            return super().open_session(*args)

    class Response(flask.Response):
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            used.append(name)
            super().__init__(*args, **kwargs)

    values = {"asgi_app": asgi_app, "session_interface": Sessions(), "response_class": Response}
    monkeypatch.setattr(Flask, name, values[name])
    check(app)
    assert used


@pytest.mark.parametrize("cls", [Flask, Quart])
def test_a_plain_method_for_errors_of_background_tasks(cls: Any) -> None:
    errors: list[Exception] = []

    class Mine(cls):  # type: ignore[misc, valid-type]  # a parameter
        def handle_background_exception(self, error: Exception) -> None:
            errors.append(error)

    app = Mine(__name__)

    async def fail() -> None:
        raise ValueError("in the background")

    @app.get("/")
    async def index() -> str:
        app.add_background_task(fail)
        return "started"

    async def main() -> None:
        assert (await fetch(app, "/")).text == "started"
        await app.shutdown()

    run(main())
    assert [str(error) for error in errors] == ["in the background"]
