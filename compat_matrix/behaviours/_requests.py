"""Requests, routes and blueprints."""

from __future__ import annotations

import asyncio
from typing import Any

from _kit import call, fetch, make_app, page, returns, scope, told
from werkzeug.routing import BaseConverter

from quart import (
    Blueprint,
    g,
    request,
    session,
    url_for,
)


@page("reference/cheatsheet")
async def what_a_request_has() -> Any:
    app = make_app()

    @app.post("/hello/<string:name>")
    async def hello(name: str) -> Any:
        return {
            "args": request.args.get("a"),
            "blueprint": request.blueprint,
            "body": (await request.get_data()).decode(),
            "cookies": request.cookies.get("name"),
            "endpoint": request.endpoint,
            "full_path": request.full_path,
            "header": request.headers["X-Bob"],
            "host": request.host,
            "is_json": request.is_json,
            "json": await request.get_json(),
            "method": request.method,
            "names": sorted(key for key, _ in request.headers),
            "path": request.path,
            "root_path": request.root_path,
            "scheme": request.scheme,
            "url": request.url,
            "view_args": request.view_args,
        }

    headers = {"X-Bob": "b", "Cookie": "name=value"}
    return await fetch(app, "/hello/ann?a=2", "POST", json={"key": 1}, headers=headers)


@page("reference/cheatsheet")
async def forms_and_files() -> Any:
    from quart.datastructures import FileStorage

    app = make_app()

    @app.post("/")
    async def view() -> Any:
        form, files = await request.form, await request.files
        return {
            "form": form.to_dict(flat=False),
            "files": [[key, file.filename, file.read().decode()] for key, file in files.items()],
            "values": (await request.values).to_dict(),
        }

    import io

    file = FileStorage(io.BytesIO(b"content"), filename="a.txt")
    return [
        await fetch(app, "/?q=1", "POST", form={"a": "1", "b": "ü"}),
        await fetch(app, "/", "POST", form={"a": "1"}, files={"f": file}),
    ]


@page("how_to_guides/routing")
async def routes() -> Any:
    app = make_app()

    class Reversed(BaseConverter):
        def to_python(self, value: str) -> str:
            return value[::-1]

        def to_url(self, value: str) -> str:
            return value[::-1]

    app.url_map.converters["reversed"] = Reversed

    @app.route("/page", defaults={"number": 1})
    @app.route("/page/<int:number>")
    async def numbered(number: int) -> Any:
        return [number, url_for("numbered", number=3)]

    @app.route("/turned/<reversed:word>")
    async def turned(word: str) -> Any:
        return [word, url_for("turned", word="abc")]

    @app.route("/float/<float:number>")
    async def floating(number: float) -> Any:
        return [number]

    @app.route("/id/<uuid:number>")
    async def identified(number: Any) -> Any:
        return [str(number)]

    @app.route("/dir/")
    async def folder() -> str:
        return "folder"

    @app.route("/<path:path>")
    async def catch_all(path: str) -> Any:
        return [path]

    paths = "page page/2 page/1 page/jeff turned/abc float/1.5 float/-1 dir a//b x/y"
    paths += " id/3f2504e0-4f89-11d3-9a0c-0305e82c3301"
    return {path: await fetch(app, f"/{path}") for path in paths.split()}


@page("how_to_guides/routing")
async def methods() -> Any:
    app = make_app()

    @app.route("/", methods=["GET", "POST"])
    async def view() -> str:
        return request.method

    @app.delete("/only")
    async def only() -> str:
        return "deleted"

    found = {}
    for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"):
        client = app.test_client()
        first = await client.open("/", method=method)
        second = await client.open("/only", method=method)
        found[method] = [
            [answer.status_code, sorted(answer.allow), await answer.get_data(as_text=True)]
            if answer.status_code != 405
            else [405, sorted(answer.allow)]
            for answer in (first, second)
        ]
    return found


@page("how_to_guides/routing")
async def hosts() -> Any:
    from quart import Quart

    app = Quart("hosts", host_matching=True, static_host="static.test")

    @app.route("/", host="<name>.quart.test")
    async def named(name: str) -> str:
        return name

    hosts = ["a.quart.test", "quart.test", "other.test"]
    return [(await fetch(app, headers={"host": host}))[0] for host in hosts]


