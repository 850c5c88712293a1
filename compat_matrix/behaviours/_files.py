"""Files: static ones, those that a view sends, and resources of the application."""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from _kit import fetch, page

from quart import Blueprint, Quart, render_template, Response, send_file, send_from_directory

HEADERS = ("Content-Type", "Content-Length", "Content-Disposition", "Cache-Control", "ETag")


@contextmanager
def project(**files: str) -> Iterator[Path]:
    """Make a folder with *files*, named with `__` for `/` and `_` for `.`."""
    with tempfile.TemporaryDirectory() as name:
        for key, text in files.items():
            path = Path(name, *key.replace("_dot_", ".").split("__"))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
            os.utime(path, (1_000_000_000, 1_000_000_000))
        yield Path(name)


def app_in(folder: Path) -> Quart:
    app = Quart("files", root_path=str(folder))
    app.secret_key = "secret"
    return app


async def look(app: Quart, path: str, **headers: str) -> Any:
    """Return what a client sees of a file that *app* sends."""
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    response = await app.test_client().get(path, headers=names)
    data = (await response.get_data(as_text=False)).decode()
    shown = {name: response.headers.get(name) for name in HEADERS if name != "ETag"}
    shown["ETag"] = "ETag" in response.headers
    return [response.status_code, data if response.status_code in (200, 206) else None, shown]


@page("tutorials/quickstart")
async def static_files() -> Any:
    with project(static__a_dot_css="body {}", static__sub__b_dot_txt="text") as folder:
        app = app_in(folder)
        paths = ("a.css", "sub/b.txt", "missing.css", "../secret", "sub")
        found = [await look(app, f"/static/{path}") for path in paths]
        async with app.test_request_context("/"):
            return [found, app.url_for("static", filename="sub/b.txt"), app.has_static_folder]


@page("reference/api")
async def static_files_elsewhere() -> Any:
    with project(assets__a_dot_js="1") as folder:
        app = Quart("files", root_path=str(folder), static_folder="assets", static_url_path="/x")
        return [await look(app, "/x/a.js"), (await look(app, "/assets/a.js"))[0]]


@page("how_to_guides/blueprints")
async def files_of_a_blueprint() -> Any:
    files = {
        "store__static__a_dot_css": "blueprint",
        "store__templates__index_dot_html": "blueprint",
        "store__templates__own_dot_html": "own {{ url_for('.static', filename='a.css') }}",
        "templates__index_dot_html": "application",
    }
    with project(**files) as folder:
        app = app_in(folder)
        store = Blueprint(
            "store",
            "store",
            root_path=str(folder / "store"),
            static_folder="static",
            template_folder="templates",
            url_prefix="/store",
        )

        @store.route("/")
        async def index() -> str:
            return await render_template("index.html")

        @store.route("/own")
        async def own() -> str:
            return await render_template("own.html")

        app.register_blueprint(store)
        found = [await fetch(app, path) for path in ("/store/", "/store/own")]
        return [*found, await look(app, "/store/static/a.css")]


@page("reference/api")
async def sending_files() -> Any:
    with project(a_dot_txt="some text", b_dot_bin="binary") as folder:
        app = app_in(folder)
        given: dict[str, Any] = {
            "path": {},
            "attachment": {"as_attachment": True},
            "named": {"as_attachment": True, "attachment_filename": "ü.txt"},
            "typed": {"mimetype": "text/x-own"},
            "no_tag": {"add_etags": False},
            "for_long": {"cache_timeout": 60},
        }

        @app.get("/<name>")
        async def view(name: str) -> Any:
            return await send_file(folder / "a.txt", **given[name])

        return {name: await look(app, f"/{name}") for name in given}


@page("reference/api")
async def sending_what_is_in_memory() -> Any:
    app = Quart("files")

    @app.get("/")
    async def view() -> Any:
        return await send_file(io.BytesIO(b"in memory"), mimetype="text/plain")

    @app.get("/untyped")
    async def untyped() -> Any:
        return await send_file(io.BytesIO(b"in memory"))

    return [await look(app, path) for path in ("/", "/untyped")]


