"""Blueprints: what they add to Flask's, and nesting."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import flask.sansio.blueprints
import pytest

from quart import abort, Blueprint, Quart, render_template, request, url_for, websocket
from quart.blueprints import BlueprintSetupState

from .driver import exchange, hook, noting, route, run


@pytest.fixture
def blueprint() -> Blueprint:
    return Blueprint("bp", __name__, url_prefix="/bp")


def test_it_takes_what_flasks_takes(tmp_path: Path) -> None:
    blueprint = Blueprint(
        "bp",
        __name__,
        static_folder="static",
        static_url_path="/files",
        template_folder="templates",
        url_prefix="/prefix",
        subdomain="sub",
        url_defaults={"a": 1},
        root_path=str(tmp_path),
        cli_group="group",
    )

    assert isinstance(blueprint, flask.sansio.blueprints.Blueprint)
    assert blueprint.static_url_path == "/files"
    assert blueprint.root_path == str(tmp_path)


def test_its_routes_are_below_its_prefix(app: Quart, blueprint: Blueprint, kind: str) -> None:
    @route(blueprint, kind, "/<name>")
    async def view(name: str) -> str:
        connection: Any = request if kind == "request" else websocket
        return f"{name} {connection.blueprint} {connection.endpoint} {connection.blueprints}"

    app.register_blueprint(blueprint)

    assert exchange(app, kind, "/bp/x").text == "x bp bp.view ['bp']"


def test_nested_blueprints_join_names_and_prefixes(app: Quart, kind: str) -> None:
    outer = Blueprint("outer", __name__, url_prefix="/outer")
    inner = Blueprint("inner", __name__, url_prefix="/inner")

    @route(inner, kind, "/")
    async def view() -> str:
        connection: Any = request if kind == "request" else websocket
        return f"{connection.endpoint} {connection.blueprints}"

    outer.register_blueprint(inner)
    app.register_blueprint(outer, url_prefix="/other")

    expected = "outer.inner.view ['outer.inner', 'outer']"
    assert exchange(app, kind, "/other/inner/").text == expected


def test_a_relative_endpoint_is_of_the_blueprint(app: Quart, blueprint: Blueprint) -> None:
    @blueprint.route("/a")
    async def a() -> str:
        return f"{url_for('.b')} {url_for('bp.b')}"

    @blueprint.route("/b")
    async def b() -> str:
        return ""

    app.register_blueprint(blueprint)

    assert exchange(app, "request", "/bp/a").text == "/bp/b /bp/b"


def test_add_websocket_takes_a_function(app: Quart, blueprint: Blueprint) -> None:
    blueprint.add_websocket("/ws", "named", lambda: "ok")
    app.register_blueprint(blueprint)

    assert exchange(app, "websocket", "/bp/ws").text == "ok"
    assert "bp.named" in app.view_functions


def test_serving_hooks(app: Quart, blueprint: Blueprint, log: list[str]) -> None:
    blueprint.before_app_serving(noting(log, "before", "async"))
    blueprint.after_app_serving(noting(log, "after", "plain"))

    @blueprint.while_app_serving
    async def around() -> AsyncIterator[None]:
        log.append("up")
        yield
        log.append("down")

    app.register_blueprint(blueprint)

    async def main() -> None:
        await app.startup()
        await app.shutdown()

    run(main())

    assert log == ["before", "up", "down", "after"]


@pytest.mark.parametrize("when", ["before", "after", "teardown"])
def test_websocket_hooks_of_nested_blueprints_are_merged(
    app: Quart, kind: str, when: str, log: list[str]
) -> None:
    outer, inner = Blueprint("outer", __name__), Blueprint("inner", __name__)
    for scaffold in (outer, inner):
        func = noting(log, scaffold.name, "async", passes_on=when == "after")
        hook(scaffold, when, kind)(func)
    route(inner, kind)(lambda: "ok")
    outer.register_blueprint(inner)
    app.register_blueprint(outer)

    exchange(app, kind)

    assert log == (["outer", "inner"] if when == "before" else ["inner", "outer"])
    assert set(getattr(app, f"{when}_{kind}_funcs")) >= {"outer", "outer.inner"}


def test_hooks_added_after_registration_are_refused(app: Quart, blueprint: Blueprint) -> None:
    app.register_blueprint(blueprint)

    with pytest.raises(AssertionError, match="setup method"):
        blueprint.before_websocket(lambda: None)
    with pytest.raises(AssertionError, match="setup method"):
        blueprint.websocket("/")


def test_an_application_that_has_served_takes_what_is_added(app: Quart, kind: str) -> None:
    route(app, kind)(lambda: "ok")
    assert not app.got_first_request
    exchange(app, kind)
    assert app.got_first_request

    seen: list[str] = []

    def late() -> str:
        return "late"

    def note() -> None:
        seen.append("hook")

    route(app, kind, "/late")(late)
    hook(app, "before", kind)(note)
    blueprint = Blueprint("late", __name__, url_prefix="/later")
    route(blueprint, kind, "/still")(lambda: "later still")
    app.register_blueprint(blueprint)
    assert exchange(app, kind, "/late").text == "late"
    assert exchange(app, kind, "/later/still").text == "later still"
    assert seen == ["hook", "hook"]


def test_record_gives_the_state(app: Quart, blueprint: Blueprint) -> None:
    seen: list[Any] = []
    blueprint.record(seen.append)
    app.register_blueprint(blueprint, url_prefix="/other")

    (state,) = seen
    assert isinstance(state, BlueprintSetupState)
    assert (state.app, state.url_prefix) == (app, "/other")


def test_static_files(app: Quart, tmp_path: Path) -> None:
    (tmp_path / "static").mkdir()
    (tmp_path / "static" / "a.txt").write_text("content")
    blueprint = Blueprint(
        "bp", __name__, static_folder="static", url_prefix="/bp", root_path=str(tmp_path)
    )
    app.register_blueprint(blueprint)

    client = exchange(app, "request", "/bp/static/a.txt")

    assert (client.status, client.body) == (200, b"content")
    assert "max-age=43200" in client.headers["Cache-Control"]
    assert exchange(app, "request", "/bp/static/missing").status == 404
    assert exchange(app, "request", "/bp/static/../secret").status == 404


def test_without_a_static_folder_sending_says_so(app: Quart, blueprint: Blueprint) -> None:
    async def main() -> None:
        async with app.app_context():
            with pytest.raises(RuntimeError, match="static folder to serve"):
                await blueprint.send_static_file("x")

    run(main())


def test_resources_are_opened_for_reading_only(app: Quart, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("content")
    blueprint = Blueprint("bp", __name__, root_path=str(tmp_path))

    async def main() -> None:
        async with await blueprint.open_resource("a.txt") as file:
            assert await file.read() == b"content"
        async with await blueprint.open_resource("a.txt", "r") as file:
            assert await file.read() == "content"
        with pytest.raises(ValueError, match="'w'"):
            await blueprint.open_resource("a.txt", "w")

    run(main())


def test_templates_of_a_blueprint_are_found(app: Quart, tmp_path: Path) -> None:
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "a.html").write_text("{{ who }} {{ what }}")
    blueprint = Blueprint("bp", __name__, template_folder="templates", root_path=str(tmp_path))

    @blueprint.context_processor
    async def who() -> dict[str, str]:
        return {"who": "blueprint", "what": "overridden"}

    @blueprint.route("/")
    async def view() -> str:
        return await render_template("a.html", what="given")

    app.register_blueprint(blueprint)

    assert exchange(app, "request").text == "blueprint given"


def test_error_handlers_by_code_and_class(app: Quart, blueprint: Blueprint, kind: str) -> None:
    blueprint.register_error_handler(404, lambda error: ("blueprint", 404))
    app.register_error_handler(404, lambda error: ("app", 404))

    @route(blueprint, kind, "/")
    async def view() -> None:
        abort(404)

    app.register_blueprint(blueprint)

    assert exchange(app, kind, "/bp/").text == "blueprint"
    # No URL of the blueprint matched, so it is not the blueprint's error.
    assert exchange(app, kind, "/bp/nowhere").text == "app"


def test_commands_are_registered(app: Quart, blueprint: Blueprint) -> None:
    @blueprint.cli.command("hello")
    def hello() -> None: ...

    app.register_blueprint(blueprint)

    assert "hello" in app.cli.commands["bp"].commands  # type: ignore[attr-defined]


@pytest.mark.parametrize("of", ["application", "blueprint"])
@pytest.mark.parametrize("name", ["route", "get", "post", "websocket"])
def test_a_route_without_its_parentheses_is_refused(
    app: Quart, blueprint: Blueprint, of: str, name: str
) -> None:
    async def index() -> str:
        return "index"

    decorate: Any = getattr(app if of == "application" else blueprint, name)
    with pytest.raises(TypeError, match=r"got the function 'index'.*in parentheses"):
        decorate(index)
