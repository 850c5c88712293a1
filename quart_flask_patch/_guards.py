"""Let the request hooks of a Flask application guard its websockets.

To Flask a websocket is a request: `before_request` functions run whatever protocol follows.
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

#: The hooks of both kinds; those of requests are the outer ones.
_HOOKS: Any = {
    "before": REQUEST.before + WEBSOCKET.before,
    "after": WEBSOCKET.after + REQUEST.after,
    "teardown": WEBSOCKET.teardown + REQUEST.teardown,
}
#: A plain view takes over the socket, usually through an extension such as Flask-Sock. It is
#: handled as a request, with all stages and signals of one, but may return nothing.
TAKEN_OVER = replace(
    REQUEST, name="websocket", must_answer=False, handle=WEBSOCKET.handle, **_HOOKS
)
#: `@app.websocket` has stages and signals of its own.
GUARDED = replace(WEBSOCKET, **_HOOKS)


def kind_for(app: Quart, endpoint: str | None) -> Kind:
    """Return how *app* handles websockets of *endpoint*, which is None if no rule matches."""
    if endpoint is not None and endpoint not in app._websocket_endpoints:
        view = app.view_functions.get(endpoint)
        if view is not None and not strategy.is_async(view):
            return TAKEN_OVER
    return GUARDED if app.config["WEBSOCKET_REQUEST_HOOKS"] else WEBSOCKET


class AfterThis(list[Callable[[Any], Any]]):
    """The list that `flask.after_this_request` appends to; its functions need a response."""

    def __init__(self, functions: list[Callable[[Any], object]]) -> None:
        super().__init__(functions)
        self._functions = functions

    def append(self, func: Callable[[Any], object]) -> None:
        self._functions.append(on_response(func))
