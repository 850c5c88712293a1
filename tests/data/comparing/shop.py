"""An application, and one that differs from it in each of the ways that `compare` has to see.

What is random in it, and what depends on the time, differs between any two processes. The two
applications are the same in that.
"""

from __future__ import annotations

import gzip
import json
import secrets
import time
import uuid
from collections.abc import Iterator
from datetime import datetime, timedelta, UTC

from flask import (
    abort,
    flash,
    Flask,
    get_flashed_messages,
    make_response,
    redirect,
    request,
    session,
)
from flask.typing import ResponseReturnValue
from werkzeug.http import http_date

FORM = """<!doctype html><title>Shop</title>
<meta name="csrf-token" content="{token}">
<form action="/buy" method="post">
<input id="csrf_token" name="csrf_token" type="hidden" value="{token}">
<input name="what"></form>
<script nonce="{nonce}">boot("{id}")</script>
<p>Asked at {now}, order {id}</p>
"""


def create_app(*, seeded: bool = False) -> Flask:
    app = Flask(__name__)
    app.secret_key = "of the shop, and of nothing else"
    app.config["SHOP"] = "that" if seeded else "this"
    add_pages(app, seeded)
    add_equal_pages(app)
    return app


def create_other() -> Flask:
    """Make the application that differs."""
    return create_app(seeded=True)


def add_equal_pages(app: Flask) -> None:
    @app.get("/")
    def index() -> ResponseReturnValue:
        return "Hello"

    @app.get("/form")
    def form() -> ResponseReturnValue:
        token = session.setdefault("csrf_token", secrets.token_urlsafe(24))
        response = make_response(
            FORM.format(
                token=token,
                nonce=secrets.token_urlsafe(12),
                id=uuid.uuid4(),
                now=datetime.now(UTC).isoformat(),
            )
        )
        response.headers["X-Request-Id"] = uuid.uuid4().hex
        response.headers["Expires"] = http_date(time.time() + 60)
        response.set_cookie("visitor", secrets.token_urlsafe(24), max_age=3600)
        return response

    @app.get("/now")
    def now() -> ResponseReturnValue:
        return {"at": time.time(), "id": str(uuid.uuid4()), "token": secrets.token_hex(16)}

    @app.get("/stream")
    def stream() -> ResponseReturnValue:
        return (f"piece {number}\n" for number in range(5)), {"Content-Type": "text/plain"}

    @app.get("/away")
    def away() -> ResponseReturnValue:
        return redirect(f"{request.host_url}there")

    @app.get("/set")
    def a_set() -> ResponseReturnValue:
        return " ".join({"pear", "apple", "plum", "quince", "fig"})


def add_pages(app: Flask, seeded: bool) -> None:
    add_heads(app, seeded)
    add_cookies(app, seeded)
    add_bodies(app, seeded)
    add_values(app, seeded)
    add_guards(app, seeded)


def add_heads(app: Flask, seeded: bool) -> None:
    @app.get("/status")
    def status() -> ResponseReturnValue:
        return "", 202 if seeded else 200

    @app.get("/header")
    def header() -> ResponseReturnValue:
        return "", {"X-Frame-Options": "SAMEORIGIN" if seeded else "DENY"}

    @app.get("/header-missing")
    def header_missing() -> ResponseReturnValue:
        return "", {} if seeded else {"X-Frame-Options": "DENY"}

    @app.get("/type")
    def kind() -> ResponseReturnValue:
        return "plain", {"Content-Type": "text/plain" if seeded else "text/css"}

    @app.route("/allowed", methods=["POST"] if seeded else ["POST", "PUT"])
    def allowed() -> ResponseReturnValue:
        return ""

    @app.get("/redirect")
    def to() -> ResponseReturnValue:
        return redirect("/to/that" if seeded else "/to/this")

    @app.get("/tagged")
    def tagged() -> ResponseReturnValue:
        response = make_response("tagged")
        if not seeded:
            response.add_etag()
        return response

    if not seeded:

        @app.get("/route")
        def route() -> ResponseReturnValue:
            return "here"


