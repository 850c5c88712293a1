"""The straight way beside the usual one, in Flask applications and in Quart's on the layer."""

from __future__ import annotations

import gc
from collections.abc import Callable
from typing import Any

import flask
import pytest
from blinker import Signal
from flask import after_this_request, g, request, session, signals
from flask.sansio.app import App
from flask.sessions import SessionMixin

import quart
from _patches import WAYS
from _straight import (
    Acting,
    Doing,
    Events,
    fail,
    forget_receivers,
    Making,
    RESULTS,
    seen,
    serve,
)
from quart.json.provider import DefaultJSONProvider
from quart_flask_patch.app import Flask

#: An application's class, and whether its view is async.
Kind = tuple[type[Flask] | type[quart.Quart], bool]
KINDS: dict[str, Kind] = {
    "thread": (Flask, False),
    "loop": (Flask, False),
    "async": (Flask, True),
    "quart": (quart.Quart, True),
    "quart, plain": (quart.Quart, False),
}


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Kind:
    if request.param == "loop":
        monkeypatch.setenv("QUART_SYNC_PLACE", "loop")
    return KINDS[request.param]


@pytest.fixture(autouse=True)
def no_receivers() -> None:
    forget_receivers()


def making(
    kind: Kind, result: Callable[[App], object], *doing: Doing, acts: bool = False, **config: object
) -> Making:
    """Return what makes an application whose view does something, then returns *result*.

    If what it returns *acts*, it does something while that is written as JSON.
    """
    cls, is_async = kind

    def make(events: Events) -> App:
        app = cls("straight")
        app.config.update(config)

        def act() -> None:
            for each in doing:
                each(app, events)

        def view() -> Any:
            if acts:
                return {"a": Acting(act)}
            act()
            return result(app)

        async def async_view() -> Any:
            return view()

        app.add_url_rule("/view", "view", async_view if is_async else view, methods=["GET", "POST"])
        return app

    return make


@pytest.mark.parametrize("result", RESULTS)
def test_each_result_is_answered_alike(kind: Kind, result: str) -> None:
    ours, usual = seen(making(kind, RESULTS[result]))
    assert ours == usual


@pytest.mark.parametrize("method", ["POST", "HEAD", "OPTIONS", "PUT"])
@pytest.mark.parametrize("result", ["text", "dict", "error"])
def test_each_method_is_answered_alike(kind: Kind, result: str, method: str) -> None:
    ours, usual = seen(making(kind, RESULTS[result]), method)
    assert ours == usual


def test_it_is_taken(kind: Kind, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*args: object, **kwargs: object) -> None:
        raise AssertionError("a response was made")

    app = making(kind, RESULTS["text"])([])
    monkeypatch.setattr("quart._handling.pipeline.finalize", never)
    assert serve(app, "GET").text == "text"


def noting(what: str) -> Any:
    """Return a receiver or hook that notes *what*, and returns what it was given."""

    def make(events: Events) -> Any:
        def note(*args: Any, **kwargs: Any) -> Any:
            events.append(what)
            return args[0] if args else None

        return note

    return make


def marks(app: App, events: Events) -> None:
    def mark(response: Any) -> Any:
        response.headers["X-Mark"] = str(response.status_code)
        return response

    after = after_this_request if isinstance(app, Flask) else quart.after_this_request
    after(mark)


def own_class(app: App, events: Events) -> None:
    class Own(app.response_class):  # type: ignore[misc, name-defined]  # of either kind
        default_mimetype = "text/x-own"

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            events.append("made")
            super().__init__(*args, **kwargs)

    app.response_class = Own


def own_json(app: App, events: Events) -> None:
    class Own(DefaultJSONProvider):
        mimetype = "application/x-own"
        compact = False
        sort_keys = False

        def dumps(self, obj: Any, **kwargs: Any) -> str:
            events.append(sorted(kwargs))
            return super().dumps(obj, **kwargs)

    app.json = Own(app)


def own_type(app: App, events: Events) -> None:
    app.json.mimetype = "text/x-own"


def json_of_another(app: App, events: Events) -> None:
    other = type(app)("other")
    own_class(other, events)
    app.json, app.other = other.json, other


