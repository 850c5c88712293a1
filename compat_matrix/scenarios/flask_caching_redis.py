"""Flask-Caching with Redis: views, functions and fragments that are made once."""

from __future__ import annotations

import itertools
import os

from flask import Blueprint, Flask, render_template_string
from flask.typing import ResponseReturnValue
from flask_caching import Cache

from compat_matrix.scenarios._exchange import get, post
from compat_matrix.scenarios._services import VARIABLE

SERVICE = "redis"
cache = Cache()
made = itertools.count(1)
pages = Blueprint("pages", __name__)


@pages.get("/view")
@cache.cached(timeout=300, query_string=True)
def view() -> ResponseReturnValue:
    return f"view {next(made)}"


@cache.memoize(300)
def squared(number: int) -> str:
    return f"{number * number} made as {next(made)}"


@pages.get("/squared/<int:number>")
def square(number: int) -> ResponseReturnValue:
    return squared(number)


@pages.get("/squared-async/<int:number>")
async def square_async(number: int) -> ResponseReturnValue:
    return squared(number)


@pages.post("/forget/<int:number>")
def forget(number: int) -> ResponseReturnValue:
    cache.delete_memoized(squared, number)
    return "forgotten"


@pages.post("/clear")
def clear() -> ResponseReturnValue:
    return str(cache.clear())


@pages.get("/fragment")
def fragment() -> ResponseReturnValue:
    return render_template_string(
        "{% cache 300, 'fragment' %}fragment {{ next(made) }}{% endcache %}", next=next, made=made
    )


def create_app() -> Flask:
    app = Flask(__name__)
    app.config |= {"CACHE_TYPE": "RedisCache", "CACHE_REDIS_URL": os.environ[VARIABLE]}
    cache.init_app(app)
    app.register_blueprint(pages)
    return app


EXCHANGES = [
    get("/view", "view 1"),
    get("/view", "view 1"),
    get("/view?page=2", "view 2"),
    get("/squared/3", "9 made as 3"),
    get("/squared/3", "9 made as 3"),
    get("/squared-async/3", "9 made as 3"),
    get("/squared-async/4", "16 made as 4"),
    post("/forget/3", "forgotten"),
    get("/squared/3", "9 made as 5"),
    get("/squared/4", "16 made as 4"),
    get("/fragment", "fragment 6"),
    get("/fragment", "fragment 6"),
    post("/clear", "True"),
    get("/view", "view 7"),
]
