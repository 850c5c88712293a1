"""What a client sends: bodies, JSON, forms and uploads."""

from __future__ import annotations

import asyncio
import io
import tempfile
from pathlib import Path
from typing import Any

from _kit import call, fetch, make_app, page, scope, told

from quart import request
from quart.datastructures import FileStorage

FORM = "application/x-www-form-urlencoded"


@page("how_to_guides/request_body")
async def json_bodies() -> Any:
    app = make_app()

    @app.post("/")
    async def view() -> Any:
        return {"json": await request.get_json(), "is_json": request.is_json}

    @app.post("/json")
    async def attribute() -> Any:
        return [await request.json]

    @app.post("/force")
    async def force() -> Any:
        return [await request.get_json(force=True)]

    @app.post("/silent")
    async def silent() -> Any:
        return [await request.get_json(silent=True)]

    text: dict[str, Any] = {"data": '{"a": 1}', "method": "POST"}
    sent = text | {"headers": {"Content-Type": "application/vnd.api+json"}}
    broken = {"data": "{", "method": "POST", "headers": {"Content-Type": "application/json"}}
    paths = ("/", "/json", "/force", "/silent")
    return [[await fetch(app, path, **options) for path in paths] for options in (sent, broken)] + [
        (await fetch(app, path, **text))[::2][:1] for path in paths
    ]


@page("how_to_guides/request_body")
async def a_body_read_again() -> Any:
    app = make_app()

    @app.post("/")
    async def view() -> Any:
        first = await request.get_data(cache=True)
        again = await request.data
        parsed = await request.get_json(force=True)
        return [first.decode(), again.decode(), parsed]

    return await fetch(app, "/", "POST", data='{"a": 1}')


@page("how_to_guides/request_body")
async def a_body_as_text() -> Any:
    app = make_app()

    @app.post("/")
    async def view() -> Any:
        return [await request.get_data(as_text=True), request.content_length, request.mimetype]

    headers = {"Content-Type": "text/plain; charset=utf-8"}
    return await fetch(app, "/", "POST", data="äöü", headers=headers)


@page("how_to_guides/request_body")
async def a_client_that_leaves_while_it_sends() -> Any:
    app, log = make_app(), []

    @app.post("/")
    async def view() -> Any:
        try:
            async for piece in request.body:
                log.append(piece.decode())  # noqa: PERF401 - what came before the end counts
        except asyncio.CancelledError:
            log.append("cancelled")
            raise
        finally:
            log.append("cleaned up")
        return ""

    async with app.test_client().request("/", method="POST") as connection:
        await connection.send(b"partial")
        await asyncio.sleep(0.01)
        await connection.disconnect()
    return log


@page("how_to_guides/request_body")
async def an_answer_before_the_body() -> Any:
    app = make_app()

    @app.post("/")
    async def view() -> Any:
        return "not needed", 401

    first = {"type": "http.request", "body": b"x", "more_body": True}
    return told(await call(app, scope(method="POST"), first))


@page("discussion/dos_mitigations")
async def a_large_body_in_pieces() -> Any:
    app = make_app()
    app.config["MAX_CONTENT_LENGTH"] = 10

    @app.post("/")
    async def view() -> Any:
        return (await request.get_data()).decode()

    pieces = [{"type": "http.request", "body": b"x" * 6, "more_body": True}] * 3
    return (await call(app, scope(method="POST"), *pieces))[0]["status"]


@page("discussion/dos_mitigations")
async def limits_of_forms() -> Any:
    found = []
    for name, value in (("MAX_FORM_MEMORY_SIZE", 10), ("MAX_FORM_PARTS", 1)):
        app = make_app()
        app.config[name] = value

        @app.post("/")
        async def view() -> Any:
            return sorted((await request.form).items())

        file = FileStorage(io.BytesIO(b"content"), filename="a.txt")
        entries: list[dict[str, Any]] = [
            {"form": {"a": "1"}},
            {"form": {"a": "1" * 20}, "files": {"f": file}},
        ]
        found.append([(await fetch(app, "/", "POST", **entry))[0] for entry in entries])
    return found


@page("how_to_guides/flask_migration")
async def forms_that_come_as_text() -> Any:
    app = make_app()

    @app.post("/")
    async def view() -> Any:
        form = await request.form
        return [form.getlist("a"), form.get("b", "none"), form.get("a", type=int)]

    headers = {"Content-Type": FORM}
    sent = ("a=1&a=2&b=x%20y+z", "a=&b=%C3%BC", "", "a=1;b=2")
    return [await fetch(app, "/", "POST", data=data, headers=headers) for data in sent]


