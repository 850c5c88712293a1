"""Flask 3.1 has a stack of application contexts and one of requests; an application sees both.

The core has one kind of context. What is asserted here is what genuine Flask 3.1 does.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextvars import copy_context
from typing import Any

import pytest
from flask import (
    after_this_request,
    appcontext_popped,
    appcontext_pushed,
    Blueprint,
    copy_current_request_context,
    current_app,
    flash,
    Flask,
    g,
    get_flashed_messages,
    has_app_context,
    has_request_context,
    redirect,
    render_template_string,
    request,
    Response,
    session,
    stream_with_context,
    url_for,
)
from flask.globals import app_ctx, request_ctx
from werkzeug.exceptions import NotFound

import quart

Look = Callable[[], Any]

#: What can be asked within an application context that was pushed in a request of its application.
LOOKS: dict[str, tuple[Look, Any]] = {
    "has_request_context": (has_request_context, True),
    "quart.has_request_context": (quart.has_request_context, True),
    "request": (lambda: request.path, "/view"),
    "quart.request": (lambda: quart.request.path, "/view"),
    "session": (lambda: session["a"], 1),
    "quart.session": (lambda: quart.session["a"], 1),
    "url_for": (lambda: url_for("view"), "/view"),
    "url_for, external": (lambda: url_for("view", _external=True), "http://localhost/view"),
    "current_app.url_for": (lambda: current_app.url_for("view"), "/view"),
    "quart.url_for": (lambda: quart.url_for("view"), "/view"),
    "relative endpoint": (lambda: url_for(".view"), "/view"),
    "redirect": (lambda: redirect(url_for("view")).location, "/view"),
    "template": (lambda: render_template_string("{{ request.path }}"), "/view"),
    "url_for in a template": (lambda: render_template_string("{{ url_for('view') }}"), "/view"),
    "g": (lambda: g.get("of_the_view"), None),
    "app_ctx": (lambda: app_ctx.g is g._get_current_object(), True),
    "request_ctx": (lambda: request_ctx.request.path, "/view"),
    "flash": (lambda: (flash("said"), get_flashed_messages())[1], ["said"]),
}


@pytest.fixture(params=["client", "test_request_context", "thread", "loop", "async"])
def within_a_request(request: pytest.FixtureRequest, app: Flask) -> Callable[[Look], Any]:
    """Return what calls a function in a request for `/view`, however that came."""
    from ._asgi import fetch, run

    def call(look: Look) -> Any:
        found: list[Any] = []

        def view() -> str:
            session["a"] = 1
            g.of_the_view = True
            found.append(look())
            return ""

        async def async_view() -> str:
            await asyncio.sleep(0)
            return view()

        app.add_url_rule("/view", "view", async_view if request.param == "async" else view)
        if request.param == "client":
            assert app.test_client().get("/view").status_code == 200
        elif request.param == "test_request_context":
            with app.test_request_context("/view"):
                view()
        else:
            app.config["SYNC_PLACE"] = "thread" if request.param == "thread" else "loop"
            assert run(fetch(app, "/view")).status == 200
        (value,) = found
        return value

    return call


@pytest.mark.parametrize("name", LOOKS)
def test_an_application_context_in_a_request_hides_nothing_of_the_request(
    within_a_request: Callable[[Look], object], app: Flask, name: str
) -> None:
    look, expected = LOOKS[name]

    def view() -> Any:
        with app.app_context():
            return look()

    assert within_a_request(view) == expected


def test_a_blueprints_relative_endpoint_there(app: Flask) -> None:
    blueprint = Blueprint("pages", __name__)

    @blueprint.get("/first")
    def first() -> str:
        with current_app.app_context():
            return url_for(".second")

    blueprint.add_url_rule("/second", "second", lambda: "")
    app.register_blueprint(blueprint)
    assert app.test_client().get("/first").text == "/second"


def test_functions_for_this_request_can_be_added_there(app: Flask) -> None:
    @app.get("/")
    def view() -> Any:
        with app.app_context():

            @after_this_request
            def mark(response: Any) -> Any:
                response.headers["X-Marked"] = request.path
                return response

            path = copy_current_request_context(lambda: request.path)
            stream = stream_with_context(request.path for _ in range(1))
        return app.response_class([path(), *stream])

    response = app.test_client().get("/")
    assert (response.text, response.headers["X-Marked"]) == ("//", "/")


#: Methods of an application that are about the current request, and what they give there.
STAGES: dict[str, tuple[Callable[[Flask], object], object]] = {
    "preprocess_request": (lambda app: app.preprocess_request(), "before /view"),
    "dispatch_request": (lambda app: app.dispatch_request(), "view"),
    "full_dispatch_request": (lambda app: app.full_dispatch_request().data, b"before /view"),
    "finalize_request": (lambda app: app.finalize_request("a").data, b"a"),
    "process_response": (lambda app: app.process_response(app.make_response("a")).data, b"a"),
    "make_default_options_response": (
        lambda app: sorted(app.make_default_options_response().allow),
        ["GET", "HEAD", "OPTIONS"],
    ),
    "handle_http_exception": (lambda app: app.handle_http_exception(NotFound()), "none at /view"),
    "handle_user_exception": (lambda app: app.handle_user_exception(NotFound()), "none at /view"),
    "handle_exception": (lambda app: app.handle_exception(KeyError()).status_code, 500),
}


@pytest.mark.parametrize("method", STAGES)
def test_methods_of_the_application_find_the_request(app: Flask, method: str) -> None:
    call, expected = STAGES[method]
    blueprint = Blueprint("pages", __name__)
    blueprint.before_request(lambda: f"before {request.path}")
    blueprint.add_url_rule("/view", view_func=lambda: "view", endpoint="view")
    blueprint.register_error_handler(404, lambda error: f"none at {request.path}")
    app.register_blueprint(blueprint)
    with app.test_request_context("/view"), app.app_context():
        assert call(app) == expected


def test_an_error_is_logged_with_the_request(app: Flask, caplog: pytest.LogCaptureFixture) -> None:
    with app.test_request_context("/view"), app.app_context():
        app.log_exception((KeyError, KeyError(), None))
    assert "Exception on /view [GET]" in caplog.text


def test_the_request_is_gone_after_it_though_a_context_goes_on(app: Flask) -> None:
    with app.app_context():
        with app.test_request_context("/"):
            assert has_request_context()
        assert not has_request_context()
        assert not quart.has_request_context()


# --- Leaving in another order --------------------------------------------------------------------


def test_a_client_and_an_application_context_in_one_with(app: Flask) -> None:
    torn_down = []
    app.teardown_appcontext(lambda error: torn_down.append(has_request_context()))
    app.add_url_rule("/", view_func=lambda: "ok")

    with app.test_client() as client, app.app_context():
        client.get("/?a=1")
        assert request.args["a"] == "1"
    assert not has_app_context()
    assert not has_request_context()
    assert torn_down == [True]  # Flask's client lets go of the request after that.


@pytest.mark.parametrize("requests", [1, 3])
def test_an_application_context_is_left_before_requests_within_it(
    app: Flask, requests: int
) -> None:
    outer = app.app_context()
    outer.push()
    inner = [app.test_request_context(f"/{number}") for number in range(requests)]
    for context in inner:
        context.push()
    outer.pop()
    assert request.path == f"/{requests - 1}"
    for context in reversed(inner):
        context.pop()
    assert not has_app_context()
    assert not quart.has_app_context()


def test_a_request_is_left_before_an_application_context_within_it(app: Flask) -> None:
    with app.app_context():
        around = g._get_current_object()
        context, inner = app.test_request_context("/"), app.app_context()
        context.push()
        inner.push()
        context.pop()
        assert not has_request_context()
        assert not quart.has_request_context()
        assert g._get_current_object() is not around
        inner.pop()
        assert g._get_current_object() is around
        assert quart.g._get_current_object() is around
    assert not quart.has_app_context()


@pytest.mark.parametrize("first", ["test_request_context", "app_context"])
def test_each_stack_is_left_in_its_order(app: Flask, first: str) -> None:
    """A request that brought its application context with it is of both stacks."""

    def leave() -> None:
        outer = app.app_context() if first == "app_context" else app.test_request_context("/")
        inner = app.app_context()
        outer.push()
        inner.push()
        for context in (outer, inner):
            with pytest.raises(AssertionError, match="Expected to pop"):
                context.pop()

    # What is left behind by that is nobody's afterwards.
    copy_context().run(leave)


@pytest.mark.parametrize("around", ["app_context", "test_request_context"])
@pytest.mark.parametrize("depth", [1, 2])
def test_a_client_that_keeps_a_streams_request(app: Flask, around: str, depth: int) -> None:
    """The stream leaves what it has entered, and the client what it keeps, each in its order."""
    seen: list[tuple[str, str]] = []

    def call(path: str) -> str:
        with app.test_client() as client:
            for number in range(2):
                text = client.get(f"{path}?{number}").text
                seen.append((text, request.full_path))
        return text

    @app.get("/outer")
    def outer() -> str:
        text = call("/stream")
        seen.append(("outer", request.path))
        return text

    @app.get("/stream")
    def stream() -> Response:
        return app.response_class(stream_with_context(request.path for _ in range(2)))

    with getattr(app, around)():
        call("/stream" if depth == 1 else "/outer")
        assert has_request_context() is (around == "test_request_context")
        assert not has_request_context() or request.path == "/"
    assert not has_app_context()
    assert not quart.has_app_context()
    inner = [("/stream/stream", f"/stream?{number}") for number in range(2)]
    if depth == 1:
        assert seen == inner
    else:
        ends = [("/stream/stream", f"/outer?{number}") for number in range(2)]
        assert seen == [*inner, ("outer", "/outer"), ends[0], *inner, ("outer", "/outer"), ends[1]]


def test_a_copied_request_has_its_own_functions_for_after_it(app: Flask) -> None:
    @app.get("/")
    def view() -> str:
        flash("said")
        get_flashed_messages()

        @copy_current_request_context
        def work() -> list[str]:
            after_this_request(lambda response: pytest.fail("This is of the copy."))
            flash("said there")
            return get_flashed_messages()

        return ", ".join(work())

    assert app.test_client().get("/").text == "said there"


# --- Signals -------------------------------------------------------------------------------------


def test_the_application_contexts_signals_are_sent_without_a_request(
    within_a_request: Callable[[Look], object], app: Flask
) -> None:
    seen: list[tuple[str, bool, bool]] = []

    def look(name: str) -> Callable[..., None]:
        def receive(sender: Flask, **values: object) -> None:
            asked = has_request_context(), quart.has_request_context()
            assert asked[0] is asked[1]
            seen.append((name, asked[0], has_app_context()))

        return receive

    pushed, popped = look("pushed"), look("popped")
    with (
        appcontext_pushed.connected_to(pushed, app),
        appcontext_popped.connected_to(popped, app),
    ):
        within_a_request(lambda: seen.append(("view", has_request_context(), True)))
    assert seen == [("pushed", False, True), ("view", True, True), ("popped", False, False)]


def test_a_stream_sends_them_in_pairs(app: Flask) -> None:
    seen: list[str] = []

    @app.get("/")
    def view() -> Response:
        return app.response_class(stream_with_context(request.path for _ in range(2)))

    def pushed(sender: Flask, **values: object) -> None:
        seen.append("pushed")

    def popped(sender: Flask, **values: object) -> None:
        seen.append("popped")

    with appcontext_pushed.connected_to(pushed), appcontext_popped.connected_to(popped):
        assert app.test_client().get("/").text == "//"
    assert seen == ["pushed", "popped", "pushed", "popped"]


# --- Teardown ------------------------------------------------------------------------------------


@pytest.mark.parametrize("asked", [has_request_context, quart.has_request_context])
def test_what_tears_down_an_application_context_sees_no_request(
    within_a_request: Callable[[Look], object], app: Flask, asked: Callable[[], bool]
) -> None:
    seen: dict[str, Any] = {}

    @app.teardown_request
    def of_the_request(error: Any) -> None:
        seen["request"] = asked(), has_app_context(), g.get("of_the_view")

    @app.teardown_appcontext
    def of_the_application(error: Any) -> None:
        seen["appcontext"] = asked(), has_app_context(), g.get("of_the_view")
        with pytest.raises(RuntimeError):
            request.path  # noqa: B018

    within_a_request(lambda: None)
    assert seen == {"request": (True, True, True), "appcontext": (False, True, True)}


@pytest.mark.parametrize("method", ["do_teardown_request", "do_teardown_appcontext"])
def test_teardown_can_be_asked_for_without_an_error(app: Flask, method: str) -> None:
    seen: list[Any] = []
    app.teardown_request(seen.append)
    app.teardown_appcontext(seen.append)
    with app.test_request_context("/"):
        getattr(app, method)()
        assert seen == [None]
        error = ValueError("mine")
        try:
            raise error
        except ValueError:
            getattr(app, method)()
        assert seen == [None, error]
        getattr(app, method)(None)
        assert seen == [None, error, None]
