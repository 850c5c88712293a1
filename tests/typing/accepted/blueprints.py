"""Blueprints, with all their hooks."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from pathlib import Path

from quart import Blueprint, current_app, Quart, render_template, Response, websocket
from quart.blueprints import BlueprintSetupState

pages = Blueprint(
    "pages",
    __name__,
    static_folder="static",
    template_folder=Path("templates"),
    url_prefix="/pages",
    subdomain=None,
    url_defaults={"language": "en"},
)


@pages.route("/<name>")
async def show(name: str) -> str:
    return await render_template(["own.html", "page.html"], name=name)


@pages.get("/plain")
def plain() -> str:
    return current_app.name


@pages.websocket("/feed")
async def feed() -> None:
    await websocket.send("news")


@pages.before_request
@pages.before_websocket
async def both() -> None: ...


@pages.before_app_request
def before_any() -> None: ...


@pages.after_app_request
async def after_any(response: Response) -> Response:
    return response


@pages.teardown_app_request
async def teardown_any(error: BaseException | None) -> None: ...


@pages.app_errorhandler(404)
async def missing(error: Exception) -> tuple[str, int]:
    return "missing", 404


@pages.app_context_processor
async def names() -> dict[str, str]:
    return {}


@pages.app_template_filter()
def trim(text: str) -> str:
    return text.strip()


@pages.before_app_websocket
async def before_any_websocket() -> None: ...


@pages.after_app_websocket
async def after_any_websocket(response: Response | None) -> Response | None:
    return response


@pages.teardown_app_websocket
async def teardown_any_websocket(error: BaseException | None) -> None: ...


@pages.before_app_serving
async def start() -> None: ...


@pages.while_app_serving
async def life() -> AsyncGenerator[None, None]:
    yield


@pages.after_app_serving
def stop() -> None: ...


@pages.record_once
def on_registration(state: BlueprintSetupState) -> None:
    state.app.config.setdefault("PAGES", 10)


nested = Blueprint("nested", __name__)
pages.register_blueprint(nested, url_prefix="/nested")


def create_app() -> Quart:
    app = Quart(__name__)
    app.register_blueprint(pages, url_prefix="/other", name="other")
    return app
