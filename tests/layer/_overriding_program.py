"""A script that counts the calls of each public method that a subclass overrides.

The argument ``flask`` runs it on Flask itself, ``wsgi`` or ``asgi`` on the layer. It prints each
request's result and its calls, for one scenario.
"""

from __future__ import annotations

import asyncio
import inspect
import io
import json
import logging
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

WAY = sys.argv[1]
if WAY != "flask":
    import quart.flask_patch  # noqa: F401

import flask  # noqa: E402
import flask.ctx  # noqa: E402
import flask.json.provider  # noqa: E402
import flask.sessions  # noqa: E402
import flask.testing  # noqa: E402
from werkzeug.test import EnvironBuilder, run_wsgi_app  # noqa: E402

if WAY == "flask":
    Genuine = flask.Flask
else:
    from quart_flask_patch.genuine import Flask as Genuine

counts: Counter[str] = Counter()


def counting(cls: type, *more: str) -> Any:
    """Return a subclass that counts calls of Flask's public methods, and of *more*."""
    mine: Any = type(cls)(f"Mine{cls.__name__}", (cls,), {})
    names = [name for name in dir(Genuine if cls is flask.Flask else cls) if name[0] != "_"]
    for name in [*names, *more]:
        found = inspect.getattr_static(cls, name)
        if inspect.isroutine(found) and not isinstance(found, (staticmethod, classmethod)):
            setattr(mine, name, counted(mine, f"{cls.__name__}.{name}", name))
    return mine


def counted(owner: type, label: str, name: str) -> Callable[..., Any]:
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        counts[label] += 1
        return getattr(super(owner, self), name)(*args, **kwargs)

    method.__name__ = name
    return method


class App(counting(flask.Flask, "__init__", "__call__")):  # type: ignore[misc]  # a class made above
    app_ctx_globals_class = counting(flask.ctx._AppCtxGlobals)
    json_provider_class = counting(flask.json.provider.DefaultJSONProvider)
    request_class = counting(flask.Request, "__init__")
    response_class = counting(flask.Response, "__init__", "__call__")
    session_interface = counting(flask.sessions.SecureCookieSessionInterface)()
    test_cli_runner_class = counting(flask.testing.FlaskCliRunner)
    test_client_class = counting(flask.testing.FlaskClient)


def make_app(folder: Path) -> Any:
    (folder / "templates").mkdir()
    (folder / "templates" / "page.html").write_text("{{ x }} {{ url_for('blue.view') }} {{ y }}")
    (folder / "static").mkdir()
    (folder / "static" / "a.txt").write_text("static")
    app = App("app", root_path=str(folder))
    app.secret_key = "secret"
    app.config["PROPAGATE_EXCEPTIONS"] = False
    app.before_request(lambda: setattr(flask.g, "seen", True))
    app.after_request(lambda response: response)
    app.teardown_request(lambda error: None)
    app.teardown_appcontext(lambda error: None)
    app.context_processor(lambda: {"y": 1})
    app.errorhandler(404)(lambda error: ("not here", 404))
    blueprint = counting(flask.Blueprint)("blue", "app", root_path=str(folder), url_prefix="/blue")
    blueprint.add_url_rule("/", "view", lambda: "blue")
    app.register_blueprint(blueprint)
    app.cli.command("hello")(say_name)
    for name, view in VIEWS.items():
        app.add_url_rule(f"/{name}", name, view, methods=["GET", "POST"])
    app.add_url_rule("/item/<int:number>", "item", lambda number: f"{number}")
    return app


def say_name() -> None:
    print(flask.current_app.name)  # noqa: T201 - a command


def fail() -> str:
    raise LookupError("of the view")


def count() -> str:
    flask.session["count"] = flask.session.get("count", 0) + 1
    return str(flask.session["count"])


def flash() -> str:
    flask.flash("said")
    return str(flask.get_flashed_messages())


def headers() -> flask.Response:
    response = flask.make_response("made", 201)
    response.set_cookie("a", "b")
    response.set_etag("tag")
    return response.make_conditional(flask.request)


def within() -> str:
    with flask.current_app.app_context():
        return str(flask.g.setdefault("a", flask.g.get("b", flask.g.pop("c", 1))))


