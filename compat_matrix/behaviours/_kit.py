"""Helpers for the behaviours; they need nothing but some `quart`."""

from __future__ import annotations

import asyncio
import io
import logging
import warnings
from collections.abc import Awaitable, Callable
from contextlib import redirect_stderr
from typing import Any

from quart import Quart

Behaviour = Callable[[], Awaitable[Any]]
Message = dict[str, Any]

#: By name: the page of Quart's documentation, and what to run.
BEHAVIOURS: dict[str, tuple[str, Behaviour]] = {}
#: Seconds that a behaviour may take; none waits for long.
LIMIT = 20.0


# What a server says to a websocket, and what its scope has if it takes a whole refusal.
CONNECT = {"type": "websocket.connect"}
DENIAL: dict[str, Any] = {"websocket.http.response": {}}
GONE = {"type": "websocket.disconnect", "code": 1001}


def said(text: str | bytes) -> Message:
    """Return the messages that a server has received from a client."""
    name = "bytes" if isinstance(text, bytes) else "text"
    return {"type": "websocket.receive", "text": None, "bytes": None, name: text}


def page(name: str) -> Callable[[Behaviour], Behaviour]:
    """Add a behaviour that the page *name* of Quart's documentation describes."""

    def add(behaviour: Behaviour) -> Behaviour:
        BEHAVIOURS[behaviour.__name__] = name, behaviour
        return behaviour

    return add


def make_app() -> Quart:
    app = Quart("behaviours")
    app.secret_key = "secret"
    return app


def returns(value: Any) -> Any:
    """Return a view that returns *value*."""

    async def view() -> Any:
        return value

    return view


async def fetch(app: Quart, path: str = "/", method: str = "GET", **options: Any) -> Any:
    """Return the status, the content type and the text of *app*'s response."""
    response = await app.test_client().open(path, method=method, **options)
    return [response.status_code, response.content_type, await response.get_data(as_text=True)]


def scope(path: str = "/", kind: str = "http", **values: Any) -> Message:
    made = {
        "type": kind,
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": "GET",
        "scheme": "http" if kind == "http" else "ws",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "root_path": "",
        "headers": [(b"host", b"localhost")],
        "client": ("127.0.0.1", 5000),
        "server": ("127.0.0.1", 80),
        "subprotocols": [],
        "extensions": {},
    }
    return {**made, **values}


async def call(app: Any, asked: Message, *says: Message) -> list[Message]:
    """Let *app* handle one connection; return the messages that it sends."""
    waiting, sent = list(says), []

    async def receive() -> Message:
        if waiting:
            return waiting.pop(0)
        await asyncio.Event().wait()
        raise AssertionError("nobody wakes this")

    async def send(message: Message) -> None:
        sent.append(message)

    async with asyncio.timeout(LIMIT):
        await app(asked, receive, send)
    return sent


def told(messages: list[Message]) -> list[Any]:
    """Return what each message tells the client, with the body in one piece."""
    keys = ("status", "text", "bytes", "code", "subprotocol")
    found = [
        [message["type"], *[_plain(message[key]) for key in keys if message.get(key)]]
        for message in messages
        if not message["type"].endswith("response.body")
    ]
    body = b"".join(message.get("body", b"") for message in messages)
    return [*found, body.decode()] if body else found


def _plain(value: Any) -> Any:
    return value.decode("latin-1") if isinstance(value, bytes) else value


async def outcome(behaviour: Behaviour) -> Any:
    """Return the result of *behaviour*, or the class of the error that it raises."""
    try:
        async with asyncio.timeout(LIMIT):
            return await behaviour()
    except Exception as error:
        return f"raises {type(error).__name__}"


def outcomes() -> dict[str, Any]:
    """Run all behaviours, each on an event loop of its own."""
    logging.disable(logging.CRITICAL)
    found = {}
    for name, (_, behaviour) in BEHAVIOURS.items():
        with warnings.catch_warnings(), redirect_stderr(io.StringIO()):
            warnings.simplefilter("ignore")
            found[name] = asyncio.run(outcome(behaviour))
    return found
