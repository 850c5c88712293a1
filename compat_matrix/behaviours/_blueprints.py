"""Blueprints, and URLs that are built."""

from __future__ import annotations

from typing import Any

from _kit import call, fetch, make_app, page, returns, scope, told

from quart import Blueprint, current_app, g, Quart, render_template_string, request, url_for
from quart.views import MethodView, View


@page("how_to_guides/blueprints")
async def hooks_of_a_blueprint() -> Any:
    app, log = make_app(), []
    blueprint = Blueprint("blue", __name__, url_prefix="/blue")

    def noting(name: str, returned: Any = None) -> Any:
        async def note(*arguments: Any) -> Any:
            log.append(f"{name} {request.path}")
            return arguments[0] if returned is ... else returned

        return note

    blueprint.before_request(noting("before"))
    blueprint.before_app_request(noting("before app"))
    blueprint.after_request(noting("after", ...))
    blueprint.after_app_request(noting("after app", ...))
    blueprint.teardown_request(noting("teardown"))
    blueprint.teardown_app_request(noting("teardown app"))
    blueprint.add_url_rule("/", "view", returns("blue"))
    app.add_url_rule("/", "index", returns("index"))
    app.register_blueprint(blueprint)
    return [await fetch(app, "/"), await fetch(app, "/blue/"), log]


@page("how_to_guides/templating")
async def template_functions_of_a_blueprint() -> Any:
    app = make_app()
    blueprint = Blueprint("blue", __name__, url_prefix="/blue")

    @blueprint.app_template_filter()
    def twice(value: str) -> str:
        return value * 2

    @blueprint.app_template_test("short")
    def is_short(value: str) -> bool:
        return len(value) < 3

    @blueprint.app_template_global()
    def made() -> str:
        return "made"

    @blueprint.context_processor
    async def blueprint_only() -> Any:
        return {"only": "blueprint"}

    @blueprint.app_context_processor
    async def app_wide() -> Any:
        return {"wide": "app"}

    source = "{{ 'a' | twice }} {{ 'abc' is short }} {{ made() }} {{ only }} {{ wide }}"

    async def view() -> str:
        return await render_template_string(source)

    blueprint.add_url_rule("/", "view", view)
    app.add_url_rule("/", "view", view)
    app.register_blueprint(blueprint)
    return [await fetch(app, "/"), await fetch(app, "/blue/")]


@page("how_to_guides/blueprints")
async def a_blueprint_registered_twice() -> Any:
    app = make_app()
    blueprint = Blueprint("blue", __name__)

    @blueprint.get("/")
    async def view() -> Any:
        return [request.blueprint, request.endpoint, url_for(".view")]

    app.register_blueprint(blueprint, url_prefix="/one")
    app.register_blueprint(blueprint, url_prefix="/two", name="other")
    found: list[Any] = [await fetch(app, path) for path in ("/one/", "/two/")]
    try:
        app.register_blueprint(blueprint, url_prefix="/three")
    except ValueError:
        found.append("refused")
    return found


@page("how_to_guides/blueprints")
async def a_blueprint_with_values_in_its_prefix() -> Any:
    app = make_app()
    blueprint = Blueprint("blue", __name__, url_prefix="/<lang>")

    @blueprint.url_value_preprocessor
    def pull(endpoint: str, values: Any) -> None:
        g.lang = values.pop("lang")

    @blueprint.url_defaults
    def push(endpoint: str, values: Any) -> None:
        values.setdefault("lang", g.lang)

    @blueprint.get("/page/<int:number>")
    async def view(number: int) -> Any:
        return [g.lang, number, url_for("blue.view", number=2)]

    app.register_blueprint(blueprint)
    return [await fetch(app, "/de/page/1"), await fetch(app, "/en/page/7")]


@page("how_to_guides/blueprints")
async def what_a_blueprint_records() -> Any:
    app = make_app()
    blueprint, log = Blueprint("blue", __name__, url_defaults={"x": 1}), []
    blueprint.record(lambda state: log.append([state.app.name, state.first_registration]))
    blueprint.record_once(lambda state: log.append("once"))

    @blueprint.route("/<y>")
    async def view(x: int, y: str) -> Any:
        return [x, y]

    app.register_blueprint(blueprint)
    app.register_blueprint(blueprint, name="again", url_prefix="/again", url_defaults={"x": 2})
    return [log, await fetch(app, "/a"), await fetch(app, "/again/b"), sorted(app.blueprints)]


@page("how_to_guides/websockets")
async def websockets_of_a_blueprint() -> Any:
    from quart import websocket

    app, log = make_app(), []
    blueprint = Blueprint("blue", __name__, url_prefix="/blue")

    async def note(*arguments: Any) -> Any:
        log.append(websocket.path)
        return arguments[0] if arguments else None

    blueprint.before_websocket(note)
    blueprint.after_websocket(note)

    @blueprint.websocket("/ws")
    async def ws() -> None:
        await websocket.send(f"{websocket.blueprint} {websocket.endpoint}")

    app.register_blueprint(blueprint)
    opens = {"type": "websocket.connect"}
    return [told(await call(app, scope("/blue/ws", "websocket"), opens)), log]


