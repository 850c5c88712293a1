"""Errors: where they are raised, and who handles them."""

from __future__ import annotations

from typing import Any

from _kit import call, fetch, make_app, page, scope, told
from werkzeug.exceptions import Aborter, BadRequest, HTTPException, NotFound

from quart import (
    abort,
    Blueprint,
    got_request_exception,
    jsonify,
    Quart,
    redirect,
    request,
    url_for,
)

PATHS = ("/", "/nowhere", "/fail", "/abort", "/blue/fail", "/blue/abort", "/blue/nowhere")


def failing() -> tuple[Quart, Blueprint]:
    """Return an application and a blueprint, whose views do not succeed."""
    app, blueprint = make_app(), Blueprint("blue", __name__, url_prefix="/blue")
    app.config["PROPAGATE_EXCEPTIONS"] = False

    @app.get("/")
    async def index() -> str:
        return "index"

    for scaffold in (app, blueprint):

        @scaffold.get("/fail")
        async def fail() -> str:
            raise LookupError("mine")

        @scaffold.get("/abort")
        async def aborts() -> str:
            abort(403, "not you")

    return app, blueprint


async def all_of(app: Quart, blueprint: Blueprint) -> Any:
    app.register_blueprint(blueprint)
    return [await fetch(app, path) for path in PATHS]


@page("reference/api")
async def errors_that_nobody_handles() -> Any:
    found = await all_of(*failing())
    return [answer[:2] for answer in found]


@page("reference/api")
async def handlers_of_blueprints() -> Any:
    app, blueprint = failing()

    @blueprint.errorhandler(LookupError)
    async def lookup(error: Any) -> Any:
        return f"blueprint {error}", 418

    @blueprint.errorhandler(403)
    async def forbidden(error: Any) -> Any:
        return f"blueprint {error.description}", 403

    @blueprint.app_errorhandler(404)
    async def missing(error: Any) -> Any:
        return "application wide", 404

    return await all_of(app, blueprint)


@page("reference/api")
async def handlers_by_class() -> Any:
    app, blueprint = failing()

    @app.errorhandler(Exception)
    async def any_error(error: Exception) -> Any:
        return f"any {type(error).__name__}", 500

    @app.errorhandler(LookupError)
    async def lookup(error: Any) -> Any:
        return f"lookup {type(error).__name__}", 400

    @app.get("/key")
    async def key() -> str:
        raise KeyError("derived")

    return [*await all_of(app, blueprint), await fetch(app, "/key")]


@page("reference/api")
async def one_handler_for_all_http_errors() -> Any:
    app, blueprint = failing()

    @app.errorhandler(HTTPException)
    async def as_json(error: HTTPException) -> Any:
        return jsonify(code=error.code, name=error.name), error.code

    return await all_of(app, blueprint)


@page("reference/api")
async def handlers_registered_by_calls() -> Any:
    app, blueprint = failing()
    app.register_error_handler(404, lambda error: ("by a call", 404))
    app.register_error_handler(NotFound, lambda error: ("by a class", 404))
    blueprint.register_error_handler(LookupError, lambda error: ("blueprint", 409))
    return await all_of(app, blueprint)


@page("reference/api")
async def errors_of_hooks() -> Any:
    found = []
    for hook in ("before_request", "after_request", "teardown_request"):
        app = make_app()
        app.config["PROPAGATE_EXCEPTIONS"] = False

        async def fail(*arguments: Any) -> Any:
            raise LookupError("of a hook")

        @app.errorhandler(LookupError)
        async def handle(error: Any) -> Any:
            return f"handled {error}", 400

        getattr(app, hook)(fail)
        app.add_url_rule("/", "view", lambda: "view")
        found.append([hook, (await fetch(app))[0] if hook != "teardown_request" else None])
    return found


