"""Flask's proxies are as they always were to code that uses them."""

from __future__ import annotations

import copy
from typing import Any
from unittest import mock

import flask
import pytest
from flask import current_app, g, request, session
from werkzeug.local import LocalProxy

from quart_flask_patch import genuine
from quart_flask_patch.app import Flask

PROXIES = {"request": request, "session": session, "g": g, "current_app": current_app}


@pytest.mark.parametrize("name", PROXIES)
def test_it_is_a_proxy_and_passes_for_what_it_stands_for(app: Flask, name: str) -> None:
    proxy: Any = PROXIES[name]
    assert isinstance(proxy, LocalProxy)
    assert getattr(flask.globals, name) is proxy
    with app.test_request_context("/"):
        real = proxy._get_current_object()
        assert proxy == real
        assert isinstance(proxy, type(real))
        assert proxy.__class__ is type(real)
        assert repr(proxy) == repr(real)
        assert hash(proxy) == hash(real) if name != "session" else True
        assert dir(proxy) == dir(real)


@pytest.mark.parametrize("name", PROXIES)
def test_outside_of_its_context_it_says_what_is_missing(name: str) -> None:
    proxy: Any = PROXIES[name]
    assert not proxy
    assert repr(proxy) == "<LocalProxy unbound>"
    for ask in (lambda: proxy.method, lambda: proxy.of_nobody, lambda: setattr(proxy, "x", 1)):
        with pytest.raises(RuntimeError, match="Working outside of"):
            ask()


def test_a_request_class_adds_and_replaces_names(app: Flask) -> None:
    class Mine(flask.Request):
        shout = property(lambda self: self.path.upper())
        method = "MINE"  # type: ignore[assignment]

        @property
        def args(self) -> Any:
            return "my arguments"

    app.request_class = Mine
    with app.test_request_context("/path?a=1"):
        assert (request.shout, request.args) == ("/PATH", "my arguments")  # type: ignore[attr-defined]
        assert request.path == "/path"


def test_attributes_of_a_request_are_set_and_deleted(app: Flask) -> None:
    with app.test_request_context("/path"):
        request.mine = 1  # type: ignore[attr-defined]
        request.path = "/other"
        assert (request.mine, request.path) == (1, "/other")  # type: ignore[attr-defined]
        assert flask.request._get_current_object().mine == 1  # type: ignore[attr-defined]
        del request.mine  # type: ignore[attr-defined]
        assert not hasattr(request, "mine")
        with mock.patch.object(request, "get_json", return_value="patched"):
            assert request.get_json() == "patched"
        assert request.get_json(silent=True) is None
        with pytest.raises(AttributeError, match="of_nobody"):
            _ = request.of_nobody  # type: ignore[attr-defined]


def test_the_session_is_written_by_its_proxy(app: Flask) -> None:
    with app.test_request_context("/"):
        assert session.get("count", 0) == 0
        session["count"] = 1
        session.permanent = True
        assert "count" in session
        assert copy.copy(session) == {"count": 1, "_permanent": True}
        assert (session.accessed, session.modified) == (True, True)
        del session["count"]
        assert list(session) == ["_permanent"]


def test_a_proxy_reads_a_context_of_the_genuine_flask_too() -> None:
    with genuine.Flask(__name__).test_request_context("/path?a=1"):
        assert (request.path, request.args["a"]) == ("/path", "1")
        assert current_app.name == __name__