VIEWS: dict[str, Callable[[], Any]] = {
    "": lambda: "index",
    "abort": lambda: flask.abort(403),
    "count": count,
    "data": lambda: flask.jsonify(flask.request.get_json()),
    "ensure": lambda: flask.current_app.ensure_sync(str)("ensured"),
    "fail": fail,
    "flash": flash,
    "form": lambda: f"{flask.request.form.get('a')} {sorted(flask.request.files)}",
    "headers": headers,
    "json": lambda: {"a": 1},
    "page": lambda: flask.render_template("page.html", x=1),
    "redirect": lambda: flask.redirect(flask.url_for("item", number=1)),
    "stream": lambda: flask.Response(flask.stream_with_context(c for c in "ab")),
    "string": lambda: flask.render_template_string("{{ y }}"),
    "within": within,
}
GETS = [f"/{name}" for name in VIEWS]
GETS += ["/item/3", "/item/x", "/nowhere", "/blue/", "/static/a.txt", "/static/none"]
REQUESTS: dict[str, dict[str, Any]] = {path: {"path": path} for path in GETS} | {
    "HEAD": {"path": "/", "method": "HEAD"},
    "OPTIONS": {"path": "/", "method": "OPTIONS"},
    "PUT": {"path": "/", "method": "PUT"},
    "a form": {"path": "/form", "method": "POST", "data": {"a": "1"}},
    "a file": {"path": "/form", "method": "POST", "data": {"f": (io.BytesIO(b"x"), "x.txt")}},
    "JSON": {"path": "/data", "method": "POST", "json": {"a": 1}},
    "no JSON": {"path": "/data", "method": "POST", "data": "{", "content_type": "text/plain"},
}


def over_wsgi(app: Any, options: dict[str, Any]) -> Any:
    environ = EnvironBuilder(**options).get_environ()
    body, status, _ = run_wsgi_app(app, environ)
    text = b"".join(body).decode()
    if hasattr(body, "close"):
        body.close()
    return [int(status.split()[0]), text]


def over_asgi(app: Any, options: dict[str, Any]) -> Any:
    builder = EnvironBuilder(**options)
    environ = builder.get_environ()
    messages = [{"type": "http.request", "body": environ["wsgi.input"].read(), "more_body": False}]
    headers = [(b"host", b"localhost")]
    headers += [
        (name.lower().replace("_", "-").encode(), environ[name].encode())
        for name in ("CONTENT_TYPE", "CONTENT_LENGTH")
        if environ.get(name)
    ]
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "scheme": "http",
        "method": builder.method, "path": builder.path, "raw_path": builder.path.encode(),
        "query_string": b"", "root_path": "", "headers": headers,
        "client": ("127.0.0.1", 1), "server": ("localhost", 80),
    }  # fmt: skip
    sent: list[Any] = []

    async def receive() -> Any:
        if not messages:
            await asyncio.Event().wait()
        return messages.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(app(scope, receive, send))
    return [sent[0]["status"], b"".join(message.get("body", b"") for message in sent).decode()]


def by_client(app: Any) -> Any:
    client = app.test_client()
    found = [client.get("/count").text, client.get("/redirect", follow_redirects=True).text]
    with client.session_transaction() as session:
        session["count"] = 5
    return [*found, client.post("/form", data={"a": "1"}).text, client.get("/count").text]


def in_contexts(app: Any) -> Any:
    with app.test_request_context("/count"):
        app.preprocess_request()
        found = [flask.request.path, flask.url_for("item", number=2)]
    return [*found, app.test_cli_runner().invoke(args=["hello"]).output]


def main() -> None:
    logging.disable(logging.CRITICAL)
    with tempfile.TemporaryDirectory() as folder:
        app = make_app(Path(folder))
        request = over_asgi if WAY == "asgi" else over_wsgi
        work: dict[str, Callable[[], Any]] = {
            name: lambda options=options: request(app, options)  # type: ignore[misc]
            for name, options in REQUESTS.items()
        }
        work |= {"client": lambda: by_client(app), "contexts": lambda: in_contexts(app)}
        found = {}
        for name, do in work.items():
            counts.clear()
            found[name] = [do(), dict(counts)]
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()