@page("reference/api")
async def sending_from_a_folder() -> Any:
    with project(inside__a_dot_txt="a", secret="s") as folder:
        app = app_in(folder)

        @app.get("/<path:name>")
        async def view(name: str) -> Any:
            return await send_from_directory(folder / "inside", name)

        return [await look(app, f"/{name}") for name in ("a.txt", "b.txt", "%2e%2e/secret")]


@page("tutorials/video_tutorial")
async def parts_of_a_file() -> Any:
    with project(static__video_dot_mp4="0123456789" * 10) as folder:
        app = app_in(folder)

        @app.get("/video.mp4")
        async def auto_video() -> Any:
            return await send_file(folder / "static" / "video.mp4", conditional=True)

        ranges = ("bytes=20-29", "bytes=-5", "bytes=95-", "bytes=200-", "lines=1-2")
        found = [await look(app, "/video.mp4", Range=value) for value in ranges]
        return [*found, await look(app, "/video.mp4")]


@page("reference/api")
async def files_that_have_not_changed() -> Any:
    with project(static__a_dot_txt="text") as folder:
        app = app_in(folder)
        client = app.test_client()
        first = await client.get("/static/a.txt")
        asked: list[dict[str, str]] = [
            {"If-None-Match": first.headers["ETag"]},
            {"If-None-Match": '"other"'},
            {"If-Modified-Since": first.headers["Last-Modified"]},
            {"If-Modified-Since": "Wed, 21 Oct 1998 07:28:00 GMT"},
        ]
        answers = [await client.get("/static/a.txt", headers=headers) for headers in asked]
        return [first.headers["Last-Modified"], [answer.status_code for answer in answers]]


@page("reference/api")
async def how_long_files_are_kept() -> Any:
    with project(static__a_dot_txt="text") as folder:

        class Mine(Quart):
            def get_send_file_max_age(self, filename: str | None) -> int | None:
                return 7

        plain = app_in(folder)
        plain.config["SEND_FILE_MAX_AGE_DEFAULT"] = 5
        own = Mine("files", root_path=str(folder))
        apps = (app_in(folder), plain, own)
        return [(await look(app, "/static/a.txt"))[2]["Cache-Control"] for app in apps]


@page("how_to_guides/configuration")
async def resources() -> Any:
    with project(data_dot_txt="resource", instance__data_dot_txt="of the instance") as folder:
        app = Quart("files", root_path=str(folder), instance_path=str(folder / "instance"))
        blueprint = Blueprint("blue", "blue", root_path=str(folder))
        found: list[Any] = []
        async with await app.open_resource("data.txt") as file:
            found.append((await file.read()).decode())
        async with await app.open_instance_resource("data.txt") as file:
            found.append((await file.read()).decode())
        async with await blueprint.open_resource("data.txt", "rb") as file:
            found.append((await file.read()).decode())
        return found


@page("how_to_guides/templating")
async def templates_in_files() -> Any:
    files = {
        "templates__base_dot_html": "<{% block body %}{% endblock %}>",
        "templates__page_dot_html": "{% extends 'base.html' %}{% block body %}{{ x }}"
        "{% endblock %}",
        "templates__plain_dot_txt": "{{ x }}",
        "templates__macro_dot_html": "{% macro say(x) %}{{ x }} {{ request.path }}{% endmacro %}",
        "templates__user_dot_html": "{% from 'macro.html' import say with context %}{{ say(x) }}",
    }
    with project(**files) as folder:
        app = app_in(folder)

        @app.get("/<path:name>")
        async def view(name: str) -> Any:
            names: Any = name.split("+")
            return await render_template(names if len(names) > 1 else name, x="<&>")

        names = ("page.html", "plain.txt", "user.html", "none.html+plain.txt")
        found = [await fetch(app, f"/{name}") for name in names]
        return [*found, (await fetch(app, "/none.html"))[0]]


@page("reference/api")
async def a_response_made_of_a_file() -> Any:
    with project(a_dot_txt="0123456789") as folder:
        app = app_in(folder)

        @app.get("/")
        async def view() -> Any:
            body = Response.file_body_class(folder / "a.txt")
            response = app.response_class(body)
            response.content_length = 10
            return response

        return await fetch(app)
