"""Flask itself: answers of each kind, errors, cookies, uploads, files, streams."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterator

from flask import (
    abort,
    after_this_request,
    Blueprint,
    flash,
    Flask,
    get_flashed_messages,
    redirect,
    request,
    Response,
    send_file,
    session,
    stream_with_context,
    url_for,
)
from flask.typing import ResponseReturnValue

from compat_matrix.scenarios._exchange import (
    EXPIRES,
    follow,
    get,
    post,
    request as send,
    send_files,
    send_json,
    SIGNED_AT,
)

pages = Blueprint("pages", __name__)


@pages.post("/login")
def login() -> ResponseReturnValue:
    session["who"] = request.form["who"]
    session.permanent = "remember" in request.form
    flash("welcome")
    return redirect(url_for("pages.me", _external=True))


@pages.get("/me")
def me() -> ResponseReturnValue:
    return {"who": session.get("who"), "flashed": get_flashed_messages()}


@pages.get("/me-async")
async def me_async() -> ResponseReturnValue:
    await asyncio.sleep(0.001)
    return {"who": session.get("who"), "url": request.url, "agent": request.user_agent.string}


@pages.post("/logout")
def logout() -> ResponseReturnValue:
    session.clear()
    return "", 204


@pages.get("/stream")
def stream() -> ResponseReturnValue:
    def rows() -> Iterator[str]:
        for number in range(200):
            yield f"{number} {request.args['of']}\n"

    return Response(stream_with_context(rows()), mimetype="text/csv")


@pages.get("/events")
def events() -> ResponseReturnValue:
    lines = (f"id: {number}\ndata: tick\n\n" for number in range(3))
    return Response(lines, mimetype="text/event-stream", headers={"Cache-Control": "no-store"})


@pages.get("/file")
def file() -> ResponseReturnValue:
    content = io.BytesIO(bytes(range(256)) * 8)
    return send_file(content, download_name="b.bin", etag="v1", conditional=True, max_age=60)


@pages.post("/upload")
def upload() -> ResponseReturnValue:
    request.max_content_length = 150_000
    given = {name: [f.filename, len(f.read())] for name, f in request.files.items()}
    return {"files": given, "length": request.content_length}


@pages.post("/echo")
def echo() -> ResponseReturnValue:
    return request.get_data(), {"Content-Type": "application/octet-stream"}


@pages.put("/json")
def put_json() -> ResponseReturnValue:
    return {"was": request.get_json()}, 201, [("X-Many", "1"), ("X-Many", "2")]


@pages.get("/error/<int:code>")
def error(code: int) -> ResponseReturnValue:
    abort(code, description="because")


@pages.get("/broken")
def broken() -> ResponseReturnValue:
    raise LookupError("broken")


@pages.get("/cookies")
def cookies() -> ResponseReturnValue:
    @after_this_request
    def more(response: Response) -> Response:
        response.set_cookie("one", "1 and ä", max_age=60, samesite="Lax")
        response.set_cookie("two", "2", httponly=True, path="/cookies")
        return response

    return {"had": request.cookies}


@pages.app_errorhandler(410)
def gone(problem: Exception) -> ResponseReturnValue:
    return {"gone": str(problem)}, 410


def create_app() -> Flask:
    app = Flask(__name__)
    app.secret_key = "of the scenario"
    app.register_blueprint(pages)
    return app


DIFFERENCES = [SIGNED_AT, EXPIRES]

EXCHANGES = [
    get("/me", '"who":null'),
    post("/login", "location: http://scenario.test/me", form={"who": "ann"}, status=302),
    follow('"who":"ann"', "welcome"),
    get("/me", '"flashed":[]', "vary: Cookie"),
    get("/me-async?a=b&c=%C3%A4", '"url":"http://scenario.test/me-async?a=b&c=\\u00e4"'),
    post("/login", form={"who": "bob", "remember": "1"}, status=302),
    post("/logout", status=204),
    get("/me", '"who":null'),
    get("/stream?of=200", "199 200"),
    send("HEAD", "/stream?of=200", "text/csv"),
    get("/events", "text/event-stream", "no-store"),
    get("/file", 'etag: "v1"', "filename=b.bin"),
    get("/file", "bytes 100-199/2048", headers={"Range": "bytes=100-199"}, status=206),
    get("/file", headers={"Range": "bytes=5000-"}, status=416),
    get("/file", headers={"If-None-Match": '"v1"'}, status=304),
    send("HEAD", "/file", "content-length: 2048"),
    send_files("/upload", {"a": ("a.txt", b"abc"), "b": ("ü.bin", bytes(100_000))}, "100000"),
    send_files("/upload", {"a": ("a.txt", bytes(200_000))}, status=413),
    post("/echo", body=bytes(3_000_000)),
    post("/echo", body=b""),
    send_json("/json", {"a": [1, None]}, "x-many: 2", method="PUT", status=201),
    send_json("/json", {}, method="POST", status=405),
    send("PUT", "/json", body=b"{", headers={"Content-Type": "application/json"}, status=400),
    send("PUT", "/json", body=b"x", headers={"Content-Type": "text/plain"}, status=415),
    send("OPTIONS", "/json", "allow: OPTIONS, PUT"),
    get("/error/403", "because", status=403),
    get("/error/410", '{"gone":"410 Gone: because"}', status=410),
    get("/error/x", status=404),
    get("/broken", "Internal Server Error", status=500),
    get("/cookies", "one=", "HttpOnly"),
    get("/cookies", '"two":"2"'),
    post("/login", form={}, status=400),
    get("/static/none.css", status=404),
]
