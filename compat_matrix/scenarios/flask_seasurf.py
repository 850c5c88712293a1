"""Flask-SeaSurf: forms and JSON with a token against forgery, without one, and exempt."""

from __future__ import annotations

import asyncio

from flask import Blueprint, Flask, render_template_string, request
from flask.typing import ResponseReturnValue
from flask_seasurf import SeaSurf

from compat_matrix.scenarios._exchange import (
    EXPIRES,
    Found,
    get,
    Named,
    post,
    request as send,
    send_json,
    SIGNED_AT,
)

FORM = """<form method="post">
<input type="hidden" name="_csrf_token" value="{{ csrf_token() }}">
<input name="what"></form>"""

csrf = SeaSurf()
pages = Blueprint("pages", __name__)


@pages.get("/form")
def form() -> ResponseReturnValue:
    return render_template_string(FORM)


@pages.get("/plain")
def plain() -> ResponseReturnValue:
    return "no token here"


@pages.post("/form")
def save() -> ResponseReturnValue:
    return {"saved": request.form["what"]}


@pages.route("/json", methods=["PUT", "DELETE"])
def change() -> ResponseReturnValue:
    return {"method": request.method, "was": request.get_json(silent=True)}


@pages.post("/async")
async def save_async() -> ResponseReturnValue:
    await asyncio.sleep(0.001)
    return {"saved": request.form["what"]}


@csrf.exempt
@pages.post("/hook")
def hook() -> ResponseReturnValue:
    return {"body": request.get_data(as_text=True)}


@csrf.exempt
@csrf.set_cookie
@pages.get("/cookie")
def cookie() -> ResponseReturnValue:
    return "with a cookie"


@csrf.exempt
@pages.post("/sometimes")
def sometimes() -> ResponseReturnValue:
    if "strict" in request.args:
        csrf.validate()
    return "done"


@pages.post("/renew")
def renew() -> ResponseReturnValue:
    csrf.generate_new_token()
    return render_template_string(FORM)


@pages.post("/upload")
def upload() -> ResponseReturnValue:
    return {"read": len(request.files["file"].read())}


def create_app() -> Flask:
    app = Flask(__name__)
    app.secret_key = "of the scenario"
    csrf.init_app(app)
    csrf.exempt_urls(("/public",))
    app.add_url_rule("/public/post", "public", lambda: "public", methods=["POST"])
    app.register_blueprint(pages)
    return app


# The token is in the page, in its cookie, and inside the session's cookie.
DIFFERENCES = [
    Named("session", r"(?<=session=)[\w.-]+"),
    Named("token", r"\b[0-9a-f]{64}\b"),
    SIGNED_AT,
    EXPIRES,
]

TOKEN = Found(r'value="([0-9a-f]+)"')

EXCHANGES = [
    get("/plain", "set-cookie: _csrf_token=<token>"),
    post("/form", form={"what": "forged"}, status=403),
    get("/form", 'value="<token>"'),
    get("/plain"),
    post("/form", '"saved":"tea"', form={"what": "tea", "_csrf_token": TOKEN}),
    post("/form", form={"what": "tea", "_csrf_token": "0" * 64}, status=403),
    post("/async", '"saved":"tea"', form={"what": "tea", "_csrf_token": TOKEN}),
    post("/async", form={"what": "tea"}, status=403),
    send_json("/json", {"a": 1}, "was", method="PUT", headers={"X-CSRFToken": TOKEN}),
    send("DELETE", "/json", headers={"X-CSRFToken": TOKEN}),
    send_json("/json", {"a": 1}, method="PUT", status=403),
    send_json("/json", [1], method="PUT", status=403),
    post("/hook", '"body":"anything"', body=b"anything"),
    get("/cookie"),
    post("/sometimes", "done"),
    post("/sometimes?strict", status=403),
    post("/public/post", "public"),
    post("/upload", body=bytes(300_000), headers={"X-CSRFToken": TOKEN}, status=400),
    post("/renew", "<token>", form={"_csrf_token": TOKEN}),
    post("/form", '"saved":"new"', form={"what": "new", "_csrf_token": TOKEN}),
    get("/json", status=405),
    post("/nowhere", status=404),
    send("OPTIONS", "/form", "allow: GET, HEAD, OPTIONS, POST"),
]
