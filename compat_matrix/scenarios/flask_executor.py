"""Flask-Executor: work handed to a pool from a view, with the view's contexts."""

from __future__ import annotations

import asyncio
from threading import Event

from flask import Blueprint, current_app, Flask, g, request, session
from flask.typing import ResponseReturnValue
from flask_executor import Executor

from compat_matrix.scenarios._exchange import get, post, SIGNED_AT

executor = Executor()
pages = Blueprint("pages", __name__)
done: list[str] = []
may_go_on = Event()


@pages.before_request
def remember() -> None:
    g.path = request.path
    g.form = request.form.to_dict()  # before a view that blocks keeps it from arriving


def told(number: int) -> dict[str, object]:
    return {
        "number": number,
        "app": current_app.config["COLOUR"],
        "path": request.path,
        "g": g.get("path"),
        "who": request.args.get("who"),
        "session": session.get("who"),
        "form": request.form.to_dict() | g.get("form", {}),
    }


@executor.job
def power(base: int, exponent: int = 2) -> int:
    return base**exponent


@pages.route("/submit", methods=["GET", "POST"])
def submit() -> ResponseReturnValue:
    session["who"] = "ann"
    return executor.submit(told, 1).result(10)


@pages.get("/submit-async")
async def submit_async() -> ResponseReturnValue:
    future = executor.submit(told, 2)
    return await asyncio.wrap_future(future)


@pages.get("/map")
def mapped() -> ResponseReturnValue:
    return {"found": list(executor.map(told, range(3)))}


@pages.get("/job")
def job() -> ResponseReturnValue:
    return {"one": power.submit(3, exponent=3).result(10), "many": list(power.map([1, 2, 3]))}


@pages.post("/stored/<key>")
def store(key: str) -> ResponseReturnValue:
    executor.submit_stored(key, wait_and_tell, key)
    return {"done": executor.futures.done(key)}, 202


def wait_and_tell(key: str) -> str:
    may_go_on.wait(10)
    return f"{key} for {request.args['who']} of {current_app.config['COLOUR']}"


@pages.get("/stored/<key>")
def fetch(key: str) -> ResponseReturnValue:
    if "now" in request.args:
        may_go_on.set()
    elif not executor.futures.done(key):
        return {"status": executor.futures._state(key)}
    return {"result": executor.futures.pop(key).result(10)}


@pages.get("/failing")
def failing() -> ResponseReturnValue:
    future = executor.submit(power, "no number")
    return {"error": repr(future.exception(10))}


@pages.get("/raising")
def raising() -> ResponseReturnValue:
    return str(executor.submit(power, "no number").result(10))


@pages.get("/behind")
def behind() -> ResponseReturnValue:
    """Work that nobody waits for, told when the next request asks."""
    future = executor.submit(done.append, request.args["who"])
    future.add_done_callback(lambda _: done.append("callback"))
    future.result(10)
    return "later", 202


@pages.get("/done")
def tell_done() -> ResponseReturnValue:
    return {"done": done}


def create_app() -> Flask:
    app = Flask(__name__)
    app.secret_key = "of the scenario"
    app.config |= {"COLOUR": "blue", "EXECUTOR_MAX_WORKERS": 4}
    executor.init_app(app)
    app.register_blueprint(pages)
    return app


DIFFERENCES = [SIGNED_AT]

EXCHANGES = [
    get("/submit?who=ann", '"app":"blue"', '"path":"/submit"', '"who":"ann"'),
    post("/submit", '"form":{"a":"b"}', '"session":"ann"', form={"a": "b"}),
    get("/submit-async?who=bob", '"who":"bob"'),
    get("/map?who=eve", '"number":2', '"who":"eve"'),
    get("/job", '"one":27', "[1,4,9]"),
    post("/stored/sum?who=ann", '"done":false', status=202),
    get("/stored/sum", '"status":"RUNNING"'),
    post("/stored/sum?who=ann", status=500),
    get("/stored/sum?now", "sum for ann of blue"),
    get("/stored/sum?now", status=500),
    get("/failing", "TypeError"),
    get("/raising", status=500),
    get("/behind?who=zoe", status=202),
    get("/done", "zoe", "callback"),
    get("/behind", status=400),
    get("/none", status=404),
]