@page("reference/api")
async def uploads() -> Any:
    app = make_app()

    @app.post("/")
    async def view() -> Any:
        files = await request.files
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder, "saved")
            await files["one"].save(path)
            saved = path.read_text()  # noqa: ASYNC240 - nothing else runs
        two = files["two"]
        return {
            "saved": saved,
            "two": [two.filename, two.content_type, two.headers.get("X-A"), two.read().decode()],
            "names": sorted(files),
            "form": (await request.form).to_dict(),
        }

    return await fetch(
        app,
        "/",
        "POST",
        form={"a": "1"},
        files={
            "one": FileStorage(io.BytesIO(b"first"), filename="one.txt"),
            "two": FileStorage(io.BytesIO(b"second"), filename="ü.bin", content_type="a/b"),
        },
    )


@page("reference/api")
async def what_is_missing_in_a_form() -> Any:
    app = make_app()

    @app.post("/")
    async def view() -> Any:
        return (await request.form)["missing"]

    @app.get("/args")
    async def args() -> Any:
        return request.args["missing"]

    @app.get("/header")
    async def header() -> Any:
        return request.headers["X-Missing"]

    answers = [await fetch(app, "/", "POST", form={"a": "1"})]
    answers += [await fetch(app, path) for path in ("/args", "/header")]
    return [answer[0] for answer in answers]


@page("tutorials/api_tutorial")
async def an_api_that_echoes() -> Any:
    app = make_app()

    @app.post("/echo")
    async def echo() -> Any:
        return {"input": await request.get_json(), "extra": True}

    asked: list[Any] = [{"hello": "world"}, [1, None, "x"], "text", 1.5, None]
    return [await fetch(app, "/echo", "POST", json=value) for value in asked]


@page("reference/api")
async def what_accepts_what() -> Any:
    app = make_app()

    @app.get("/")
    async def view() -> Any:
        return {
            "best": request.accept_mimetypes.best_match(["text/html", "application/json"]),
            "events": "text/event-stream" in request.accept_mimetypes,
            "language": request.accept_languages.best,
            "charset": request.accept_charsets.best,
            "encoding": request.accept_encodings.best,
            "agent": request.user_agent.string,
            "match": "a" in request.if_none_match,
            "since": request.if_modified_since and request.if_modified_since.isoformat(),
            "cache": request.cache_control.max_age,
            "range": request.range and request.range.ranges,
            "pragma": str(request.pragma),
            "referrer": request.referrer,
            "origin": request.origin,
        }

    headers = {
        "Accept": "application/json;q=0.9, text/event-stream",
        "Accept-Language": "de;q=0.5, en",
        "Accept-Charset": "latin-1, utf-8;q=0.7",
        "Accept-Encoding": "br, gzip;q=0.5",
        "User-Agent": "me/1",
        "If-None-Match": '"a", W/"b"',
        "If-Modified-Since": "Wed, 21 Oct 2015 07:28:00 GMT",
        "Cache-Control": "max-age=5",
        "Range": "bytes=0-1,3-",
        "Referer": "http://a.test/",
        "Origin": "http://a.test",
    }
    return await fetch(app, headers=headers)


@page("reference/api")
async def credentials() -> Any:
    app = make_app()

    @app.get("/")
    async def view() -> Any:
        found = request.authorization
        return [found and found.type, found and found.username, found and found.token]

    values = ("Basic dTpw", "Bearer abc", "Basic %%", "")
    return [await fetch(app, headers={"Authorization": value}) for value in values]


@page("reference/api")
async def addresses() -> Any:
    app = make_app()

    @app.get("/a b")
    async def view() -> Any:
        return {
            "base_url": request.base_url,
            "full_path": request.full_path,
            "host": request.host,
            "host_url": request.host_url,
            "is_secure": request.is_secure,
            "query_string": request.query_string.decode(),
            "remote_addr": request.remote_addr,
            "root_url": request.root_url,
            "script_root": request.script_root,
            "server": request.server,
            "url": request.url,
            "url_root": request.url_root,
            "access_route": list(request.access_route),
            "http_version": request.http_version,
        }

    asked = scope("/a b", query_string=b"x=%20&y=%C3%BC", scheme="https")
    asked["headers"] = [(b"host", b"a.test:443"), (b"x-forwarded-for", b"1.2.3.4, 5.6.7.8")]
    return told(await call(app, asked, {"type": "http.request"}))
