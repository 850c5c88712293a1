"""Flask-Limiter with Redis: limits that several processes share."""

from __future__ import annotations

import os

from flask import Blueprint, Flask, request
from flask.typing import ResponseReturnValue
from flask_limiter import Limiter
from flask_limiter.util import get_remote_address

from compat_matrix.scenarios._exchange import get, Named
from compat_matrix.scenarios._services import VARIABLE

SERVICE = "redis"
limiter = Limiter(get_remote_address, default_limits=["3 per hour"], headers_enabled=True)
pages = Blueprint("pages", __name__)


@pages.get("/")
def index() -> ResponseReturnValue:
    return "index"


@pages.get("/async")
@limiter.limit("2 per hour", key_func=lambda: request.args.get("key", ""))
async def one_by_key() -> ResponseReturnValue:
    return "async"


@pages.get("/free")
@limiter.exempt
def free() -> ResponseReturnValue:
    return "free"


@pages.errorhandler(429)
def too_many(error: Exception) -> ResponseReturnValue:
    return {"limit": str(error)}, 429


def create_app() -> Flask:
    app = Flask(__name__)
    app.config["RATELIMIT_STORAGE_URI"] = os.environ[VARIABLE]
    limiter.init_app(app)
    app.register_blueprint(pages)
    return app


DIFFERENCES = [
    Named("reset", r"(?<=^x-ratelimit-reset: ).*$"),
    Named("retry", r"(?<=^retry-after: ).*$"),
]

EXCHANGES = [
    get("/", "x-ratelimit-remaining: 2"),
    get("/", "x-ratelimit-remaining: 1"),
    get("/", "x-ratelimit-remaining: 0"),
    get("/", "3 per 1 hour", "retry-after: <retry>", status=429),
    *[get("/free", "free") for _ in range(4)],
    get("/async?key=a", "x-ratelimit-limit: 2"),
    get("/async?key=a", "x-ratelimit-remaining: 0"),
    get("/async?key=a", "2 per 1 hour", status=429),
    get("/async?key=b", "x-ratelimit-remaining: 1"),
]
