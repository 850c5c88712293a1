"""Tell plugins of test runners which tests send something to an application."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps

from .._types import Function, Receive, Scope, Send
from ..app import Quart


def on_each_arrival(tell: Callable[[], None]) -> None:
    """Call *tell* for each request and websocket that reaches any application, from now on."""
    entry: Function = Quart.asgi_app

    def asgi_app(app: Quart, scope: Scope, receive: Receive, send: Send) -> object:
        if scope["type"] != "lifespan":
            tell()
        return entry(app, scope, receive, send)

    Quart.asgi_app = asgi_app  # type: ignore[method-assign, assignment]
    if (stock := getattr(Quart, "_asgi_apps", None)) is not None:
        # Pass for the original, which it is except for counting.
        Quart._asgi_apps = type(stock)(Quart, "asgi_app")
    for owner, name in getattr(Quart, "_other_entries", ()):
        setattr(owner, name, _telling(getattr(owner, name), tell))


def _telling(entry: Function, tell: Callable[[], None]) -> Function:
    @wraps(entry)
    def telling(*args: object, **kwargs: object) -> object:
        tell()
        return entry(*args, **kwargs)

    return telling
