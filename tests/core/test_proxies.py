"""What is read through `request` and `websocket` is what the object itself gives."""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

import pytest

from quart import Quart, request, websocket
from quart.asgi import ASGIWebsocketConnection
from quart.wrappers import Request, Websocket


class Mine(Request):
    extra = "a subclass's"

    @property
    def broken(self) -> str:
        raise AttributeError("of the property")

    @property
    def is_secure(self) -> bool:
        raise AttributeError("of an overridden one")


def in_request(test: Any) -> None:
    app = Quart(__name__)
    app.request_class = Mine

    async def main() -> None:
        async with app.test_request_context("/path?a=1"):
            test()

    asyncio.run(main())


def test_every_name_of_the_object() -> None:
    def test() -> None:
        actual = request._get_current_object()
        for name in ("path", "args", "url", "headers", "scope", "extra", "view_args", "is_json"):
            assert getattr(request, name) == getattr(actual, name)
        assert request.get_json == actual.get_json
        assert inspect.iscoroutinefunction(request.get_json)
        assert isinstance(request, Mine)
        assert "extra" in dir(request)

    in_request(test)


def test_setting_and_deleting() -> None:
    def test() -> None:
        for name in ("path", "args", "new"):
            setattr(request, name, "set")
            assert getattr(request, name) == getattr(request._get_current_object(), name) == "set"
            delattr(request, name)
            assert name not in vars(request._get_current_object())

    in_request(test)


@pytest.mark.parametrize(
    ("name", "message"),
    [("broken", "of the property"), ("is_secure", "of an overridden"), ("gone", "no attribute")],
)
def test_what_is_not_there(name: str, message: str) -> None:
    def test() -> None:
        with pytest.raises(AttributeError, match=message):
            getattr(request, name)
        assert getattr(request, name, "default") == "default"

    in_request(test)


@pytest.mark.parametrize("name", ["path", "args", "gone"])
def test_outside_it_says_what_to_do(name: str) -> None:
    with pytest.raises(RuntimeError, match="request context"):
        getattr(request, name)
    with pytest.raises(RuntimeError, match="websocket context"):
        getattr(websocket, name)

    def test() -> None:
        with pytest.raises(RuntimeError, match="has a request"):
            getattr(websocket, name)

    in_request(test)


def test_a_websockets_own_methods() -> None:
    app = Quart(__name__)
    sent = []

    class Shouting(Websocket):
        async def send(self, data: str | bytes) -> None:
            await super().send(data.upper())

    class Connection(ASGIWebsocketConnection):
        async def send_data(self, send: Any, data: str | bytes) -> None:
            sent.append(data)
            await super().send_data(send, data)

    @app.websocket("/")
    async def ws() -> None:
        await websocket.send(await websocket.receive())

    async def main() -> str | bytes:
        async with app.test_client().websocket("/") as connection:
            await connection.send("text")
            return await connection.receive()

    app.websocket_class = Shouting
    app.asgi_websocket_class = Connection
    assert asyncio.run(main()) == "TEXT"
    assert sent == ["TEXT"]
