"""Plain code that takes over a websocket and speaks the protocol itself, as under WSGI servers."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from flask import Flask, request
from werkzeug.middleware.proxy_fix import ProxyFix
from wsproto.events import BytesMessage, CloseConnection, Ping, Pong, TextMessage

from quart import websocket
from quart_flask_patch import threads

from ._asgi import Exchange, fetch, Handshake, run
from ._speaker import Speaker


@pytest.fixture
def ended() -> list[str]:
    """What plain code has told of its end."""
    return []


@pytest.fixture
def speaking(app: Flask, place: str, ended: list[str]) -> Flask:
    """An application whose websocket is taken over by a plain view, in both places."""

    def view() -> str:
        speaker = Speaker(request.environ)
        speaker.tell(TextMessage(f"hello {request.args['name']}"))
        for event in speaker.messages():
            match event:
                case TextMessage(data="end"):
                    break
                case TextMessage(data="close"):
                    speaker.tell(CloseConnection(4001, "enough"))
                case TextMessage(data="fail"):
                    raise ValueError("This view has failed.")
                case TextMessage(data="ping"):
                    speaker.tell(Ping(b"?"))
                case Pong():
                    speaker.tell(TextMessage("pong"))
                case TextMessage() | BytesMessage():
                    half = len(event.data) // 2
                    speaker.tell(type(event)(event.data[:half], message_finished=False))
                    speaker.tell(type(event)(event.data[half:]))
        ended.append("view")
        return "nobody sees this"

    app.add_url_rule("/ws", "ws", view, websocket=True)
    return app


def test_plain_code_speaks_over_the_environs_socket(speaking: Flask) -> None:
    async def main() -> None:
        async with Handshake(speaking, "/ws?name=ann") as connection:
            await connection.sent(2)
            accept = connection.messages[0]
            assert accept["type"] == "websocket.accept"
            assert accept["headers"] == [(b"x-by", b"hand")]
            assert connection.said == ["hello ann"]
            connection.say("text")
            connection.tell("websocket.receive", bytes=b"\x00" * 1_000)
            assert (await connection.sent(3))["text"] == "text"
            assert (await connection.sent(4))["bytes"] == b"\x00" * 1_000
            connection.say("ping")
            assert (await connection.sent(5))["text"] == "pong"

    run(main())


@pytest.mark.parametrize(
    ("said", "code", "reason"), [("end", 1000, ""), ("close", 4001, "enough"), ("fail", 1011, "")]
)
def test_the_client_is_told_how_it_ended(
    speaking: Flask, said: str, code: int, reason: str
) -> None:
    async def main() -> None:
        async with Handshake(speaking, "/ws?name=ann") as connection:
            await connection.sent(2)
            connection.say(said)
            await connection.end()
            last = connection.messages[-1]
            assert (last["type"], last["code"], last["reason"]) == ("websocket.close", code, reason)

    run(main())


@pytest.mark.parametrize("code", [1001, 1006])
def test_plain_code_is_told_that_the_client_left(
    speaking: Flask, ended: list[str], code: int
) -> None:
    async def main() -> None:
        async with Handshake(speaking, "/ws?name=ann") as connection:
            await connection.sent(2)
            await asyncio.sleep(0.2)  # until the core looks out for that, too
            connection.tell("websocket.disconnect", code=code)
            await connection.end()
            assert not [m for m in connection.messages if m["type"] == "websocket.close"]

    run(main())
    assert ended == ["view"]


def test_plain_code_is_told_that_the_server_ends_it(speaking: Flask, ended: list[str]) -> None:
    async def main() -> None:
        async with Handshake(speaking, "/ws?name=ann") as connection:
            await connection.sent(2)
            connection.task.cancel()
            await asyncio.wait([connection.task])

    run(main())
    assert ended == ["view"]


def test_the_subprotocol_is_handed_on(app: Flask) -> None:
    def view() -> str:
        Speaker(request.environ, "second")
        return ""

    app.add_url_rule("/ws", "ws", view, websocket=True)

    async def main() -> None:
        connection = Handshake(app, "/ws")
        connection.scope["subprotocols"] = ["first", "second"]
        async with connection:
            assert (await connection.sent(1))["subprotocol"] == "second"

    run(main())


def test_requests_do_not_wait_for_threads_that_were_taken_over(speaking: Flask) -> None:
    speaking.config["SYNC_THREADS"] = 1
    speaking.add_url_rule("/", "index", lambda: "index")

    async def main() -> None:
        async with Handshake(speaking, "/ws?name=a") as one:
            await one.sent(2)
            async with Handshake(speaking, "/ws?name=b") as other:
                await other.sent(2)
                assert threads(speaking).size == 3
                assert (await fetch(speaking, "/")).text == "index"
                other.say("end")
                await other.end()
            one.say("end")
            await one.end()
        assert threads(speaking).size == 1

    run(main())


# WSGI middleware


def test_middleware_may_take_over_a_websocket(app: Flask, place: str) -> None:
    inner = app.wsgi_app

    def middleware(environ: dict[str, Any], start_response: Any) -> Any:
        if environ["PATH_INFO"] != "/mine":
            return inner(environ, start_response)
        speaker = Speaker(environ)
        for event in speaker.messages():
            speaker.tell(TextMessage(event.data.upper()))
        raise ConnectionError("Nothing is to follow.")

    app.wsgi_app = middleware  # type: ignore[method-assign]  # as Flask's docs do

    async def main() -> None:
        async with Handshake(app, "/mine") as connection:
            await connection.sent(1)
            connection.say("hello")
            assert (await connection.sent(2))["text"] == "HELLO"
            connection.leave()
            await connection.end()
        async with Handshake(app, "/other") as connection:
            assert (await connection.end()).status == 404

    run(main())


def test_middleware_takes_part_in_a_websocket(app: Flask) -> None:
    app.wsgi_app = ProxyFix(app.wsgi_app)  # type: ignore[method-assign]  # as Flask's docs do

    @app.websocket("/ws")
    async def ws() -> None:
        await websocket.send(f"{websocket.remote_addr} {websocket.scheme} {request.remote_addr}")
        assert threads(app).busy == 0

    async def main() -> None:
        headers = [("X-Forwarded-For", "1.2.3.4"), ("X-Forwarded-Proto", "https")]
        async with Handshake(app, "/ws", headers) as connection:
            await connection.end()
            assert connection.said == ["1.2.3.4 wss 1.2.3.4"]
            assert connection.code == 1000

    run(main())


@pytest.mark.parametrize("extensions", [{"websocket.http.response": {}}, {}])
def test_middleware_may_refuse_a_websocket(app: Flask, extensions: dict[str, Any]) -> None:
    def refuse(environ: dict[str, Any], start_response: Any) -> list[bytes]:
        start_response("401 UNAUTHORIZED", [("X-Why", "because")])
        return [b"no"]

    app.wsgi_app = refuse  # type: ignore[method-assign]  # as Flask's docs do

    async def main() -> None:
        connection = Handshake(app, "/ws")
        connection.scope["extensions"] = extensions
        async with connection:
            await connection.end()
            if extensions:
                assert (connection.status, connection.text) == (401, "no")
                assert connection.headers["x-why"] == "because"
            else:
                assert connection.code == 1000

    run(main())


def test_middleware_may_block_whatever_the_views_do(app: Flask, place: str) -> None:
    inner = app.wsgi_app
    blocked: list[bool] = []

    def middleware(environ: dict[str, Any], start_response: Any) -> Any:
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            blocked.append(False)
        else:
            blocked.append(True)
        return inner(environ, start_response)

    app.wsgi_app = middleware  # type: ignore[method-assign]  # as Flask's docs do
    app.add_url_rule("/", "index", lambda: "index")
    assert run(fetch(app, "/")).text == "index"
    assert blocked == [False]


def test_wsgi_input_gives_as_much_as_is_asked_for(app: Flask, place: str) -> None:
    @app.post("/")
    def view() -> dict[str, int]:
        stream = request.environ["wsgi.input"]
        return {"first": len(stream.read(70_000)), "rest": len(stream.read(70_000))}

    async def main() -> None:
        async with Exchange(app, "/", "POST", [("Content-Length", "100000")]) as exchange:
            for _ in range(10):
                exchange.body_arrives(b"x" * 10_000, more=True)
            exchange.body_arrives()
            await exchange.end()
            assert exchange.json == {"first": 70_000, "rest": 30_000}

    run(main())
