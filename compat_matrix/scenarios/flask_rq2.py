"""Flask-RQ2: jobs that are queued in Redis, run at once, scheduled and looked at."""

from __future__ import annotations

import asyncio
import os

from flask import Blueprint, current_app, Flask, request
from flask.typing import ResponseReturnValue
from flask_rq2 import RQ

from compat_matrix.scenarios._exchange import get, Named, post
from compat_matrix.scenarios._services import VARIABLE

SERVICE = "redis"
rq = RQ()
pages = Blueprint("pages", __name__)


@rq.job
def add(one: int, other: int) -> int:
    return one + other


@rq.job("low", timeout=60)
def title() -> str:
    return str(current_app.config["TITLE"])


@pages.post("/now")
def now() -> ResponseReturnValue:
    return {"sum": add(int(request.form["one"]), int(request.form["other"]))}


@pages.post("/queue")
def queue() -> ResponseReturnValue:
    job = add.queue(int(request.form["one"]), int(request.form["other"]), job_id=request.form["id"])
    return {"id": job.id, "origin": job.origin, "args": job.args}, 202


@pages.post("/queue-async")
async def queue_async() -> ResponseReturnValue:
    await asyncio.sleep(0.001)
    job = title.queue(job_id="title", queue="high")
    return {"id": job.id, "origin": job.origin, "timeout": job.timeout}, 202


@pages.get("/jobs")
def jobs() -> ResponseReturnValue:
    names = ("default", "low", "high")
    return {name: rq.get_queue(name).job_ids for name in names}


@pages.get("/jobs/<name>")
def job(name: str) -> ResponseReturnValue:
    found = rq.get_queue().fetch_job(name)
    return ({"status": found.get_status()}, 200) if found else ("none", 404)


@pages.post("/empty")
def empty() -> ResponseReturnValue:
    return {"removed": rq.get_queue().empty()}


def create_app() -> Flask:
    app = Flask(__name__)
    app.config |= {"TITLE": "scenario", "RQ_REDIS_URL": os.environ[VARIABLE]}
    rq.init_app(app)
    app.register_blueprint(pages)
    return app


DIFFERENCES: list[Named] = []
ONE = {"one": "1", "other": "2", "id": "first"}

EXCHANGES = [
    get("/jobs", '"default":[]'),
    post("/now", '"sum":3', form=ONE),
    post("/queue", '"id":"first"', '"origin":"default"', form=ONE, status=202),
    post("/queue", '"id":"second"', form={**ONE, "id": "second"}, status=202),
    post("/queue", form={"one": "1"}, status=400),
    post("/queue-async", '"origin":"high"', status=202),
    get("/jobs", '["first","second"]', '"high":["title"]'),
    get("/jobs/first", "queued"),
    get("/jobs/none", status=404),
    post("/empty", '"removed":2'),
    get("/jobs", '"default":[]'),
    get("/jobs/first", status=404),
]
