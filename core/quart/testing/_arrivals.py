"""For plugins of test runners: which tests send something through an application's ASGI entry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..app import Quart


def on_each_arrival(tell: Callable[[], None]) -> None:
    """Call *tell* for each request and websocket that reaches any application, from now on."""
    entry = Quart.asgi_app

    def asgi_app(app: Quart, scope: Any, receive: Any, send: Any) -> Any:
        if scope["type"] != "lifespan":
            tell()
        return entry(app, scope, receive, send)

    Quart.asgi_app = asgi_app  # type: ignore[method-assign, assignment]
