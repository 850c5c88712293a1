"""Views that the straight way of `quart._handling.straight` may answer, or not, and what is seen.

`seen` makes the same request of an application twice: as it is, and with each endpoint kept from
the straight way. Both must look alike to a client, to the log, and to whoever has hooked in.
"""

from __future__ import annotations

import asyncio
import datetime
import decimal
import logging
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Any
from unittest import mock

import flask.signals
from blinker import Signal
from flask.sansio.app import App
from markupsafe import Markup
from werkzeug.exceptions import ImATeapot
from werkzeug.local import LocalProxy

import quart.signals
from _asgi import Message, run, scope_of, Sent
from quart._handling import plan

SIGNALS = [
    each
    for module in (flask.signals, quart.signals)
    for each in vars(module).values()
    if isinstance(each, Signal)
]
Events = list[object]
Headers = Iterable[tuple[bytes, bytes]]
#: Makes an application; the second argument says what shall be noted.
Making = Callable[[Events], App]
#: What a view may do before it returns; it is called with the application and the events.
Doing = Callable[[App, Events], object]


def fail(error: BaseException) -> Any:
    raise error


class Shouting(str):
    """A str with an `encode` of its own, which may return anything."""

    encoded: Any = None

    def encode(self, *args: Any, **kwargs: Any) -> Any:
        return self.encoded or super().encode(*args, **kwargs).upper()


class Listed(Shouting):
    encoded = bytearray(b"listed")


class Acting:
    """Acts while it is written as JSON, such as a lazy text that asks for the session."""

    def __init__(self, act: Callable[[], object]) -> None:
        self._act = act

    def __html__(self) -> str:
        self._act()
        return "acted"


def pieces() -> Iterator[str]:
    yield "a"
    yield "b"


RESULTS: dict[str, Callable[[App], object]] = {
    "text": lambda app: "text",
    "empty": lambda app: "",
    "markup": lambda app: Markup("<b>"),
    "umlaut": lambda app: "ä€",
    "surrogate": lambda app: "\ud800",
    "own text": lambda app: Shouting("text"),
    "own text, listed": lambda app: Listed("text"),
    "bytes": lambda app: b"\x00\xff",
    "proxied bytes": lambda app: LocalProxy(lambda: b"bytes"),
    "proxied dict": lambda app: LocalProxy(lambda: {"a": 1}),
    "bytearray": lambda app: bytearray(b"ab"),
    "dict": lambda app: {"b": 1, "a": [None, "ä", 1.5]},
    "list": lambda app: [1, {"x": datetime.date(2026, 1, 1)}, decimal.Decimal("1.5")],
    "no json": lambda app: {"x": object()},
    "interrupted json": lambda app: {"x": Acting(lambda: fail(KeyboardInterrupt()))},
    "cancelled json": lambda app: {"x": Acting(lambda: fail(asyncio.CancelledError()))},
    "stopped json": lambda app: {"x": Acting(lambda: fail(StopIteration()))},
    "both": lambda app: type("Both", (app.response_class, dict), {})("body"),
    "keys of two types": lambda app: {1: 1, "a": 2},
    "none": lambda app: None,
    "number": lambda app: 7,
    "status": lambda app: ("made", 201),
    "header": lambda app: ("made", 201, {"X-A": "b"}),
    "no content": lambda app: ("", 204),
    "response": lambda app: app.response_class("own", 202),
    "pieces": lambda app: pieces(),
    "error": lambda app: fail(ValueError("of the view")),
    "http error": lambda app: fail(ImATeapot()),
    "exception returned": lambda app: ImATeapot(),
    "generator exit": lambda app: fail(GeneratorExit()),
    "stop": lambda app: fail(StopIteration("x")),
    "unbound": lambda app: fail(KeyError("k")),
}


async def _served(app: Any, method: str, path: str, headers: Headers) -> Sent:
    messages: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        messages.append(message)

    scope = scope_of("http", path, [(b"host", b"localhost"), *headers], method)
    try:
        await app(scope, receive, send)
    except BaseException as error:
        if isinstance(error, TimeoutError):
            raise
        messages.append({"type": "raised", "error": repr(error)})
    return Sent(messages)


def serve(app: Any, method: str = "GET", path: str = "/view", headers: Headers = ()) -> Sent:
    """Make a request as a server does."""
    return run(_served(app, method, path, headers))


class _Records(logging.Handler):
    def __init__(self, events: Events) -> None:
        super().__init__()
        self._events = events

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info and record.exc_info[1]
        chain = []
        while error and len(chain) < 5:  # A chain may be a circle.
            chain.append(repr(error))
            error = error.__cause__ or error.__context__
        self._events.append(("logged", record.levelname, record.getMessage(), chain))


def trace(
    make: Making,
    method: str = "GET",
    *,
    path: str = "/view",
    headers: Headers = (),
    times: int = 2,
) -> Events:
    """Return all that is seen of the same request, made several times on one connection."""
    events: Events = []
    app = make(events)
    app.teardown_appcontext(lambda error: events.append(("torn down", error.__class__)))
    handler = _Records(events)
    app.logger.addHandler(handler)

    async def ask() -> None:
        for _ in range(times):
            sent = await _served(app, method, path, headers)
            # A session's cookie has the time in it.
            events.extend(_SIGNED.sub("session=", repr(message)) for message in sent.messages)

    try:
        run(ask())
    finally:
        app.logger.removeHandler(handler)
        forget_receivers()
    return events


_SIGNED = re.compile(r"session=[^;]+")


def forget_receivers() -> None:
    """Disconnect what earlier tests have left, which would keep requests off the straight way."""
    for signal in SIGNALS:
        signal._clear_state()


def seen(make: Making, method: str = "GET", **asked: Any) -> tuple[Events, Events]:
    """Return what is seen of a request, by whichever way it goes and by the usual one."""
    forget_receivers()
    straight = trace(make, method, **asked)
    with mock.patch.object(plan.straight, "is_straight", return_value=False):
        return straight, trace(make, method, **asked)
