"""Subclasses and extensions replace what an application does, with plain functions as for Flask.

Each replacement calls the original, whose async parts it thereby waits for, and counts over ASGI,
in both places, and over WSGI.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import threading
import types
from collections.abc import Callable
from typing import Any
from unittest import mock

import flask.json.provider
import flask.sessions
import flask.testing
import pytest
import werkzeug.routing
from flask import g, request, session
from werkzeug.exceptions import HTTPException

from quart import Quart
from quart._flask import HAS_ONE_CONTEXT, STAGES_WITH_CONTEXT
from quart_flask_patch import genuine
from quart_flask_patch.app import Flask

from ._asgi import fetch, run

#: Each step of Flask's, and the URL for which Flask calls it.
STEPS = {
    "create_url_adapter": "/view",
    "dispatch_request": "/view",
    "do_teardown_appcontext": "/view",
    "do_teardown_request": "/view",
    "finalize_request": "/view",
    "full_dispatch_request": "/view",
    "handle_exception": "/error",
    "handle_http_exception": "/missing",
    "handle_user_exception": "/error",
    "log_exception": "/error",
    "make_response": "/view",
    "preprocess_request": "/view",
    "process_response": "/view",
    "raise_routing_exception": "/missing",
    "update_template_context": "/page",
}
#: What Flask calls more than once: for the request, and for its application's context.
TIMES = {"create_url_adapter": 1 if HAS_ONE_CONTEXT else 2}


class Get:
    """Gets a URL of an application, through the entry in question."""

    def __init__(self, entry: str, kind: str, place: str) -> None:
        self.entry, self.kind, self.place = entry, kind, place

    def __call__(self, app: Any, path: str) -> tuple[int, str]:
        if self.entry == "wsgi":
            answer = app.test_client().get(path)
            return answer.status_code, answer.text
        exchange = run(fetch(app, path))
        return exchange.status, exchange.text

    def fill(self, app: Any) -> Any:
        """Give *app* views and hooks of the kind in question, and return it."""
        app.secret_key = "secret"
        app.config.update(SYNC_PLACE=self.place, PROPAGATE_EXCEPTIONS=False)

        async def hook(value: Any = None) -> Any:
            await asyncio.sleep(0)
            g.hook = "hook"
            return value

        app.before_request(hook)
        app.after_request(hook)
        app.teardown_request(hook)
        app.teardown_appcontext(hook)
        app.errorhandler(404)(hook)
        for name in ("view", "error", "page"):
            app.add_url_rule(f"/{name}", name, VIEWS[self.kind, name])
        return app


#: Through each entry, and with views of each kind.
GETS = {
    "plain": Get("asgi", "sync", "thread"),
    "async": Get("asgi", "async", "thread"),
    "wsgi": Get("wsgi", "sync", "thread"),
}


def view() -> str:
    return str(g.hook)


def error() -> str:
    raise ValueError("of the view")


def page() -> str:
    return flask.render_template_string("{{ g.hook }}{{ request.path }}")


def as_async(func: Callable[[], str]) -> Callable[[], Any]:
    async def async_view() -> str:
        await asyncio.sleep(0)
        return func()

    return async_view


VIEWS = {
    (kind, func.__name__): as_async(func) if kind == "async" else func
    for kind in ("sync", "async")
    for func in (view, error, page)
}
WAYS = [
    ("asgi", "sync", "thread"),
    ("asgi", "sync", "loop"),
    ("asgi", "async", "thread"),
    ("wsgi", "sync", "thread"),
    ("wsgi", "async", "thread"),
]


@pytest.fixture(params=WAYS, ids="-".join)
def get(request: pytest.FixtureRequest) -> Get:
    return Get(*request.param)


def recording(name: str, original: Callable[..., Any], calls: list[str]) -> Callable[..., Any]:
    """A plain function in the place of *original*, a bound method of an application."""
    signature = inspect.signature(getattr(genuine.Flask, name))
    if name in STAGES_WITH_CONTEXT:
        # Without that, which a step that does not name it is not given.
        named = signature.parameters.values()
        signature = signature.replace(parameters=[p for p in named if p.name != "ctx"])

    def replacement(*args: Any, **kwargs: Any) -> Any:
        # What it is called with must be what Flask would call it with.
        signature.bind(None, *args, **kwargs)
        calls.append(name)
        return original(*args, **kwargs)

    return replacement


@pytest.mark.parametrize(("name", "path"), STEPS.items())
def test_a_subclass_replaces_a_step(name: str, path: str, get: Get) -> None:
    expected = get(get.fill(Flask(__name__)), path)
    calls: list[str] = []

    class Mine(Flask):
        pass

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        original = getattr(super(Mine, self), name)
        return recording(name, original, calls)(*args, **kwargs)

    setattr(Mine, name, method)
    app = get.fill(Mine(__name__))
    calls.clear()
    assert get(app, path) == expected
    assert name in calls


@pytest.mark.parametrize("served", [False, True], ids=["before", "after"])
@pytest.mark.parametrize(("name", "path"), STEPS.items())
def test_an_extension_replaces_a_step(name: str, path: str, get: Get, served: bool) -> None:
    """Before the application has answered a request, and after it."""
    app = get.fill(Flask(__name__))
    expected = get(get.fill(Flask(__name__)), path)
    if served:
        assert get(app, path) == expected
    calls: list[str] = []
    setattr(app, name, recording(name, getattr(app, name), calls))
    assert get(app, path) == expected
    assert calls == [name] * TIMES.get(name, 1)


def as_partial(func: Callable[..., Any], app: Any) -> Any:
    return functools.partial(func)


def as_method(func: Callable[..., Any], app: Any) -> Any:
    return types.MethodType(lambda self, *args, **kwargs: func(*args, **kwargs), app)


def as_object(func: Callable[..., Any], app: Any) -> Any:
    class Replacement:
        def __call__(self, *args: Any, **kwargs: Any) -> Any:
            return func(*args, **kwargs)

    return Replacement()


@pytest.mark.parametrize("form", [as_partial, as_method, as_object])
@pytest.mark.parametrize("name", ["handle_exception", "handle_user_exception", "make_response"])
def test_a_replacement_may_be_any_callable(name: str, form: Callable[..., Any], get: Get) -> None:
    """As Flask-RESTful, for one, puts a partial of a method of its own there."""
    expected = get(get.fill(Flask(__name__)), "/error")
    app = get.fill(Flask(__name__))
    calls: list[str] = []
    setattr(app, name, form(recording(name, getattr(app, name), calls), app))
    assert get(app, "/error") == expected
    assert calls == [name]


def test_several_extensions_wrap_the_same_step(get: Get) -> None:
    app = get.fill(Flask(__name__))
    calls: list[str] = []
    for _ in range(3):
        app.dispatch_request = recording("dispatch_request", app.dispatch_request, calls)
    assert get(app, "/view") == (200, "hook")
    assert len(calls) == 3


def test_a_replacement_may_be_taken_back(get: Get) -> None:
    app = get.fill(Flask(__name__))
    app.dispatch_request = lambda: "replaced"
    assert get(app, "/view") == (200, "replaced")
    del app.dispatch_request
    assert get(app, "/view") == (200, "hook")
    with mock.patch.object(Flask, "dispatch_request", return_value="patched"):
        assert get(get.fill(Flask(__name__)), "/view") == (200, "patched")
    assert get(app, "/view") == (200, "hook")


@pytest.mark.parametrize("name", STAGES_WITH_CONTEXT)
def test_a_replacement_may_have_the_context_first(name: str, get: Get) -> None:
    seen = []

    def step(self: Any, ctx: Any, *args: Any) -> Any:
        seen.append(ctx)
        assert ctx.app is self
        assert ctx.request.path == path
        return getattr(Flask, name)(self, ctx, *args)

    app = get.fill(type("App", (Flask,), {name: step})("app"))
    path = STEPS.get(name, "/view")

    if name in STEPS:
        get(app, path)
    else:
        assert run(fetch(app, path, method="OPTIONS")).status == 200
    assert seen
    assert all(isinstance(ctx, genuine.RequestContext) for ctx in seen)


def test_what_a_replacement_returns_is_what_counts(get: Get) -> None:
    class Mine(Flask):
        def preprocess_request(self) -> Any:
            result = super().preprocess_request()
            return result if request.path != "/refused" else ("refused", 403)

        def dispatch_request(self) -> Any:
            return f"<{super().dispatch_request()}>"

        def make_response(self, rv: Any) -> Any:
            response = super().make_response(rv)
            response.headers["X-Made"] = "yes"
            return response

        def process_response(self, response: Any) -> Any:
            response = super().process_response(response)
            if response.status_code == 200:
                text = response.get_data(as_text=True).upper()
                response.set_data(text + response.headers["X-Made"])
            return response

        def handle_user_exception(self, e: Exception) -> Any:
            if isinstance(e, ValueError):
                return f"handled: {e}", 418
            return super().handle_user_exception(e)

    app = get.fill(Mine(__name__))
    app.add_url_rule("/refused", "refused", VIEWS[get.kind, "view"])
    assert get(app, "/view") == (200, "<HOOK>yes")
    assert get(app, "/error") == (418, "handled: of the view")
    assert get(app, "/refused") == (403, "refused")


def test_a_replacement_of_handle_exception_answers(get: Get) -> None:
    app = get.fill(Flask(__name__))
    app.handle_exception = lambda e: app.make_response((f"caught {e}", 503))
    assert get(app, "/error") == (503, "caught of the view")


def test_a_replacement_of_full_dispatch_request_may_do_without_the_original(get: Get) -> None:
    app = get.fill(Flask(__name__))
    app.full_dispatch_request = lambda: app.response_class(f"maintenance of {request.path}", 503)
    assert get(app, "/view") == (503, "maintenance of /view")


def test_a_replacement_that_raises_is_an_error_of_the_request(get: Get) -> None:
    app = get.fill(Flask(__name__))

    def dispatch_request() -> Any:
        flask.abort(409)

    app.dispatch_request = dispatch_request
    assert get(app, "/view")[0] == 409


# --- Classes of the application ------------------------------------------------------------------


class MyRequest(flask.Request):
    @property
    def shout(self) -> str:
        return self.path.upper()


class MyResponse(flask.Response):
    default_mimetype = "text/x-mine"


class MySessions(flask.sessions.SecureCookieSessionInterface):
    opened: list[str]
    saved: list[str]

    def __init__(self) -> None:
        self.opened, self.saved = [], []

    def open_session(self, app: Any, request: Any) -> Any:
        self.opened.append(request.path)
        return super().open_session(app, request)

    def save_session(self, app: Any, session: Any, response: Any) -> None:
        self.saved.append(request.path)
        super().save_session(app, session, response)


class MyJSON(flask.json.provider.DefaultJSONProvider):
    def dumps(self, obj: Any, **kwargs: Any) -> str:
        return super().dumps({"mine": obj}, **kwargs)


class MyRule(werkzeug.routing.Rule):
    pass


class MyEnvironment(flask.templating.Environment):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.globals["mine"] = "of my environment"


class MyClient(flask.testing.FlaskClient):
    def open(self, *args: Any, **kwargs: Any) -> Any:
        kwargs.setdefault("headers", {"X-Client": "mine"})
        return super().open(*args, **kwargs)


@pytest.fixture(params=["subclass", "instance"])
def app_with(request: pytest.FixtureRequest, get: Get) -> Callable[..., Any]:
    """Makes an application with attributes replaced, in its class or on the object."""

    def make(**attributes: Any) -> Any:
        if request.param == "subclass":
            return get.fill(type("Mine", (Flask,), attributes)(__name__))
        app = get.fill(Flask(__name__))
        for name, value in attributes.items():
            setattr(app, name, value)
        return app

    return make


def add(app: Any, get: Get, func: Callable[[], Any]) -> None:
    app.add_url_rule("/added", "added", as_async(func) if get.kind == "async" else func)


def test_the_request_class(app_with: Callable[..., Any], get: Get) -> None:
    app = app_with(request_class=MyRequest)
    add(app, get, lambda: request.shout)
    assert get(app, "/added") == (200, "/ADDED")


def test_the_response_class(app_with: Callable[..., Any], get: Get) -> None:
    app = app_with(response_class=MyResponse)
    seen: list[Any] = []

    @app.after_request
    def look(response: Any) -> Any:
        seen.append((type(response), response.mimetype))
        return response

    assert get(app, "/view") == (200, "hook")
    assert seen == [(MyResponse, "text/x-mine")]


def test_the_session_interface(app_with: Callable[..., Any], get: Get) -> None:
    sessions = MySessions()
    app = app_with(session_interface=sessions)
    add(app, get, lambda: session.setdefault("value", "set"))
    assert get(app, "/added") == (200, "set")
    assert (sessions.opened, sessions.saved) == (["/added"], ["/added"])


def test_the_json_provider(app_with: Callable[..., Any], get: Get) -> None:
    app = app_with(json_provider_class=MyJSON)
    # Flask makes it in its constructor, so an extension sets the provider itself.
    app.json = app.json_provider_class(app)
    add(app, get, lambda: {"a": 1})
    status, text = get(app, "/added")
    assert (status, app.json.loads(text)) == (200, {"mine": {"a": 1}})


def test_the_url_rule_class(app_with: Callable[..., Any], get: Get) -> None:
    app = app_with(url_rule_class=MyRule)
    add(app, get, lambda: type(request.url_rule).__name__)
    assert get(app, "/added") == (200, "MyRule")


def test_the_jinja_environment(app_with: Callable[..., Any], get: Get) -> None:
    app = app_with(jinja_environment=MyEnvironment)
    add(app, get, lambda: flask.render_template_string("{{ mine }}"))
    assert get(app, "/added") == (200, "of my environment")
    assert type(app.jinja_env) is MyEnvironment


@pytest.mark.parametrize("get", WAYS[3:], ids="-".join, indirect=True)
def test_the_client_class(app_with: Callable[..., Any], get: Get) -> None:
    app = app_with(test_client_class=MyClient)
    add(app, get, lambda: request.headers["X-Client"])
    assert get(app, "/added") == (200, "mine")


# --- wsgi_app ------------------------------------------------------------------------------------


class Middleware:
    """Sees each request, changes its environ, and adds a header."""

    def __init__(self, wsgi_app: Any) -> None:
        self.wsgi_app = wsgi_app
        self.seen: list[str] = []

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        self.seen.append(environ["PATH_INFO"])
        environ["mine"] = "of the middleware"
        return self.wsgi_app(environ, start_response)


def of_environ() -> str:
    return str(request.environ["mine"])


def test_an_extension_wraps_wsgi_app(get: Get) -> None:
    app = get.fill(Flask(__name__))
    add(app, get, of_environ)
    middleware = app.wsgi_app = Middleware(app.wsgi_app)
    assert get(app, "/added") == (200, "of the middleware")
    assert middleware.seen == ["/added"]


def test_a_subclass_replaces_wsgi_app(get: Get) -> None:
    seen: list[str] = []

    class Mine(Flask):
        def wsgi_app(self, environ: dict[str, Any], start_response: Any) -> Any:
            seen.append(environ["PATH_INFO"])
            environ["mine"] = "of the subclass"
            return super().wsgi_app(environ, start_response)

    app = get.fill(Mine(__name__))
    add(app, get, of_environ)
    assert get(app, "/added") == (200, "of the subclass")
    assert seen == ["/added"]


# --- Around all of it ----------------------------------------------------------------------------


def as_async_method(func: Callable[..., Any]) -> Callable[..., Any]:
    async def method(*args: Any) -> Any:
        return await func(*args)

    return method


@pytest.mark.parametrize("kind", ["plain", "async"])
@pytest.mark.parametrize("base", [Flask, Quart])
def test_a_subclass_replaces_handle_request(base: Any, kind: str, place: str) -> None:
    """What runs where stays as it is, and the connection has one context, which is released."""
    seen: list[Any] = []

    def handle_request(self: Any, request: Any) -> Any:
        seen.append(request.path)
        return base.handle_request(self, request)

    mine = as_async_method(handle_request) if kind == "async" else handle_request
    app: Quart = type("Mine", (base,), {"handle_request": mine})(__name__)
    app.config["SYNC_PLACE"] = place

    @app.get("/<int:number>")
    def view(number: int) -> Any:
        def chunks() -> Any:
            yield str(threading.get_ident())

        g.thread = threading.get_ident()
        return chunks(), {"X-Thread": str(g.thread)}

    @app.get("/async")
    async def async_view() -> Any:
        await asyncio.sleep(0)
        return str(threading.get_ident())

    @app.teardown_request
    def teardown(error: Any) -> None:
        seen.append(g.get("thread", "async") == threading.get_ident())

    exchange = run(fetch(app, "/1"))
    assert exchange.text == exchange.headers["x-thread"]
    assert (exchange.headers["x-thread"] == str(threading.get_ident())) == (place == "loop")
    assert run(fetch(app, "/async")).text == str(threading.get_ident())
    assert seen == ["/1", True, "/async", False]


@pytest.mark.parametrize("view", ["sync", "async"])
def test_an_error_that_makes_its_response_of_the_environ(app: Flask, view: str) -> None:
    class Moved(HTTPException):
        code = 303

        def get_response(self, environ: Any, scope: Any = None) -> Any:  # type: ignore[override]  # as extensions have it
            return flask.redirect(environ["SCRIPT_NAME"] + "/elsewhere", 303)

    def raising() -> Any:
        raise Moved

    app.add_url_rule("/", "view", raising if view == "sync" else as_async(raising))
    exchange = run(fetch(app, "/"))
    assert (exchange.status, exchange.headers["location"]) == (303, "/elsewhere")


@pytest.mark.parametrize("name", ["ensure_sync", "async_to_sync"])
def test_a_subclass_says_how_functions_are_called(name: str, get: Get) -> None:
    called: list[str] = []

    class Mine(Flask):
        pass

    def method(self: Any, func: Callable[..., Any]) -> Any:
        called.append(func.__name__)
        return getattr(super(Mine, self), name)(func)

    setattr(Mine, name, method)
    app = get.fill(Mine(__name__))
    called.clear()
    assert get(app, "/view") == (200, "hook")
    hooks, view = called.count("hook"), VIEWS[get.kind, "view"].__name__
    assert hooks == 4
    assert called.count(view) == (name == "ensure_sync" or get.kind == "async")


# --- URL adapters --------------------------------------------------------------------------------


class Adapting(Flask):
    """Notes the path that each adapter is made for; None is for the application's context."""

    def __init__(self) -> None:
        self.paths: list[str | None] = []
        super().__init__("app")

    def create_url_adapter(self, request: Any) -> Any:
        self.paths.append(None if request is None else request.path)
        if request is None and not HAS_ONE_CONTEXT:
            return self.url_map.bind("other.example", url_scheme="https")
        return super().create_url_adapter(request)


