"""How the hooks of a Flask application guard its websockets.

To Flask a websocket is a request: `before_request` functions run before whatever speaks over it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TYPE_CHECKING

from quart._handling.hooks import on_response
from quart._kind import Kind, REQUEST, WEBSOCKET
from quart._threads import strategy

if TYPE_CHECKING:
    from quart.app import Quart

#: Hooks of both kinds, with those of requests around the others.
_HOOKS: Any = {
    "before": REQUEST.before + WEBSOCKET.before,
    "after": WEBSOCKET.after + REQUEST.after,
    "teardown": WEBSOCKET.teardown + REQUEST.teardown,
}
#: A plain view takes over the socket, by an extension as a rule. It is a request with all its
#: stages and signals, but may return nothing.
TAKEN_OVER = replace(
    REQUEST, name="websocket", must_answer=False, handle=WEBSOCKET.handle, **_HOOKS
)
#: `@app.websocket` has stages and signals of its own.
GUARDED = replace(WEBSOCKET, **_HOOKS)


def manner_of(app: Quart, endpoint: str | None) -> Kind:
    """Return how the websockets of *endpoint*, or those that match none, are handled by *app*."""
    if endpoint is not None and endpoint not in app._websocket_endpoints:
        view = app.view_functions.get(endpoint)
        if view is not None and not strategy.is_async(view):
            return TAKEN_OVER
    return GUARDED if app.config["WEBSOCKET_REQUEST_HOOKS"] else WEBSOCKET


class AfterThis(list[Callable[[Any], Any]]):
    """What `flask.after_this_request` adds to, in a websocket: its functions need a response."""

    def __init__(self, functions: list[Callable[[Any], object]]) -> None:
        super().__init__(functions)
        self._functions = functions

    def append(self, func: Callable[[Any], object]) -> None:
        self._functions.append(on_response(func))
