"""Flask-HTMX: the same view answers with a page or with a part of it."""

from __future__ import annotations

import asyncio

from flask import abort, Blueprint, Flask, render_template_string, request
from flask.typing import ResponseReturnValue
from flask_htmx import HTMX, make_response
from flask_htmx.responses import HTMXResponseClientRedirect, HTMXResponseStopPolling

from compat_matrix.scenarios._exchange import get, post, request as send

PAGE = """{% if not htmx %}<html><body hx-boost="true">{% endif %}
<ul id="list">{% for name in names %}<li>{{ name }}</li>{% endfor %}</ul>
{% if htmx.target %}<p>for {{ htmx.target }}</p>{% endif %}
{% if not htmx %}</body></html>{% endif %}"""

htmx = HTMX()
pages = Blueprint("pages", __name__)
names = ["ann", "bob"]


@pages.get("/")
def home() -> ResponseReturnValue:
    return render_template_string(PAGE, names=names)


@pages.get("/async")
async def home_async() -> ResponseReturnValue:
    await asyncio.sleep(0.001)
    return render_template_string(PAGE, names=[*names, str(bool(htmx))])


@pages.get("/told")
def told() -> ResponseReturnValue:
    keys = ("boosted", "current_url", "history_restore_request", "prompt", "target", "trigger")
    return {key: getattr(htmx, key) for key in (*keys, "trigger_name")} | {"htmx": bool(htmx)}


@pages.post("/names")
def add() -> ResponseReturnValue:
    if not htmx:
        abort(400, "htmx only")
    names.append(request.form["name"])
    return make_response(
        render_template_string("<li>{{ name }}</li>", name=names[-1]),
        201,
        push_url="/names",
        trigger={"added": {"name": names[-1]}},
        trigger_after_swap="swapped",
        retarget="#list",
        reswap="beforeend",
    )


@pages.delete("/names/<name>")
def remove(name: str) -> ResponseReturnValue:
    try:
        names.remove(name)
    except ValueError:
        return make_response("nobody", 404, push_url=False, refresh=True)
    return make_response("", location={"path": "/", "target": "#list"}, replace_url=False)


@pages.get("/redirect")
def elsewhere() -> ResponseReturnValue:
    return HTMXResponseClientRedirect("/told")


@pages.get("/poll")
def poll() -> ResponseReturnValue:
    return HTMXResponseStopPolling("enough", headers={"X-After": "3"})


@pages.get("/wrong")
def wrong() -> ResponseReturnValue:
    return make_response("", reswap="sideways")


def create_app() -> Flask:
    app = Flask(__name__)
    htmx.init_app(app)
    app.register_blueprint(pages)
    return app


ASKED = {"HX-Request": "true"}

EXCHANGES = [
    get("/", "<html>"),
    get("/", "<li>ann</li>", "for list", headers={**ASKED, "HX-Target": "list"}),
    get("/async", "<li>True</li>", headers=ASKED),
    get("/async", "<li>False</li>", "<html>"),
    get("/told", '"htmx":false', '"boosted":false'),
    get(
        "/told",
        '"boosted":true',
        '"prompt":"sure"',
        headers={
            **ASKED,
            "HX-Boosted": "true",
            "HX-Current-URL": "http://scenario.test/a?b=c",
            "HX-Prompt": "sure",
            "HX-Trigger": "button",
            "HX-Trigger-Name": "save",
            "HX-History-Restore-Request": "true",
        },
    ),
    post("/names", "hx-trigger: {", form={"name": "eve"}, headers=ASKED, status=201),
    post("/names", "htmx only", form={"name": "eve"}, status=400),
    post("/names", form={}, headers=ASKED, status=400),
    send("DELETE", "/names/ann", "hx-location: {", "hx-replace-url: false", headers=ASKED),
    send("DELETE", "/names/zoe", "hx-refresh: true", headers=ASKED, status=404),
    get("/", "<li>eve</li>", headers=ASKED),
    get("/redirect", "hx-redirect: /told", headers=ASKED),
    get("/poll", "enough", headers=ASKED, status=286),
    get("/wrong", status=500),
    send("HEAD", "/"),
    send("PUT", "/names", status=405),
]
