"""Flask-Session: a basket kept on the server, in a cache, in files and in a database."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Iterator
from typing import Any

from cachelib import FileSystemCache, SimpleCache
from flask import (
    Blueprint,
    flash,
    Flask,
    get_flashed_messages,
    redirect,
    request,
    Response,
    session,
    stream_with_context,
    url_for,
)
from flask.typing import ResponseReturnValue
from flask_session import Session
from flask_sqlalchemy import SQLAlchemy
from werkzeug.middleware.dispatcher import DispatcherMiddleware

from compat_matrix.scenarios._exchange import (
    Exchange,
    EXPIRES,
    follow,
    get,
    Named,
    post,
    request as send,
)

pages = Blueprint("pages", __name__)


@pages.post("/login")
def login() -> ResponseReturnValue:
    session["who"] = request.form["who"]
    session.permanent = "remember" in request.form
    flash("welcome")
    return redirect(url_for(".basket"))


@pages.get("/basket")
def basket() -> ResponseReturnValue:
    return {
        "who": session.get("who"),
        "basket": session.get("basket", []),
        "flashed": get_flashed_messages(with_categories=True),
        "permanent": session.permanent,
    }


@pages.post("/basket")
def put_in() -> ResponseReturnValue:
    session.setdefault("basket", []).append(request.form["what"])
    session.modified = True
    return {"basket": session["basket"]}, 201


@pages.post("/basket-async")
async def put_in_async() -> ResponseReturnValue:
    await asyncio.sleep(0.001)
    session["basket"] = [*session.get("basket", []), request.form["what"]]
    return {"basket": session["basket"]}, 201


@pages.get("/stream")
def stream() -> ResponseReturnValue:
    def rows() -> Iterator[str]:
        for what in session["basket"]:
            yield f"{what}\n"

    return Response(stream_with_context(rows()), mimetype="text/plain")


@pages.post("/logout")
def logout() -> ResponseReturnValue:
    session.clear()
    return "", 204


@pages.get("/untouched")
def untouched() -> ResponseReturnValue:
    return "no session was looked at"


@pages.post("/unsafe")
def unsafe() -> ResponseReturnValue:
    session["what"] = object()  # a cache pickles it, a database cannot
    return "kept"


def make_app(name: str, **config: object) -> Flask:
    app = Flask(name)
    app.config |= {"SESSION_COOKIE_NAME": name, "SECRET_KEY": "of the scenario", **config}
    app.register_blueprint(pages)
    return app


def with_database() -> Flask:
    folder = tempfile.mkdtemp()
    app = make_app("database", SESSION_TYPE="sqlalchemy", SESSION_PERMANENT=False)
    app.config["SQLALCHEMY_DATABASE_URI"] = f"sqlite:///{folder}/sessions.sqlite"
    app.config["SESSION_SQLALCHEMY"] = SQLAlchemy(app)
    Session(app)
    return app


def create_app() -> Flask:
    """The application with a cache; under it the same with files and with a database."""
    app = make_app("cache", SESSION_TYPE="cachelib", SESSION_CACHELIB=SimpleCache())
    Session(app)
    files = FileSystemCache(tempfile.mkdtemp())
    with_files = make_app("files", SESSION_TYPE="cachelib", SESSION_CACHELIB=files)
    Session(with_files)
    mounted: dict[str, Any] = {"/files": with_files, "/database": with_database()}
    app.wsgi_app = DispatcherMiddleware(app.wsgi_app, mounted)  # type: ignore[method-assign]
    return app


DIFFERENCES = [
    Named("session id", r"(?<==)[\w-]{43}(?=;)"),
    EXPIRES,
]


def conversation(where: str, permanent: str, unsafe: int) -> list[Exchange]:
    return [
        get(f"{where}/basket", '"who":null', permanent),
        post(f"{where}/login", "<session id>", form={"who": "ann"}, status=302),
        follow("ann", "welcome"),
        post(f"{where}/basket", form={"what": "tea"}, status=201),
        post(f"{where}/basket-async", '["tea","bread"]', form={"what": "bread"}, status=201),
        get(f"{where}/basket", '["tea","bread"]', "vary: Cookie"),
        get(f"{where}/stream", "tea\nbread\n"),
        send("HEAD", f"{where}/basket"),
        get(f"{where}/untouched"),
        post(f"{where}/unsafe", status=unsafe),
        get(f"{where}/basket", "ann"),
        post(f"{where}/login", form={"who": "bob", "remember": "1"}, status=302),
        get(f"{where}/basket", "bob", '"permanent":true'),
        post(f"{where}/logout", status=204),
        get(f"{where}/basket", '"who":null'),
        post(f"{where}/basket", form={}, status=400),
        get(f"{where}/none", status=404),
    ]


EXCHANGES = [
    *conversation("", '"permanent":true', unsafe=200),
    *conversation("/files", '"permanent":true', unsafe=200),
    *conversation("/database", '"permanent":false', unsafe=500),
]
