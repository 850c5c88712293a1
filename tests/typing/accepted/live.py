"""Server-sent events, a chat, work in the background, and tests of these."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from functools import wraps
from secrets import compare_digest
from typing import Any, ParamSpec, TypeVar

from quart import (
    abort,
    Blueprint,
    copy_current_websocket_context,
    current_app,
    g,
    has_websocket_context,
    make_response,
    Quart,
    Request,
    request,
    Response,
    session,
    Websocket,
    websocket,
)
from quart.config import Config
from quart.signals import got_background_exception, websocket_received
from quart.testing.connections import TestHTTPConnection, TestWebsocketConnection
from quart.wrappers import ClientDisconnectedError

P = ParamSpec("P")
T = TypeVar("T")

live = Blueprint("live", __name__, url_prefix="/live")


@dataclass
class ServerSentEvent:
    data: str
    event: str | None = None

    def encode(self) -> bytes:
        return f"event: {self.event}\ndata: {self.data}\n\n".encode()


def auth_required(func: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
    @wraps(func)
    async def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
        auth = request.authorization
        if (
            auth is None
            or auth.type != "basic"
            or not compare_digest(auth.password or "", current_app.config["PASSWORD"])
        ):
            abort(401)
        return await func(*args, **kwargs)

    return wrapper


@live.get("/events")
@auth_required
async def events() -> Response:
    if not request.accept_mimetypes.accept_html:
        abort(400)

    async def send_events() -> AsyncGenerator[bytes, None]:
        while True:
            yield ServerSentEvent("1", "number").encode()
            await asyncio.sleep(1)

    response = await make_response(
        send_events(), {"Content-Type": "text/event-stream", "Cache-Control": "no-cache"}
    )
    response.timeout = None
    return response


class Broker:
    def __init__(self) -> None:
        self.connections: set[asyncio.Queue[str]] = set()

    async def publish(self, message: str) -> None:
        for connection in self.connections:
            await connection.put(message)

    async def subscribe(self) -> AsyncIterator[str]:
        queue: asyncio.Queue[str] = asyncio.Queue()
        self.connections.add(queue)
        try:
            while True:
                yield await queue.get()
        finally:
            self.connections.remove(queue)


broker = Broker()
connected: set[Websocket] = set()


def collect_websocket(func: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[T]]:
    @wraps(func)
    async def wrapper(*args: P.args, **kwargs: P.kwargs) -> T:
        one = websocket._get_current_object()
        connected.add(one)
        try:
            return await func(*args, **kwargs)
        finally:
            connected.discard(one)

    return wrapper


@live.websocket("/chat")
@collect_websocket
async def chat() -> None:
    async def receiving() -> None:
        while True:
            message = await websocket.receive()
            await broker.publish(message if isinstance(message, str) else message.decode())

    @copy_current_websocket_context
    async def sending() -> None:
        async for message in broker.subscribe():
            await websocket.send_json({"text": message, "me": session.get("user")})

    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(receiving())
            tasks.create_task(sending())
    except* ClientDisconnectedError as gone:
        current_app.logger.info("gone: %s", gone)


async def broadcast(message: str) -> None:
    await asyncio.gather(*(one.send(message) for one in connected))


@live.websocket("/strict")
async def strict() -> tuple[dict[str, str], int] | None:
    if "token" not in websocket.args:
        return {"error": "who are you?"}, 401
    await websocket.accept(subprotocol=websocket.requested_subprotocols[0])
    try:
        await websocket.send(b"bytes")
    except ClientDisconnectedError as gone:
        code: int | None = gone.close_code
        reason: str = gone.reason
        current_app.logger.info("%s %s", code, reason)
    return None


@live.before_websocket
async def load_user() -> None:
    g.user = session.get("user", "nobody")
    assert has_websocket_context()


async def report(given: Request, user: str) -> None:
    current_app.logger.info("%s from %s", given.path, user)


def count(numbers: list[int]) -> int:
    return sum(numbers)


@live.post("/reports")
async def reports() -> tuple[str, int, dict[str, str]]:
    current_app.add_background_task(report, request._get_current_object(), user="ada")
    current_app.add_background_task(count, [1, 2])
    asyncio.get_running_loop().create_task(report(request._get_current_object(), "ada"))
    return "", 202, {"Location": "/live/events"}


async def on_failure(sender: Quart, *, exception: Exception, **extra: Any) -> None:
    sender.logger.error("failed", exc_info=exception)


def on_message(sender: Quart, data: str | bytes, **extra: Any) -> None: ...


def create_app(testing: bool = False) -> Quart:
    app = Quart(__name__, instance_relative_config=True)
    config: Config = app.config
    config.from_mapping(SECRET_KEY="dev", PASSWORD="secret", TESTING=testing)
    config.from_pyfile("settings.py", silent=True)
    names: dict[str, Any] = config.get_namespace("SESSION_")
    limit: int = config["MAX_CONTENT_LENGTH"]
    app.config.update(SESSION_COOKIE_SECURE=bool(names), MAX_CONTENT_LENGTH=limit * 2)
    app.debug = False
    app.register_blueprint(live)
    got_background_exception.connect(on_failure, app)
    websocket_received.connect(on_message, app)
    return app


async def test_events() -> None:
    app = create_app(testing=True)
    connection: TestHTTPConnection
    client = app.test_client()
    async with client.request("/live/events", headers={"Accept": "text/html"}) as connection:
        await connection.send_complete()
        assert (await connection.receive()).startswith(b"event: number")
        await connection.disconnect()
    assert connection.status_code == 200


async def test_chat() -> None:
    chatting: TestWebsocketConnection
    async with create_app().test_client().websocket("/live/chat") as chatting:
        await chatting.send_json("hi")
        heard = await chatting.receive_json()
        assert heard["text"] == "hi"
        await chatting.disconnect()


async def main() -> None:
    stop = asyncio.Event()
    await create_app().run_task(port=8000, shutdown_trigger=stop.wait)  # type: ignore[arg-type]
