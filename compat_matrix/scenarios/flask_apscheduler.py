"""Flask-APScheduler: jobs of an application, run beside it and managed over its API."""

from __future__ import annotations

import asyncio
import threading

from flask import Blueprint, current_app, Flask
from flask.typing import ResponseReturnValue
from flask_apscheduler import APScheduler
from flask_apscheduler.auth import HTTPBasicAuth

from compat_matrix.scenarios._exchange import get, LENGTH, Named, request as send, send_json

THIS = f"{__name__}:counted"
scheduler = APScheduler()
pages = Blueprint("pages", __name__)
ran: dict[str, int] = {}
changed = threading.Condition()


def counted(name: str) -> None:
    """The job: it counts in the name of the application that it belongs to."""
    with scheduler.app.app_context():
        text = f"{current_app.config['COLOUR']} {name}"
    with changed:
        ran[text] = ran.get(text, 0) + 1
        changed.notify_all()


def wait_for(text: str) -> bool:
    with changed:
        return changed.wait_for(lambda: text in ran, 10)


@pages.get("/ran/<text>")
def tell(text: str) -> ResponseReturnValue:
    return {"ran": wait_for(text)}


@pages.get("/ran-async/<text>")
async def tell_async(text: str) -> ResponseReturnValue:
    return {"ran": await asyncio.to_thread(wait_for, text)}


@pages.post("/once/<name>")
def once(name: str) -> ResponseReturnValue:
    job = scheduler.add_job(id=name, func=counted, args=[name])
    return {"id": job.id, "name": job.name}, 201


@pages.post("/every/<name>")
def every(name: str) -> ResponseReturnValue:
    scheduler.add_job(id=name, func=THIS, args=[name], trigger="interval", seconds=0.05)
    ran.pop(f"blue {name}", None)
    return {"found": scheduler.get_job(name).id, "again": wait_for(f"blue {name}")}, 201


@pages.post("/pause")
def pause() -> ResponseReturnValue:
    scheduler.pause()
    state = scheduler.state
    scheduler.resume()
    return {"paused": state, "resumed": scheduler.state}


def credentials(auth: dict[str, str]) -> bool:
    return auth["username"] == "ann" and auth["password"] == "secret"


def create_app() -> Flask:
    app = Flask(__name__)
    app.config |= {
        "COLOUR": "blue",
        "SCHEDULER_API_ENABLED": True,
        "SCHEDULER_TIMEZONE": "UTC",
        "SCHEDULER_AUTH": HTTPBasicAuth(),
        "JOBS": [
            {"id": "hourly", "func": THIS, "args": ("hourly",), "trigger": "interval", "hours": 1},
            {"id": "nightly", "func": THIS, "args": ("x",), "trigger": "cron", "hour": 3},
        ],
    }
    scheduler.init_app(app)
    scheduler.authenticate(credentials)
    scheduler.start()
    app.register_blueprint(pages)
    return app


DIFFERENCES = [
    LENGTH,
    Named("time of the job", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?\+00:00"),
]

ANN = {"Authorization": "Basic YW5uOnNlY3JldA=="}
NEW = {"id": "new", "func": THIS, "args": ["new"], "trigger": "interval", "hours": 2}

EXCHANGES = [
    get("/scheduler", status=401),
    get("/scheduler", '"running": true', headers=ANN),
    get("/scheduler/jobs", '"hourly"', '"nightly"', headers=ANN),
    get("/scheduler/jobs/hourly", '"hours": 1', headers=ANN),
    get("/scheduler/jobs/none", status=404, headers=ANN),
    send("POST", "/once/first", '"id":"first"', status=201),
    get("/ran/blue%20first", '"ran":true'),
    get("/ran-async/blue%20first", '"ran":true'),
    send("POST", "/every/often", '"again":true', status=201),
    send("POST", "/every/often", status=500),
    send("DELETE", "/scheduler/jobs/often", headers=ANN, status=204),
    send_json("/scheduler/jobs", NEW, '"hours": 2', headers=ANN),
    send_json("/scheduler/jobs", NEW, "already exists", headers=ANN, status=409),
    send_json(
        "/scheduler/jobs/new", {"hours": 3, "trigger": "interval"}, method="PATCH", headers=ANN
    ),
    send("POST", "/scheduler/jobs/new/run", headers=ANN),
    get("/ran/blue%20new", '"ran":true'),
    send("POST", "/scheduler/jobs/new/pause", headers=ANN),
    send("POST", "/scheduler/jobs/new/resume", headers=ANN),
    send("DELETE", "/scheduler/jobs/new", headers=ANN, status=204),
    send("DELETE", "/scheduler/jobs/new", headers=ANN, status=404),
    send_json("/scheduler/jobs", {"id": "bad", "func": "nowhere:nothing"}, headers=ANN, status=500),
    send("POST", "/pause", '"paused":2', '"resumed":1'),
    send("POST", "/scheduler/shutdown", headers=ANN, status=204),
    get("/scheduler", '"running": false', headers=ANN),
]