@pytest.fixture
def adapting(get: Get) -> Adapting:
    app: Adapting = get.fill(Adapting())
    app.paths.clear()
    return app


@pytest.mark.skipif(HAS_ONE_CONTEXT, reason="Flask 3.2 makes one adapter for both")
@pytest.mark.parametrize("path", ["/view", "/nowhere"])
def test_an_adapter_is_made_for_the_request_and_the_application(
    path: str, adapting: Adapting, get: Get
) -> None:
    get(adapting, path)
    assert adapting.paths == [path, None]


@pytest.mark.skipif(HAS_ONE_CONTEXT, reason="Flask 3.2 makes one adapter for both")
def test_an_adapter_is_made_for_contexts_within(adapting: Adapting, get: Get) -> None:
    def nested() -> str:
        with adapting.test_request_context("/of a test"):
            pass
        with adapting.app_context():
            return flask.url_for("view")

    adapting.add_url_rule("/nested", "nested", as_async(nested) if get.kind == "async" else nested)
    # The request's own adapter is still the one that builds URLs.
    assert get(adapting, "/nested") == (200, "/view")
    assert adapting.paths == ["/nested", None, "/of a test", None]


@pytest.mark.skipif(HAS_ONE_CONTEXT, reason="the request is there until the end")
def test_urls_in_teardown_functions(adapting: Adapting, get: Get) -> None:
    built = []
    adapting.teardown_request(lambda error: built.append(flask.url_for("view")))
    adapting.teardown_appcontext(lambda error: built.append(flask.url_for("view")))
    get(adapting, "/view")
    assert built == ["/view", "https://other.example/view"]


@pytest.mark.skipif(HAS_ONE_CONTEXT, reason="the request is there until the end")
@pytest.mark.parametrize("name", [None, "localhost"])
def test_urls_of_the_application_alone(name: str | None, get: Get) -> None:
    built: list[str] = []

    def build(error: Any) -> None:
        try:
            built.append(flask.url_for("view"))
        except RuntimeError:
            built.append("no SERVER_NAME")

    app = get.fill(Flask(__name__))
    app.config["SERVER_NAME"] = name
    app.teardown_appcontext(build)
    get(app, "/view")
    assert built == ["no SERVER_NAME" if name is None else "http://localhost/view"]
