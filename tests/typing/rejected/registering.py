# pyright: reportUnnecessaryTypeIgnoreComment=true
"""What cannot be registered: each mistake is one that a type checker finds.

A comment that ignores an error which is not there is an error itself.
"""

from __future__ import annotations

from quart import Blueprint, Quart, Response

app = Quart(__name__)
blueprint = Blueprint("name")  # type: ignore[call-arg]
misspelt = Blueprint("name", __name__, prefix="/x")  # type: ignore[call-arg]
Quart()  # type: ignore[call-arg]
Quart(__name__, statics="static")  # type: ignore[call-arg]


@app.get("/number")  # type: ignore[type-var]
async def number() -> int:
    return 1


@app.get("/none")  # type: ignore[type-var]
def none() -> None: ...


@app.route("/float")  # type: ignore[type-var]
async def status_first() -> tuple[int, str]:
    return 201, "made"


@app.websocket("/count")  # type: ignore[type-var]
async def count() -> int:
    return 1


@app.before_request  # type: ignore[type-var]
async def before(request: object) -> None: ...


@app.before_websocket  # type: ignore[type-var]
async def before_websocket() -> bool:
    return True


@app.after_request  # type: ignore[type-var]
async def after() -> Response:
    return Response("")


@app.teardown_request  # type: ignore[type-var]
async def teardown() -> None: ...


@app.teardown_websocket  # type: ignore[type-var]
async def teardown_websocket() -> None: ...


@app.errorhandler(404)  # type: ignore[type-var]
async def missing() -> str:
    return "missing"


@app.before_serving  # type: ignore[type-var]
async def start(server: object) -> None: ...


@app.while_serving  # type: ignore[type-var]
async def life() -> None: ...


@blueprint.after_app_websocket  # type: ignore[type-var]
async def after_websocket() -> None: ...


app.register_blueprint(app)  # type: ignore[arg-type]
app.add_websocket("/feed", view_func=1)  # type: ignore[arg-type]
