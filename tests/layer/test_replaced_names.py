"""Names in Flask's modules, and what they stand for, are replaced, as `mock.patch` does it."""

from __future__ import annotations

from typing import Any
from unittest import mock

import blinker
import flask
import flask.app
import flask.ctx
import flask.signals
import pytest

import quart.signals
from quart import Quart
from quart._flask import HAS_ONE_CONTEXT
from quart_flask_patch.app import Flask

from ._asgi import fetch, run
from .test_overriding import Get, GETS

#: Each signal that a request sends, the path that has it sent, and what goes with it.
SENT = {
    "appcontext_popped": ("/view", set()),
    "appcontext_pushed": ("/view", set()),
    "appcontext_tearing_down": ("/view", {"exc"}),
    "got_request_exception": ("/error", {"exception"}),
    "request_finished": ("/view", {"response"}),
    "request_started": ("/view", set()),
    "request_tearing_down": ("/view", {"exc"}),
}


def module_of(name: str) -> Any:
    """Return the module that has the signal in its own namespace, to send it."""
    return flask.app if hasattr(flask.app, name) else flask.ctx


@pytest.fixture(params=GETS)
def get(request: pytest.FixtureRequest) -> Get:
    return GETS[request.param]


@pytest.fixture(params=[False, True], ids=["before", "after"])
def app(request: pytest.FixtureRequest, get: Get) -> Any:
    """An application that has not had a request yet, or has had some."""
    app = get.fill(Flask(__name__))
    if request.param:
        get(app, "/view")
        get(app, "/error")
    return app


@pytest.mark.parametrize("name", SENT)
def test_a_signal_is_replaced_by_an_object(name: str, app: Any, get: Get) -> None:
    path, values = SENT[name]
    with mock.patch.object(module_of(name), name) as replacement:
        get(app, path)
    (call,) = replacement.send.call_args_list
    assert call.args == (app,)
    assert call.kwargs.keys() == {"_async_wrapper", *values}
    get(app, path)
    assert replacement.send.call_count == 1


@pytest.mark.parametrize("name", SENT)
def test_a_signal_is_replaced_by_another(name: str, app: Any, get: Get) -> None:
    path, values = SENT[name]
    other, received = blinker.Signal(), []
    other.connect(lambda sender, **given: received.append((sender, given)), weak=False)
    with mock.patch.object(module_of(name), name, other):
        get(app, path)
    ((sender, given),) = received
    assert sender is app
    assert given.keys() == values


@pytest.mark.parametrize("name", SENT)
def test_a_signal_has_another_way_to_be_sent(name: str, app: Any, get: Get) -> None:
    path, _ = SENT[name]
    with mock.patch.object(getattr(flask.signals, name), "send") as send:
        get(app, path)
    assert send.call_count == 1
    get(app, path)
    assert send.call_count == 1


def test_each_signal_is_sent_another_way(get: Get) -> None:
    sent: list[str] = []
    original = blinker.Signal.send

    def send(self: Any, *args: Any, **kwargs: Any) -> Any:
        sent.append(self.name)
        return original(self, *args, **kwargs)

    app = get.fill(Flask(__name__))
    with mock.patch.object(blinker.Signal, "send", send):
        get(app, "/view")
    assert sent == [
        *("appcontext-pushed", "request-started", "request-finished", "request-tearing-down"),
        *("appcontext-tearing-down", "appcontext-popped"),
    ]


def test_an_async_receiver_of_a_replaced_signal_is_waited_for(get: Get) -> None:
    other, received = blinker.Signal(), []

    class Sender:
        def send(self, *args: Any, **kwargs: Any) -> None:
            other.send(*args, **kwargs)

    async def receive(sender: Any, **given: Any) -> None:
        received.append(sender)

    other.connect(receive)
    app = get.fill(Flask(__name__))
    with mock.patch.object(flask.app, "request_started", Sender()):
        get(app, "/view")
    assert received == [app]


def test_the_name_in_the_package_is_nobodys() -> None:
    """As on Flask, whose modules have imported the signal by then."""
    app = Flask(__name__)
    app.add_url_rule("/", "view", lambda: "view")
    with (
        mock.patch("flask.request_started") as first,
        mock.patch.object(flask.signals, "request_started") as second,
    ):
        assert run(fetch(app, "/")).text == "view"
    assert not first.send.called
    assert not second.send.called


def test_a_quart_application_sends_its_own_besides() -> None:
    app, received = Quart(__name__), []

    @app.get("/")
    async def view() -> str:
        return "view"

    def receive(sender: Any, **given: Any) -> None:
        received.append(sender)

    with (
        quart.signals.request_started.connected_to(receive),
        mock.patch.object(flask.app, "request_started") as replaced,
    ):
        assert run(fetch(app, "/")).text == "view"
    assert received == [app]
    assert replaced.send.call_count == 1


@pytest.mark.skipif(HAS_ONE_CONTEXT, reason="Flask 3.2 has one class of contexts")
def test_classes_of_contexts_under_their_names_are_not_used(get: Get) -> None:
    """A difference from Flask: an application says so by a `request_context` of its own."""
    app = get.fill(Flask(__name__))
    with (
        mock.patch.object(flask.app, "RequestContext") as replaced,
        mock.patch.object(flask.ctx.RequestContext, "match_request") as method,
    ):
        assert get(app, "/view")[0] == 200
    assert not replaced.called
    assert not method.called
