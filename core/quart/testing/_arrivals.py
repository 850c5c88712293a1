"""For plugins of test runners: which tests send something through an application's ASGI entry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..asgi import ASGIHTTPConnection, ASGIWebsocketConnection


def on_each_arrival(tell: Callable[[], None]) -> None:
    """Call *tell* for each request and websocket that reaches any application, from now on."""
    for kind in (ASGIHTTPConnection, ASGIWebsocketConnection):
        kind.__call__ = telling(kind.__call__, tell)  # type: ignore[method-assign]


def telling(call: Callable[..., Any], tell: Callable[[], None]) -> Callable[..., Any]:
    def told(*args: Any) -> Any:
        tell()
        return call(*args)

    return told
