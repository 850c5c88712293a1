# pyright: reportUnnecessaryTypeIgnoreComment=true
"""What a handler and a test cannot do with what Quart gives them."""

from __future__ import annotations

import quart
import quart.typing
from quart import (
    abort,
    current_app,
    g,
    make_response,
    Quart,
    render_template,
    Request,
    request,
    send_file,
    session,
    url_for,
    Websocket,
    websocket,
)


def use(*values: object) -> None: ...


use(quart.absent)  # type: ignore[attr-defined]
use(quart.typing.Absent)  # type: ignore[attr-defined]


async def forgotten() -> None:
    (await request.form)["a"]
    request.form["a"]  # type: ignore[index]
    request.files["a"]  # type: ignore[index]
    name: str = request.get_json()  # type: ignore[assignment]
    text: str = render_template("page.html")  # type: ignore[assignment]
    response = make_response("text")
    response.status_code = 201  # type: ignore[attr-defined]
    data: bytes = websocket.receive()  # type: ignore[assignment]
    use(name, text, data)


async def wrong_types() -> None:
    data: str = await request.get_data()  # type: ignore[assignment]
    text: bytes = await request.get_data(as_text=True)  # type: ignore[assignment]
    await websocket.send(1)  # type: ignore[arg-type]
    await websocket.close("done")  # type: ignore[arg-type]
    await send_file(1)  # type: ignore[arg-type]
    url_for(1)  # type: ignore[arg-type]
    request.max_content_length = "1 MB"  # type: ignore[assignment]
    session.permanent = "yes"  # type: ignore[assignment]
    response = await make_response("text")
    response.push_promises = ["/style.css"]  # type: ignore[assignment]
    response.set_cookie("name", 1)  # type: ignore[arg-type]
    use(data, text)


async def no_such_name() -> None:
    use(request.forms)  # type: ignore[attr-defined]
    use(websocket.body)  # type: ignore[attr-defined]
    use(current_app.configuration)  # type: ignore[attr-defined]
    await request.get_text()  # type: ignore[attr-defined]
    await render_template()  # type: ignore[call-arg]


def wrong_proxy() -> None:
    app: Quart = request._get_current_object()  # type: ignore[assignment]
    given: Request = websocket._get_current_object()  # type: ignore[assignment]
    socket: Websocket = g._get_current_object()  # type: ignore[assignment]
    real: Quart = current_app._get_current_object()
    real._get_current_object()  # type: ignore[attr-defined]
    use(app, given, socket)


async def in_tests() -> None:
    client = current_app.test_client()
    use(client.get("/").status_code)  # type: ignore[attr-defined]
    await client.open("/", jsn={"a": 1})  # type: ignore[call-arg]
    with client.websocket("/feed"):  # type: ignore[attr-defined]
        pass
    async with client.websocket("/feed") as connection:
        await connection.send(1)  # type: ignore[arg-type]


def unreachable() -> str:
    abort(404)
    return 1
