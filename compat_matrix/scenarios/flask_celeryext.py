"""Flask-CeleryExt: tasks that run where they are called, each in a context of the application."""

from __future__ import annotations

import asyncio

from celery import shared_task
from flask import Blueprint, current_app, Flask, g, has_request_context, request
from flask.typing import ResponseReturnValue
from flask_celeryext import (
    AppContextTask,
    create_celery_app,
    FlaskCeleryExt,
    RequestContextTask,
)

from compat_matrix.scenarios._exchange import get, Named, post, request as send

pages = Blueprint("pages", __name__)


@shared_task(base=AppContextTask)
def add(one: int, other: int) -> dict[str, object]:
    return {
        "sum": one + other,
        "app": current_app.config["TITLE"],
        "within": getattr(g, "who", None),
        "request": has_request_context(),
    }


@shared_task(base=RequestContextTask)
def where() -> dict[str, object]:
    return {"path": request.path, "who": g.who}


@shared_task(base=AppContextTask)
def fail() -> None:
    raise LookupError("in a task")


@pages.before_app_request
def name() -> None:
    g.who = request.headers.get("X-Who", "nobody")


@pages.post("/add")
def call() -> ResponseReturnValue:
    return add.delay(int(request.form["one"]), int(request.form["other"])).get()


@pages.post("/add-async")
async def call_async() -> ResponseReturnValue:
    await asyncio.sleep(0.001)
    found = add.delay(1, 2).get()
    return {"found": found, "path": request.path}


@pages.post("/where")
def of_a_request() -> ResponseReturnValue:
    return {"task": where.delay().get(), "view": request.path, "who": g.who}


@pages.post("/fail")
def failing() -> ResponseReturnValue:
    result = fail.delay()
    return {"state": result.state, "error": str(result.result)}


@pages.post("/raise")
def raising() -> ResponseReturnValue:
    return fail.delay().get()


@pages.get("/extension")
def extension() -> ResponseReturnValue:
    celery = current_app.extensions["flask-celeryext"].celery
    return {"eager": celery.conf.task_always_eager, "same": celery.flask_app is add.app.flask_app}


def create_app() -> Flask:
    app = Flask(__name__)
    app.config |= {
        "TITLE": "scenario",
        "CELERY_TASK_ALWAYS_EAGER": True,
        "CELERY_RESULT_BACKEND": "cache",
        "CELERY_CACHE_BACKEND": "memory",
        "CELERY_TASK_EAGER_PROPAGATES": False,
    }
    FlaskCeleryExt(app, create_celery_app=create_celery_app).celery.set_default()
    app.register_blueprint(pages)
    return app


DIFFERENCES: list[Named] = []

EXCHANGES = [
    get("/extension", '"eager":true'),
    post("/add", '"sum":5', '"app":"scenario"', form={"one": "2", "other": "3"}),
    post("/add", '"within":"ann"', form={"one": "2", "other": "3"}, headers={"X-Who": "ann"}),
    post("/add", form={"one": "2"}, status=400),
    post("/add", form={"one": "two", "other": "3"}, status=500),
    post("/add-async", '"sum":3', '"path":"/add-async"'),
    post("/where", '"path":"/"', '"view":"/where"', headers={"X-Who": "bob"}),
    post("/fail", '"state":"FAILURE"', "in a task"),
    post("/raise", status=500),
    post("/add", '"sum":7', form={"one": "3", "other": "4"}),
    send("GET", "/add", status=405),
]