def json_of_nobody(app: App, events: Events) -> None:
    json_of_another(app, events)
    app.json.compact = True
    del app.other
    gc.collect()


def hears_later(app: App, events: Events) -> None:
    receiver = noting("finished")(events)
    app.receiver = receiver  # A signal keeps no receiver alive.
    signal_of(app, "request_finished").connect(receiver, app)


def own_method(name: str, replacement: Any) -> Doing:
    def replace(app: App, events: Events) -> None:
        setattr(app, name, replacement(app, events, getattr(app, name)))

    return replace


def _noted(app: App, events: Events, original: Callable[..., object]) -> Callable[..., object]:
    def noted(*args: object, **kwargs: object) -> object:
        events.append("called")
        return original(*args, **kwargs)

    return noted


def patched_class(app: App, events: Events) -> None:
    cls, original = app.response_class, app.response_class.set_data
    own = dict(vars(cls))  # A class of Flask's has Werkzeug's method, and no other one afterwards.

    def set_data(response: Any, data: Any) -> None:
        events.append("set")
        if "set_data" in own:
            cls.set_data = original
        else:
            del cls.set_data
        original(response, data)

    cls.set_data = set_data


def session_of(app: App) -> SessionMixin:
    return session if isinstance(app, Flask) else quart.session


def opens(app: App, events: Events) -> None:
    session_of(app)["a"] = 1


def looks(app: App, events: Events) -> None:
    events.append(dict(session_of(app)))


def tears_down(app: App, events: Events) -> None:
    app.teardown_appcontext_funcs.append(noting("torn down")(events))


def in_hooks(name: str) -> Doing:
    def put(app: App, events: Events) -> None:
        getattr(app, name).setdefault(None, []).append(noting(name)(events))

    return put


DOING: dict[str, Doing] = {
    "marks": marks,
    "own class": own_class,
    "own json": own_json,
    "own type": own_type,
    "json of another": json_of_another,
    "json of nobody": json_of_nobody,
    "hears later": hears_later,
    "patched class": patched_class,
    "opens": opens,
    "looks": looks,
    "make_response": own_method("make_response", _noted),
    "process_response": own_method("process_response", _noted),
    "finalize_request": own_method("finalize_request", _noted),
    "handle_user_exception": own_method("handle_user_exception", _noted),
    "tears down": tears_down,
    "before": in_hooks("before_request_funcs"),
    "after": in_hooks("after_request_funcs"),
    "teardown": in_hooks("teardown_request_funcs"),
    "another view": lambda app, events: app.view_functions.update(view=lambda: "another"),
    "handler": lambda app, events: app.error_handler_spec[None][None].update(
        {Exception: lambda error: (f"handled {error!r}", 418)}
    ),
    "debug": lambda app, events: setattr(app, "debug", True),
    "propagates": lambda app, events: app.config.update(PROPAGATE_EXCEPTIONS=True),
}


@pytest.mark.parametrize("doing", DOING)
def test_what_a_view_changes_counts_at_once(kind: Kind, doing: str) -> None:
    for result in ("text", "dict", "no json", "error"):
        make = making(kind, RESULTS[result], DOING[doing], SECRET_KEY="secret")
        ours, usual = seen(make)
        assert ours == usual, result
    # Or not the view does it, but what it returns.
    ours, usual = seen(making(kind, None, DOING[doing], acts=True, SECRET_KEY="secret"))
    assert ours == usual


@pytest.mark.parametrize("name", ["after_request_funcs", "process_response", "make_response"])
def test_a_hook_that_is_added_while_json_is_written_runs_as_in_flask(kind: Kind, name: str) -> None:
    def add(app: App, events: Events) -> None:
        session_of(app)["a"] = 1
        adding = in_hooks(name) if name.endswith("funcs") else own_method(name, _noted)
        adding(app, events)

    make = making(kind, None, add, acts=True, SECRET_KEY="secret")
    ours, usual = seen(make, times=1)
    assert ours == usual
    # By then, Flask has called `make_response`.
    assert ("called" in ours or name in ours) is (name != "make_response")