@page("reference/api")
async def what_tears_down_is_told_the_error() -> Any:
    app, log = make_app(), []
    app.config["PROPAGATE_EXCEPTIONS"] = False

    @app.teardown_request
    async def request_down(error: Any) -> None:
        log.append(["request", type(error).__name__])

    @app.teardown_appcontext
    async def context_down(error: Any) -> None:
        log.append(["context", type(error).__name__])

    @app.get("/fail")
    async def fail() -> str:
        raise LookupError("mine")

    @app.get("/handled")
    async def handled() -> str:
        abort(400)

    answers = [await fetch(app, path) for path in ("/fail", "/handled")]
    return [[answer[0] for answer in answers], log]


@page("reference/api")
async def an_error_in_an_error_handler() -> Any:
    app = make_app()
    app.config["PROPAGATE_EXCEPTIONS"] = False

    @app.errorhandler(404)
    async def missing(error: Any) -> Any:
        raise LookupError("of the handler")

    @app.errorhandler(500)
    async def failed(error: Any) -> Any:
        return f"failed {type(error.original_exception).__name__}", 500

    return await fetch(app, "/nowhere")


@page("reference/api")
async def the_signal_of_an_error() -> Any:
    app, log = make_app(), []
    app.config["PROPAGATE_EXCEPTIONS"] = False

    async def note(sender: Any, exception: Any, **more: Any) -> None:
        log.append([sender.name, type(exception).__name__])

    @app.get("/")
    async def view() -> str:
        raise LookupError("mine")

    with got_request_exception.connected_to(note, app):
        answers = [await fetch(app), await fetch(app, "/nowhere")]
    return [[answer[0] for answer in answers], log]


@page("how_to_guides/configuration")
async def errors_that_are_trapped() -> Any:
    found = []
    for name in ("TRAP_HTTP_EXCEPTIONS", "TRAP_BAD_REQUEST_ERRORS"):
        app = make_app()
        app.config[name] = app.config["PROPAGATE_EXCEPTIONS"] = True

        @app.get("/<kind>")
        async def view(kind: str) -> str:
            if kind == "key":
                return request.args["missing"]
            raise BadRequest if kind == "bad" else NotFound

        seen = []
        for path in ("/key", "/bad", "/missing"):
            try:
                seen.append((await fetch(app, path))[0])
            except HTTPException as error:
                seen.append(type(error).__name__)
        found.append(seen)
    return found


@page("reference/api")
async def an_aborter_of_ones_own() -> Any:
    class Payment(HTTPException):
        code = 402
        description = "pay"

    class Mine(Aborter):
        def __init__(self, mapping: Any = None, extra: Any = None) -> None:
            super().__init__(mapping, {402: Payment})

    class App(Quart):
        aborter_class = Mine

    app = App("aborting")

    @app.get("/")
    async def view() -> str:
        abort(402)

    return (await fetch(app))[::2]


@page("reference/api")
async def redirects() -> Any:
    app = make_app()
    app.add_url_rule("/folder/", "folder", lambda: "folder")

    @app.get("/<int:code>")
    async def view(code: int) -> Any:
        return redirect(url_for("folder", q="ü"), code)

    client = app.test_client()
    answers = [await client.get(path) for path in ("/301", "/302", "/303", "/308", "/folder?a=1")]
    return [[answer.status_code, answer.headers["Location"]] for answer in answers]


@page("how_to_guides/developing")
async def the_page_of_a_debugged_error() -> Any:
    app = make_app()
    app.debug = True

    @app.get("/")
    async def view() -> str:
        raise LookupError("in debug mode")

    try:
        status, kind, text = await fetch(app)
    except LookupError:
        return "raised"
    return [status, kind, "LookupError" in text]


@page("how_to_guides/websockets")
async def a_websocket_route_over_http() -> Any:
    app = make_app()

    @app.websocket("/ws")
    async def ws() -> None:
        raise AssertionError("nobody opens this")

    found = [(await fetch(app, "/ws"))[0]]
    app.add_url_rule("/ws", "http", lambda: "A HTTP request")
    found.append(await fetch(app, "/ws"))
    sent = await call(app, scope("/other", "websocket"), {"type": "websocket.connect"})
    return [*found, told(sent)]
