"""Tests of an application."""

from __future__ import annotations

from io import BytesIO

from werkzeug.datastructures import Headers

from quart import Quart, request, Response
from quart.datastructures import FileStorage
from quart.testing import QuartClient, WebsocketResponseError
from quart.typing import TestAppProtocol, TestClientProtocol

app = Quart(__name__)


async def test_client() -> None:
    client: QuartClient = app.test_client()
    also: TestClientProtocol = client
    response: Response = await also.get("/", query_string={"page": "1"}, headers={"X": "1"})
    assert response.status_code == 200
    assert await response.get_json() == {}
    text: str = await response.get_data(as_text=True)
    assert text == ""
    await client.post("/", json={"a": 1}, follow_redirects=True, headers=Headers())
    await client.put("/", data=b"bytes", auth=("user", "password"))
    await client.patch("/", form={"a": "b"}, files={"file": FileStorage(BytesIO(b""), "name")})
    await client.delete("/")
    await client.head("/")
    await client.options("/")
    await client.open("/", method="TRACE", scheme="https")
    client.set_cookie("localhost", "key", "value")


async def test_session() -> None:
    client = app.test_client()
    async with client.session_transaction() as stored:
        stored["user"] = "ada"
    async with client:
        await client.get("/")
        assert request.path == "/"


async def test_websocket() -> None:
    client = app.test_client()
    try:
        async with client.websocket("/feed", subprotocols=["chat"]) as connection:
            await connection.send("text")
            message: str | bytes = await connection.receive()
            await connection.send_json({"got": message})
            await connection.receive_json()
            await connection.close(1000)
    except WebsocketResponseError as refusal:
        await refusal.response.get_data()


async def test_pieces() -> None:
    async with app.test_client().request("/", method="POST") as connection:
        await connection.send(b"piece")
        await connection.send_complete()
        piece: bytes = await connection.receive()
        assert piece
    response: Response = await connection.as_response()
    assert response.status_code == 200


async def test_serving() -> None:
    running: TestAppProtocol
    async with app.test_app() as running:
        await running.test_client().get("/")


async def test_contexts() -> None:
    async with app.app_context() as ctx:
        assert ctx.app is app
    async with app.test_request_context("/", method="POST", json={"a": 1}):
        assert await request.get_json() == {"a": 1}
    with app.test_request_context("/"):
        assert request.path == "/"


def test_command() -> None:
    result = app.test_cli_runner().invoke(args=["routes"])
    assert result.exit_code == 0
