"""What Flask 3.2 does otherwise, of which 3.1 has nothing."""

from __future__ import annotations

import subprocess
import sys
import warnings
from typing import Any

import flask
import pytest
from flask import g, request
from werkzeug.test import create_environ

from quart._flask import HAS_ONE_CONTEXT
from quart_flask_patch.app import Flask
from quart_flask_patch.ctx import AppContext

pytestmark = pytest.mark.skipif(not HAS_ONE_CONTEXT, reason="This Flask has two contexts.")


def test_a_request_has_an_application_context_of_its_own(app: Flask) -> None:
    ended = []
    app.teardown_appcontext(lambda exc: ended.append(flask.has_request_context()))

    with app.app_context() as outer:
        g.mark = "outer"
        with app.test_request_context("/") as inner:
            assert "mark" not in g
            assert flask.globals.app_ctx._get_current_object() is inner
        assert ended == [True]
        assert flask.globals.app_ctx._get_current_object() is outer
        assert g.mark == "outer"

    assert ended == [True, False]


def test_an_application_context_hides_the_request_around_it(app: Flask) -> None:
    with app.test_request_context("/path"):
        with app.app_context():
            assert not flask.has_request_context()
            assert not request
            with pytest.raises(RuntimeError):
                flask.session.get("key")
        assert request.path == "/path"


def test_there_is_one_class_of_contexts(app: Flask) -> None:
    assert flask.ctx.AppContext is AppContext
    with pytest.warns(DeprecationWarning, match="RequestContext"):
        assert flask.ctx.RequestContext is AppContext

    environ = create_environ("/path")
    for made in (
        app.request_context(environ),
        AppContext.from_environ(app, environ),
        AppContext(app, request=app.request_class(environ)),  # type: ignore[call-arg]
    ):
        assert type(made) is AppContext
        assert made.has_request
        assert made._cv_token is None
        with made:
            assert made._cv_token is not None
            assert request.path == "/path"
    assert not app.app_context().has_request


def test_what_teardown_functions_raise_is_a_group_always(app: Flask) -> None:
    @app.teardown_request
    def fail(exc: BaseException | None) -> None:
        raise ValueError

    with pytest.raises(ExceptionGroup) as caught, app.test_request_context("/"):
        pass

    assert caught.group_contains(ValueError)


def test_a_subclass_with_old_signatures_is_told(app: Flask) -> None:
    before = dict(vars(Flask))

    with pytest.warns(DeprecationWarning, match="App.process_response") as told:

        class App(Flask):
            def process_response(self, response: Any) -> Any:  # type: ignore[override]
                response.headers["X-Seen"] = "1"
                return super().process_response(response)

            def handle_exception(self, ctx: Any, e: Exception) -> Any:  # type: ignore[override]
                return super().handle_exception(ctx, e)

    assert [warning.filename for warning in told] == [__file__]
    assert vars(Flask) == before

    with warnings.catch_warnings():
        warnings.simplefilter("error")

        class Derived(App):
            """It has nothing of its own, so nothing is said."""

    for made in (App("app"), Derived("app")):
        made.add_url_rule("/", view_func=lambda: "ok")
        assert made.test_client().get("/").headers["X-Seen"] == "1"
        with made.test_request_context("/") as ctx:
            # As code that was written for Flask 3.2 calls it.
            response = made.process_response(ctx, made.make_response("ok"))
            assert response.headers["X-Seen"] == "1"
    # Other applications stay as they are.
    app.add_url_rule("/", view_func=lambda: "ok")
    assert app.test_client().get("/").text == "ok"


def test_importing_the_layer_warns_of_nothing() -> None:
    subprocess.run(
        [sys.executable, "-W", "error::DeprecationWarning", "-c", "import quart.flask_patch"],
        check=True,
        timeout=60,
    )