def test_a_session_s_cookie_is_seen(kind: Kind) -> None:
    for value in (b"session=forged", b"other=1", b"session="):
        for doing in ([], [without_name]):
            make = making(kind, RESULTS["text"], *doing, SECRET_KEY="secret")
            ours, usual = seen(make, headers=[(b"cookie", value)])
            assert ours == usual


def without_name(app: App, events: Events) -> None:
    app.config.pop("SESSION_COOKIE_NAME", None)


NAMES = [
    *("request_started", "request_finished", "got_request_exception", "request_tearing_down"),
    *("appcontext_pushed", "appcontext_popped", "appcontext_tearing_down"),
]


def signal_of(app: App, name: str) -> Signal:
    modules = signals if isinstance(app, Flask) else quart.signals
    return getattr(modules, name)


@pytest.mark.parametrize("result", ["text", "error"])
@pytest.mark.parametrize("when", ["before", "in the view"])
@pytest.mark.parametrize("name", NAMES)
def test_a_receiver_hears_the_same(
    kind: Kind, name: str, when: str, result: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    connected: list[object] = []

    def connect(app: App, events: Events) -> None:
        if not connected:
            receiver = noting(name)(events)
            connected.append((signal_of(app, name), receiver))
            signal_of(app, name).connect(receiver, app)

    def make(events: Events) -> Any:
        connected.clear()
        doing = [connect] if when == "in the view" else []
        app = making(kind, RESULTS[result], *doing)(events)
        if when == "before":
            connect(app, events)
        return app

    ours, usual = seen(make)
    assert ours == usual
    assert connected


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", ["__init__", "set_data", "close", "__call__", "get_wsgi_headers"])
def test_a_response_class_that_is_patched_later_is_used(
    name: str, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    app = making((Flask, False), RESULTS["text"])([])
    assert serve(app, "GET").text == "text"
    replacement = WAYS[way](flask.Response, name, lambda: calls.append(name))
    monkeypatch.setattr(flask.Response, name, replacement)
    assert serve(app, "GET").text == "text"
    assert calls, f"{name} was not called"


@pytest.mark.parametrize("cls", [flask.Response, quart.Response])
@pytest.mark.parametrize("name", ["default_mimetype", "automatically_set_content_length"])
def test_a_property_in_a_value_s_place_is_asked(
    cls: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    values = {"default_mimetype": "text/x-own", "automatically_set_content_length": False}
    monkeypatch.setattr(cls, name, property(lambda response: values[name]))
    kind = KINDS["thread" if cls is flask.Response else "quart"]
    ours, usual = seen(making(kind, RESULTS["text"]))
    assert ours == usual
    assert ("x-own" in str(ours)) is (name == "default_mimetype")
    assert "Exception" not in str(ours)


def test_a_response_that_makes_its_own_pieces_gets_no_type() -> None:
    class Own(flask.Response):
        default_mimetype = None

        def get_app_iter(self, environ: Any) -> Any:
            return super().get_app_iter(environ)

    app = making(KINDS["async"], RESULTS["text"])([])
    app.response_class = Own
    assert serve(app).messages[0]["headers"] == [(b"content-length", b"4")]


def test_a_nested_call_of_a_stage_gets_a_response(kind: Kind) -> None:
    def nested(app: App, events: Events) -> None:
        if not g.get("nested") and isinstance(app, Flask):
            g.nested = True
            events.append(app.full_dispatch_request().status_code)

    make = making(kind, RESULTS["text"], nested)
    ours, usual = seen(make)
    assert ours == usual


def test_a_view_with_an_argument_and_a_proxy() -> None:
    def make(events: Events) -> App:
        app = Flask("straight")
        app.add_url_rule("/view/<int:n>", "view", lambda n: f"{n} {request.path}")
        return app

    ours, usual = seen(make, path="/view/7")
    assert ours == usual
    ours, usual = seen(make, path="/view/x")
    assert ours == usual


def test_what_is_no_exception_is_torn_down() -> None:
    fails = making((Flask, True), lambda app: fail(KeyboardInterrupt()), tears_down)
    ours, usual = seen(fails)
    assert ours == usual
