"""Flask-Session with Redis: a basket that the server keeps there."""

from __future__ import annotations

import asyncio
import os

from flask import Blueprint, Flask, request, session
from flask.typing import ResponseReturnValue
from flask_session import Session
from redis import Redis

from compat_matrix.scenarios._exchange import EXPIRES, get, Named, post
from compat_matrix.scenarios._services import VARIABLE

SERVICE = "redis"
pages = Blueprint("pages", __name__)


@pages.post("/basket")
def put_in() -> ResponseReturnValue:
    session["basket"] = [*session.get("basket", []), request.form["what"]]
    return {"basket": session["basket"]}


@pages.get("/basket")
def basket() -> ResponseReturnValue:
    return {"basket": session.get("basket", [])}


@pages.get("/basket-async")
async def basket_async() -> ResponseReturnValue:
    await asyncio.sleep(0)
    session["seen"] = session.get("seen", 0) + 1
    return {"basket": session.get("basket", []), "seen": session["seen"]}


@pages.post("/leave")
def leave() -> ResponseReturnValue:
    session.clear()
    return "bye"


@pages.get("/kept")
def kept() -> ResponseReturnValue:
    return {"sessions": len(Redis.from_url(os.environ[VARIABLE]).keys("session:*"))}


def create_app() -> Flask:
    app = Flask(__name__)
    app.config["SESSION_TYPE"] = "redis"
    app.config["SESSION_REDIS"] = Redis.from_url(os.environ[VARIABLE])
    Session(app)
    app.register_blueprint(pages)
    return app


DIFFERENCES = [EXPIRES, Named("session id", r"(?<=session=)[\w-]{20,}")]

EXCHANGES = [
    get("/basket", '"basket":[]'),
    get("/kept", '"sessions":0'),
    post("/basket", '"basket":["pear"]', "session=<session id>", form={"what": "pear"}),
    post("/basket", '"basket":["pear","fig"]', form={"what": "fig"}),
    get("/kept", '"sessions":1'),
    get("/basket-async", '"seen":1', '"basket":["pear","fig"]'),
    get("/basket-async", '"seen":2'),
    post("/basket", form={"else": "?"}, status=400),
    post("/leave", "bye"),
    get("/basket", '"basket":[]'),
    get("/kept", '"sessions":0'),
]
