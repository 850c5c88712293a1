"""An application of the genuine Flask beside one on the layer, in one process.

They share signed session cookies, so an application may move part by part; but neither sees the
contexts of the other.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import flask
import pytest
from asgiref.wsgi import WsgiToAsgi
from flask import current_app, g, has_request_context, request, session
from hypercorn.middleware import AsyncioWSGIMiddleware, DispatcherMiddleware as Dispatcher
from werkzeug.middleware.dispatcher import DispatcherMiddleware
from werkzeug.test import Client

from quart_flask_patch import genuine, wait
from quart_flask_patch.app import Flask

from ._asgi import fetch, run
from .test_install import run_script

SECRET = "of both"


def told() -> dict[str, Any]:
    """What plain code sees of the application and the request, of whichever Flask it is."""
    return {
        "app": current_app.name,
        "path": request.path,
        "class": type(request._get_current_object()).__module__,
        "who": session.get("who"),
        "before": g.before,
        "url": flask.url_for("tell"),
    }


def fill(app: Any) -> Any:
    app.secret_key = SECRET
    app.config["PROPAGATE_EXCEPTIONS"] = False

    @app.before_request
    def before() -> None:
        assert "before" not in g
        g.before = current_app.name

    @app.get("/tell")
    def tell() -> Any:
        return told()

    @app.get("/tell-async")
    async def tell_async() -> Any:
        await asyncio.sleep(0.001)
        return told()

    @app.get("/page")
    def page() -> Any:
        return flask.render_template_string("{{ g.before }} {{ request.path }}")

    @app.post("/login")
    def login() -> Any:
        session["who"] = request.form["who"]
        flask.flash("welcome")
        return "ok"

    @app.get("/flashes")
    def flashes() -> Any:
        return flask.get_flashed_messages()

    @app.get("/error")
    def error() -> Any:
        raise ValueError(current_app.name)

    @app.errorhandler(ValueError)
    def handle(error: ValueError) -> Any:
        return f"{current_app.name} handled {error}", 500

    return app


@pytest.fixture
def old() -> Any:
    return fill(genuine.Flask("old"))


@pytest.fixture
def new() -> Any:
    return fill(Flask("new"))


Call = Callable[..., tuple[int, str, str]]


def over_wsgi(old: Any, new: Any) -> Call:
    mounted = DispatcherMiddleware(new, {"/old": old})
    client = Client(mounted, use_cookies=False)

    def call(path: str, method: str = "GET", body: str = "", cookie: str = "") -> Any:
        kind = "application/x-www-form-urlencoded"
        headers = {"Cookie": cookie} if cookie else {}
        answer = client.open(path, method=method, data=body, content_type=kind, headers=headers)
        return answer.status_code, answer.text, answer.headers.get("Set-Cookie", "")

    return call


def over_asgi(mounted: Any) -> Call:
    def call(path: str, method: str = "GET", body: str = "", cookie: str = "") -> Any:
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        if cookie:
            headers["Cookie"] = cookie
        answer = run(fetch(mounted, path, method, body.encode(), headers.items()))
        return answer.status, answer.text, answer.headers.get("set-cookie", "")

    return call


@pytest.fixture(params=["werkzeug", "hypercorn", "asgiref", "hypercorn, the other way"])
def call(request: pytest.FixtureRequest, old: Any, new: Any) -> Call:
    """Calls the two, the genuine one at ``/old``."""
    if request.param == "werkzeug":
        return over_wsgi(old, new)
    if request.param == "hypercorn, the other way":
        # The one on the layer is as WSGI within the server's own bridge, too.
        both = DispatcherMiddleware(new, {"/old": old})
        return over_asgi(AsyncioWSGIMiddleware(both))
    as_asgi = WsgiToAsgi(old) if request.param == "asgiref" else AsyncioWSGIMiddleware(old)
    return over_asgi(Dispatcher({"/old": as_asgi, "": new}))


def expected(app: str, path: str, who: Any = None) -> dict[str, Any]:
    module = "flask.wrappers" if app == "old" else "quart_flask_patch.wrappers"
    root = "/old" if app == "old" else ""
    return {
        "app": app,
        "path": path,
        "class": module,
        "who": who,
        "before": app,
        "url": f"{root}/tell",
    }


@pytest.mark.parametrize("path", ["/tell", "/tell-async"])
def test_each_sees_its_own(call: Call, path: str) -> None:
    for _ in range(2):
        for app, root in (("old", "/old"), ("new", "")):
            status, text, _ = call(f"{root}{path}")
            assert (status, flask.json.loads(text)) == (200, expected(app, path))


def test_templates_and_errors_are_each_ones_own(call: Call) -> None:
    for app, root in (("old", "/old"), ("new", "")):
        assert call(f"{root}/page")[:2] == (200, f"{app} /page")
        assert call(f"{root}/error")[:2] == (500, f"{app} handled {app}")


@pytest.mark.parametrize(("first", "second"), [("/old", ""), ("", "/old")])
def test_they_share_the_session(call: Call, first: str, second: str) -> None:
    status, _, cookie = call(f"{first}/login", "POST", "who=ada")
    assert status == 200
    cookie = cookie.partition(";")[0]
    for path in ("/tell", "/tell-async"):
        _, text, _ = call(f"{second}{path}", cookie=cookie)
        assert flask.json.loads(text)["who"] == "ada"
    assert flask.json.loads(call(f"{second}/flashes", cookie=cookie)[1]) == ["welcome"]


# --- One within the other ------------------------------------------------------------------------


def seen() -> tuple[str, str, str]:
    return current_app.name, request.path, g.before


@pytest.mark.parametrize("kind", ["sync", "async"])
def test_the_new_one_may_call_the_old_one(old: Any, new: Any, place: str, kind: str) -> None:
    new.config["SYNC_PLACE"] = place

    def call_old() -> Any:
        before = seen()
        answer = old.test_client().get("/tell").json
        assert answer == {**expected("old", "/tell"), "url": "/tell"}
        assert seen() == before
        return list(before)

    async def call_old_async() -> Any:
        return call_old()

    new.add_url_rule("/call", "call", call_old if kind == "sync" else call_old_async)
    assert run(fetch(new, "/call")).json == ["new", "/call", "new"]


@pytest.mark.parametrize("path", ["/tell", "/tell-async"])
def test_the_old_one_may_call_the_new_one(old: Any, new: Any, path: str) -> None:
    @old.get("/call")
    def call_new() -> Any:
        before = seen()
        answer = new.test_client().get(path).json
        assert answer == expected("new", path)
        assert seen() == before
        return list(before)

    assert old.test_client().get("/call").json == ["old", "/call", "old"]


def test_contexts_nest_in_either_order(old: Any, new: Any) -> None:
    for outer, inner in ((old, new), (new, old)):
        with outer.app_context():
            g.value = outer.name
            with inner.test_request_context("/inner"):
                assert (current_app.name, request.path) == (inner.name, "/inner")
                assert "value" not in g
                with outer.test_request_context("/again"):
                    assert (current_app.name, request.path) == (outer.name, "/again")
                assert (current_app.name, request.path) == (inner.name, "/inner")
            assert (current_app.name, g.value) == (outer.name, outer.name)
            assert not has_request_context()


def test_requests_to_both_at_once_stay_apart(old: Any, new: Any) -> None:
    both = threading.Barrier(2, timeout=10)

    def meet() -> Any:
        both.wait()
        wait(asyncio.sleep(0.001))
        both.wait()
        return list(seen())

    for app in (old, new):
        app.add_url_rule("/meet", "meet", meet)
    mounted = Dispatcher({"/old": AsyncioWSGIMiddleware(old), "": new})

    async def main() -> Any:
        answers = await asyncio.gather(fetch(mounted, "/old/meet"), fetch(mounted, "/meet"))
        return [answer.json for answer in answers]

    assert run(main()) == [["old", "/meet", "old"], ["new", "/meet", "new"]]


def test_applications_of_before_the_layer_stay_as_they_were(tmp_path: Path) -> None:
    """One of Flask's own class, and one of a class that was derived from it."""
    run_script(
        """
        from flask import Flask, g, request, session

        class Mine(Flask):
            pass

        def make(cls):
            app = cls(__name__)
            app.secret_key = "secret"

            @app.before_request
            def before():
                g.path = request.path

            @app.route("/", methods=["GET", "POST"])
            def view():
                session["count"] = session.get("count", 0) + 1
                return [g.path, session["count"], request.form.get("a")]

            @app.get("/async")
            async def async_view():
                return [g.path]

            return app

        apps = [make(Flask), make(Mine)]
        import warnings

        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            import quart_flask_patch
        derived, made = (str(w.message) for w in caught)
        assert "Subclassed" in derived and "__main__.Mine" in derived
        assert "Made" in made, made
        apps.append(make(Mine))

        import quart

        for app in apps:
            assert not isinstance(app, quart.Quart)
            client = app.test_client()
            assert client.get("/").json == ["/", 1, None]
            with client:
                assert client.post("/", data={"a": "b"}).json == ["/", 2, "b"]
                assert g.path == "/"
            assert client.get("/async").json == ["/async"]
            with app.app_context():
                g.value = 1
        """,
        tmp_path,
    )
