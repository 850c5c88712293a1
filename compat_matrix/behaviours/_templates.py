"""Templates."""

from __future__ import annotations

import asyncio
from typing import Any

from _kit import fetch, make_app, page

from quart import (
    Blueprint,
    g,
    render_template_string,
    stream_template_string,
    template_rendered,
)


@page("how_to_guides/templating")
async def templates() -> Any:
    app = make_app()
    blueprint = Blueprint("blue", __name__)

    @app.template_filter(name="shout")
    def shout(value: str) -> str:
        return value.upper()

    app.add_template_test(lambda value: value == "a", "is_a")
    app.add_template_global(lambda: "global", "made")

    @app.context_processor
    async def everywhere() -> Any:
        return {"everywhere": "app"}

    @blueprint.context_processor
    async def here() -> Any:
        return {"here": "blueprint"}

    source = (
        "{{ 'a' | shout }} {{ 'a' is is_a }} {{ made() }} {{ everywhere }} {{ here }}"
        " {{ request.endpoint }} {{ config['TESTING'] }} {{ g.x }} {{ session.get('x') }}"
        " {{ url_for('view') }} {{ '<' }} {{ value }}"
    )

    @app.get("/")
    @blueprint.get("/blue")
    async def view() -> str:
        g.x = 1
        return await render_template_string(source, value="<b>")

    app.register_blueprint(blueprint)
    return [await fetch(app, "/"), await fetch(app, "/blue")]


@page("how_to_guides/templating")
async def templates_that_await_and_stream() -> Any:
    app, rendered = make_app(), []

    async def later() -> str:
        await asyncio.sleep(0)
        return "later"

    def note(sender: Any, template: Any, context: Any, **more: Any) -> None:
        rendered.append(sender.name)

    @app.get("/")
    async def view() -> str:
        return await render_template_string("{{ later() }}", later=later)

    @app.get("/stream")
    async def stream() -> Any:
        return await stream_template_string(
            "{% for n in numbers %}{{ n }}{{ request.path }} {% endfor %}", numbers=range(3)
        )

    with template_rendered.connected_to(note, app):
        return [await fetch(app), await fetch(app, "/stream"), rendered]