def add_cookies(app: Flask, seeded: bool) -> None:
    def cookie(**values: object) -> ResponseReturnValue:
        response = make_response("")
        response.set_cookie("theme", "dark", **values)  # type: ignore[arg-type]
        return response

    @app.get("/cookie/same-site")
    def same_site() -> ResponseReturnValue:
        return cookie(samesite="None" if seeded else "Lax")

    @app.get("/cookie/http-only")
    def http_only() -> ResponseReturnValue:
        return cookie(httponly=not seeded)

    @app.get("/cookie/expires")
    def expires() -> ResponseReturnValue:
        return cookie(expires=datetime.now(UTC) + timedelta(days=1 if seeded else 31))

    @app.get("/cookie/missing")
    def missing() -> ResponseReturnValue:
        return "" if seeded else cookie()

    @app.get("/session")
    def in_session() -> ResponseReturnValue:
        session["basket"] = ["tea"] if seeded else ["tea", "milk"]
        return ""


def add_bodies(app: Flask, seeded: bool) -> None:
    @app.get("/text")
    def text() -> ResponseReturnValue:
        return f"<p>one</p>\n<p>{'tow' if seeded else 'two'}</p>\n"

    @app.get("/end")
    def end() -> ResponseReturnValue:
        return "the same" if seeded else "the same\n"

    @app.get("/encoding")
    def encoding() -> ResponseReturnValue:
        return "Zoë".encode("latin-1" if seeded else "utf-8"), {"Content-Type": "text/plain"}

    @app.get("/bytes")
    def some_bytes() -> ResponseReturnValue:
        body = bytearray(range(256)) * 64
        body[9000] ^= seeded
        return bytes(body), {"Content-Type": "application/octet-stream"}

    @app.get("/gzip")
    def gzipped() -> ResponseReturnValue:
        body = gzip.compress(b"squashed" if seeded else b"compressed")  # with the time in it
        return body, {"Content-Type": "text/plain", "Content-Encoding": "gzip"}

    @app.get("/streamed")
    def streamed() -> ResponseReturnValue:
        def pieces() -> Iterator[str]:
            yield from map(str, range(9 if seeded else 10))

        return pieces(), {"Content-Type": "text/plain"}


def add_values(app: Flask, seeded: bool) -> None:
    def in_json(one: object, other: object) -> ResponseReturnValue:
        return json.dumps(other if seeded else one), {"Content-Type": "application/json"}

    @app.get("/json/value")
    def value() -> ResponseReturnValue:
        return in_json({"a": [{"price": 1}]}, {"a": [{"price": 2}]})

    @app.get("/json/type")
    def kind_of_value() -> ResponseReturnValue:
        return in_json({"a": 1}, {"a": "1"})

    @app.get("/json/key")
    def key() -> ResponseReturnValue:
        return in_json({"a": 1, "b": None}, {"a": 1})

    @app.get("/json/order")
    def order() -> ResponseReturnValue:
        return in_json({"a": 1, "b": 2}, {"b": 2, "a": 1})

    @app.get("/json/date")
    def date() -> ResponseReturnValue:
        return in_json({"born": "1990-01-01T00:00:00Z"}, {"born": "1990-01-02T00:00:00Z"})


def add_guards(app: Flask, seeded: bool) -> None:
    @app.post("/buy")
    def buy() -> ResponseReturnValue:
        if request.form.get("csrf_token") != session.get("csrf_token"):
            abort(400)
        flash(f"Sold {request.form['what']}")
        return redirect("/bought")

    @app.post("/unguarded")
    def unguarded() -> ResponseReturnValue:
        if not seeded and request.form.get("forged"):
            abort(400)
        return "done"

    @app.get("/bought")
    def bought() -> ResponseReturnValue:
        messages = get_flashed_messages()
        return "bought" if seeded else ", ".join(messages)
