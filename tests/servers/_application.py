"""The application that each server serves, on asyncio and on Trio."""

import os
from collections.abc import AsyncIterator
from hashlib import sha256
from importlib import import_module
from typing import Any

import anyio

from quart import abort, Quart, redirect, request, session, url_for, websocket
from quart.typing import ResponseReturnValue

PATIENCE = 10.0

module, _, name = os.environ.get("APPLICATION_CLASS", "quart:Quart").partition(":")
app: Quart = getattr(import_module(module), name)(
    __name__, static_folder="files", static_url_path="/static"
)
app.secret_key = "of the servers' tests"

#: Events, which clients can ask for.
notes: dict[str, Any] = {}


@app.before_serving
async def start() -> None:
    notes["started"] = True


@app.after_serving
async def stop() -> None:
    print("after_serving has run", flush=True)  # noqa: T201  # the test reads it in the log


@app.get("/notes/<key>")
async def note(key: str) -> ResponseReturnValue:
    """Return the note under *key*, waiting until there is one."""
    with anyio.move_on_after(float(request.args.get("wait", 0))):
        while key not in notes:  # noqa: ASYNC110  # an event would be bound to one event loop
            await anyio.sleep(0.01)
    return {"note": notes.get(key)}


# --- Requests ------------------------------------------------------------------------------------


@app.get("/hello/<path:name>")
async def hello(name: str) -> ResponseReturnValue:
    return f"Hello {name}", {"X-Wanted": request.args.getlist("wanted")}


@app.get("/plain")
def plain() -> ResponseReturnValue:
    return f"plain {request.args['number']}"


@app.get("/connection")
async def connection() -> ResponseReturnValue:
    return {
        "scheme": request.scheme,
        "http_version": request.http_version,
        "host": request.host.partition(":")[0],
        "remote_addr": request.remote_addr,
    }


@app.post("/json")
async def take_json() -> ResponseReturnValue:
    return {"got": await request.get_json()}, 201


@app.post("/form")
async def take_form() -> ResponseReturnValue:
    form, files = await request.form, await request.files
    described = {
        name: [file.filename, file.content_type, sha256(file.read()).hexdigest()]
        for name, file in files.items()
    }
    return {"form": form.to_dict(flat=False), "files": described}


@app.post("/limited")
async def limited() -> ResponseReturnValue:
    request.max_content_length = 1000
    return str(len(await request.get_data()))


@app.post("/stream")
async def take_stream() -> ResponseReturnValue:
    key = request.args["key"]
    length = 0
    async for data in request.body:
        length += len(data)
        notes[key] = length
    return {"length": length}


# --- Responses -----------------------------------------------------------------------------------


@app.get("/stream")
async def give_stream() -> ResponseReturnValue:
    key = request.args["key"]

    async def pieces() -> AsyncIterator[str]:
        yield "first "
        with anyio.fail_after(PATIENCE):
            while key not in notes:  # noqa: ASYNC110  # as above
                await anyio.sleep(0.01)
        yield "second"

    return pieces(), {"Content-Type": "text/plain"}


@app.post("/notes/<key>")
async def take_note(key: str) -> ResponseReturnValue:
    notes[key] = (await request.get_data()).decode()
    return ""


@app.get("/events")
async def events() -> ResponseReturnValue:
    key = request.args["key"]

    async def send_events() -> AsyncIterator[str]:
        try:
            number = 0
            while True:
                number += 1
                yield f"id: {number}\ndata: 🎈{number}\n\n"
                await anyio.sleep(0.02)
        finally:
            notes[key] = "the client has left"

    return send_events(), {"Content-Type": "text/event-stream"}


@app.get("/large")
async def large() -> ResponseReturnValue:
    return b"0123456789abcdef" * (1 << 17)


@app.post("/login")
async def log_in() -> ResponseReturnValue:
    session["user"] = (await request.form)["user"]
    return redirect(url_for("who"))


@app.get("/who")
async def who() -> ResponseReturnValue:
    return {"user": session.get("user")}


@app.get("/error")
async def error() -> ResponseReturnValue:
    raise ZeroDivisionError("on purpose")


@app.get("/where")
async def where() -> ResponseReturnValue:
    return {"path": request.path, "root_path": request.root_path, "url": url_for("where")}


# --- Websockets ----------------------------------------------------------------------------------


@app.websocket("/echo")
async def echo() -> None:
    while True:
        await websocket.send(await websocket.receive())


@app.websocket("/accepted")
async def accepted() -> None:
    await websocket.accept({"X-Accepted": "yes"}, websocket.requested_subprotocols[-1])
    await websocket.send_json({"path": websocket.path, "token": websocket.args.get("token")})


@app.websocket("/closing")
async def closing() -> None:
    await websocket.accept()
    await websocket.close(4001, "enough 🛑")


@app.websocket("/failing")
async def failing() -> None:
    await websocket.accept()
    raise ZeroDivisionError("on purpose")


@app.websocket("/leaving/<key>")
async def leaving(key: str) -> None:
    from quart.wrappers.websocket import ClientDisconnectedError

    try:
        while True:
            await websocket.receive()
    except ClientDisconnectedError as gone:
        notes[key] = [gone.close_code, gone.reason]


@app.websocket("/waiting/<key>")
async def waiting(key: str) -> None:
    await websocket.accept()
    try:
        await anyio.sleep(PATIENCE)
    finally:
        notes[key] = "the client has left"


@app.websocket("/refused")
async def refused() -> None:
    await websocket.close()


@app.websocket("/denied")
async def denied() -> ResponseReturnValue:
    return {"error": "who are you?"}, 401, {"X-Denied": "yes"}


@app.websocket("/aborted")
async def aborted() -> None:
    abort(404)
