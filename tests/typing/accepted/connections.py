"""What a view reads from its request or websocket, and the responses that it makes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from datetime import datetime, UTC
from io import BytesIO
from pathlib import Path

from werkzeug.datastructures import MultiDict

from quart import (
    flash,
    get_flashed_messages,
    has_request_context,
    make_push_promise,
    make_response,
    Quart,
    render_template,
    render_template_string,
    Request,
    request,
    Response,
    send_file,
    send_from_directory,
    session,
    stream_template,
    stream_with_context,
    Websocket,
    websocket,
)
from quart.datastructures import FileStorage
from quart.wrappers import Body

app = Quart(__name__)


@app.post("/request")
async def read() -> dict[str, object]:
    page: int | None = request.args.get("page", type=int)
    size: int = request.args.get("size", 10, type=int)
    form: MultiDict[str, str] = await request.form
    name: str = form["name"]
    files: MultiDict[str, FileStorage] = await request.files
    picture = files["picture"]
    await picture.save(Path("picture.png"))
    text: str = await request.get_data(as_text=True)
    data: bytes = await request.get_data()
    body: Body = request.body
    async for chunk in body:
        data += chunk
    whole: bytes = await request.body
    value = await request.get_json(silent=True)
    token: str | None = request.cookies.get("token")
    agent: str = request.headers.get("User-Agent", "")
    language: str | None = request.accept_languages.best_match(["en", "de"])
    user = request.authorization.username if request.authorization else None
    return {
        "page": page,
        "rest": [size, name, text, whole, value, token, agent, language, user],
        "where": [request.method, request.path, request.url, request.host, request.remote_addr],
        "matched": [request.endpoint, request.blueprint, request.view_args],
        "asgi": request.scope["type"],
    }


@app.get("/response")
async def respond() -> Response:
    response = Response({"a": 1} and "text", status=201, content_type="text/plain")
    response.status_code = 202
    response.headers["X-Name"] = "value"
    response.set_cookie("name", "value", max_age=60, httponly=True, samesite="Lax")
    response.delete_cookie("other")
    response.content_type = "text/plain; charset=utf-8"
    response.last_modified = datetime.now(UTC)
    response.cache_control.max_age = 10
    response.timeout = None
    response.push_promises.add("/style.css")
    await response.add_etag()
    text: str = await response.get_data(as_text=True)
    response.set_data(text)
    return await response.make_conditional(request)


@app.get("/made")
async def made() -> Response:
    response = await make_response("text", 201, {"X-Name": "value"})
    response.timeout = 10
    await make_push_promise("/style.css")
    return response


@app.get("/file")
async def file() -> Response:
    if has_request_context():
        return await send_from_directory("static", "file.txt")
    in_memory = BytesIO(b"text")
    return await send_file(in_memory, mimetype="text/plain", as_attachment=True)


@app.get("/templates")
async def templates() -> str:
    await flash("Saved", "info")
    messages = get_flashed_messages(with_categories=True)
    one: str = await render_template("page.html", messages=messages)
    return one + await render_template_string("{{ name }}", name="you")


@app.get("/streams")
async def streams() -> tuple[AsyncIterator[str], int]:
    return await stream_template("page.html", number=1), 200


@app.get("/kept")
async def kept() -> AsyncIterator[str]:
    @stream_with_context
    async def pieces(count: int) -> AsyncGenerator[str, None]:
        for _ in range(count):
            yield request.path

    return pieces(3)


@app.get("/kept-plain")
async def kept_plain() -> AsyncIterator[bytes]:
    def pieces() -> Iterator[bytes]:
        yield b"piece"

    return stream_with_context(pieces())


@app.get("/session")
async def sessions() -> dict[str, object]:
    session["user"] = "ada"
    session.permanent = True
    session.pop("old", None)
    return {"user": session.get("user"), "new": session.new, "modified": session.modified}


@app.websocket("/echo")
async def echo() -> None:
    await websocket.accept(headers={"X-Name": "value"}, subprotocol="chat")
    while True:
        message: str | bytes = await websocket.receive()
        await websocket.send(message)
        await websocket.send_json({"length": len(message)})
        value = await websocket.receive_json()
        if value is None:
            await websocket.close(1000, "done")


@app.websocket("/refuse", endpoint="refuse")
async def refuse() -> tuple[str, int] | None:
    if "token" not in websocket.args:
        return "no", 403
    return None


@app.websocket("/both/<name>")
async def both(name: str) -> None:
    async def sending() -> None:
        await websocket.send(name)

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(sending())


@app.before_websocket
async def before() -> None: ...


@app.before_websocket
def before_plain() -> tuple[str, int] | None:
    return None


@app.after_websocket
async def after(response: Response | None) -> Response | None:
    return response


@app.teardown_websocket
async def teardown(error: BaseException | None) -> None: ...


async def handle(given: Request | Websocket) -> str:
    if isinstance(given, Websocket):
        return given.requested_subprotocols[0]
    return await given.get_data(as_text=True)