@page("how_to_guides/routing")
async def subdomains_by_server_name() -> Any:
    app = make_app()
    app.config["SERVER_NAME"] = "quart.test"

    @app.route("/", subdomain="<name>")
    async def named(name: str) -> str:
        return name

    @app.route("/")
    async def main() -> str:
        return url_for("named", name="b")

    hosts = ["a.quart.test", "quart.test", "other.test"]
    return [await fetch(app, headers={"host": host}) for host in hosts]


@page("how_to_guides/routing")
async def routes_after_the_first_request() -> Any:
    app = make_app()
    app.add_url_rule("/", "one", returns("one"))
    first = await fetch(app)
    app.add_url_rule("/two", "two", returns("two"))
    app.before_request(lambda: None)
    return [first, await fetch(app, "/two")]


@page("how_to_guides/blueprints")
async def nested_blueprints() -> Any:
    app, log = make_app(), []
    parent = Blueprint("parent", __name__, url_prefix="/parent")
    child = Blueprint("child", __name__, url_prefix="/child")

    @child.route("/create")
    async def create() -> Any:
        return [url_for("parent.child.create"), url_for(".create"), request.blueprints]

    @child.route("/fail")
    async def fail() -> Any:
        raise KeyError("mine")

    @parent.errorhandler(KeyError)
    async def handle(error: Any) -> str:
        return "handled by the parent"

    for name, scaffold in (("app", app), ("parent", parent), ("child", child)):
        scaffold.before_request(_notes(log, f"before {name}", None))
        scaffold.after_request(_notes(log, f"after {name}", ...))
        scaffold.teardown_request(_notes(log, f"teardown {name}", None))
    parent.register_blueprint(child)
    app.register_blueprint(parent)
    return [await fetch(app, "/parent/child/create"), await fetch(app, "/parent/child/fail"), log]


def _notes(log: list[str], name: str, result: Any) -> Any:
    async def note(*arguments: Any) -> Any:
        log.append(name)
        return arguments[0] if result is ... else result

    return note


@page("how_to_guides/request_body")
async def a_body_in_pieces() -> Any:
    app = make_app()

    @app.post("/")
    async def view() -> Any:
        return {"pieces": [piece.decode() async for piece in request.body]}

    async with app.test_client().request("/", method="POST") as connection:
        await connection.send(b"one")
        await connection.send(b"two")
        await connection.send_complete()
    response = await connection.as_response()
    return "".join((await response.get_json())["pieces"])


@page("discussion/dos_mitigations")
async def limits() -> Any:
    app = make_app()
    app.config["MAX_CONTENT_LENGTH"] = 10
    app.config["BODY_TIMEOUT"] = 0.05

    @app.post("/")
    async def view() -> str:
        return (await request.get_data()).decode()

    found = [await fetch(app, "/", "POST", data=b"x" * size) for size in (10, 11)]
    first = {"type": "http.request", "body": b"x", "more_body": True}
    slow = await call(app, scope(method="POST"), first)
    return [*[answer[0] for answer in found], slow[0]["status"]]


@page("reference/api")
async def an_http_1_0_request_without_a_host() -> Any:
    app = make_app()

    @app.get("/")
    async def view() -> str:
        return repr(request.headers["host"])

    return told(await call(app, scope(http_version="1.0", headers=[]), {"type": "http.request"}))


@page("reference/api")
async def root_paths() -> Any:
    app = make_app()

    @app.get("/page")
    async def view() -> Any:
        return [request.root_path, request.path, url_for("view")]

    found = []
    for path, root in (("/page", ""), ("/root/page", "/root"), ("/page", "/root")):
        sent = await call(app, scope(path, root_path=root), {"type": "http.request"})
        body = sent[1]["body"].decode() if sent[0]["status"] == 200 else None
        found.append([sent[0]["status"], body])
    return found


@page("discussion/globals")
async def many_at_once_keep_apart() -> Any:
    app = make_app()

    @app.get("/<name>")
    async def view(name: str) -> Any:
        g.name = session["name"] = name
        await asyncio.sleep(0)
        return [g.name, session["name"], request.path]

    answers = await asyncio.gather(*(fetch(app, f"/{number}") for number in range(5)))
    return [answer[2] for answer in answers]