@page("reference/api")
async def urls() -> Any:
    app = make_app()
    app.add_url_rule("/", "index", returns(""))
    app.add_url_rule("/item/<int:number>", "item", returns(""))
    app.add_websocket("/ws", "ws", returns(""))
    asked: list[tuple[str, dict[str, Any]]] = [
        ("index", {}),
        ("index", {"a": [1, 2], "b": "ü &"}),
        ("index", {"_anchor": "x y", "_external": True}),
        ("index", {"_scheme": "https", "_external": True}),
        ("item", {"number": 5, "_method": "GET"}),
        ("item", {}),
        ("missing", {}),
        ("ws", {"_external": True}),
    ]
    found = []
    async with app.test_request_context("/"):
        for endpoint, values in asked:
            try:
                found.append(url_for(endpoint, **values))
            except Exception as error:
                found.append(type(error).__name__)
    return found


@page("reference/api")
async def urls_outside_of_a_request() -> Any:
    found = []
    for name in (None, "a.test"):
        app = make_app()
        app.config["SERVER_NAME"] = name
        app.config["APPLICATION_ROOT"] = "/root"
        app.config["PREFERRED_URL_SCHEME"] = "https"
        app.add_url_rule("/", "index", returns(""))
        async with app.app_context():
            for values in ({}, {"_external": False}):
                try:
                    found.append(url_for("index", **values))
                except Exception as error:
                    found.append(type(error).__name__)
    return found


@page("reference/api")
async def urls_that_cannot_be_built() -> Any:
    app = make_app()

    def external(error: Exception, endpoint: str, values: Any) -> str:
        if endpoint == "other":
            return "http://other.test/"
        raise error

    app.url_build_error_handlers.append(external)
    async with app.test_request_context("/"):
        found = [url_for("other")]
        try:
            url_for("missing")
        except Exception as error:
            found.append(type(error).__name__)
    return found


@page("reference/api")
async def views_that_are_classes_with_arguments() -> Any:
    app = make_app()

    def loud(func: Any) -> Any:
        async def wrapper(**values: Any) -> Any:
            return f"{await current_app.ensure_async(func)(**values)}!"

        return wrapper

    class One(View):
        decorators = [loud]  # noqa: RUF012 - as the page has it
        init_every_request = False

        def __init__(self, word: str) -> None:
            self.word, self.count = word, 0

        async def dispatch_request(self) -> str:
            self.count += 1
            return f"{self.word} {self.count}"

    class Two(MethodView):
        init_every_request = False

        async def get(self, number: int | None) -> Any:
            return [number]

        async def delete(self, number: int) -> Any:
            return "", 204

    app.add_url_rule("/one", view_func=One.as_view("one", "hello"))
    two = Two.as_view("two")
    app.add_url_rule("/two/", defaults={"number": None}, view_func=two, methods=["GET"])
    app.add_url_rule("/two/<int:number>", view_func=two, methods=["GET", "DELETE"])
    asked = [("/one", "GET"), ("/one", "GET"), ("/two/", "GET"), ("/two/3", "DELETE")]
    return [await fetch(app, path, method) for path, method in asked]


@page("how_to_guides/routing")
async def endpoints_apart_from_their_rules() -> Any:
    app = make_app()
    app.add_url_rule("/", endpoint="apart")
    app.add_url_rule("/other", endpoint="apart")

    @app.endpoint("apart")
    async def view() -> str:
        return str(request.url_rule)

    @app.route("/options", methods=["GET"], provide_automatic_options=False)
    async def without() -> str:
        return "got"

    @app.route("/strict/", strict_slashes=False)
    async def strict() -> str:
        return "strict"

    found = [await fetch(app, path) for path in ("/", "/other", "/strict", "/strict/")]
    return [*found, (await fetch(app, "/options", "OPTIONS"))[0]]


@page("how_to_guides/routing")
async def options_that_are_not_given_by_themselves() -> Any:
    app = Quart("options")
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False
    app.add_url_rule("/", "index", returns("index"))
    return [(await fetch(app, "/", method))[0] for method in ("GET", "OPTIONS", "HEAD", "POST")]


@page("how_to_guides/routing")
async def redirects_of_a_rule() -> Any:
    app = make_app()
    app.add_url_rule("/new", "new", returns("new"))
    app.add_url_rule("/old", "old", redirect_to="/new")
    app.add_url_rule("/number/<int:n>", "n", redirect_to=lambda adapter, n: f"/new?n={n}")
    client = app.test_client()
    answers = [await client.get(path) for path in ("/old", "/number/3")]
    return [[answer.status_code, answer.headers.get("Location")] for answer in answers]
