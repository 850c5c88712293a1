"""The one context variable, and the proxies through which users read it.

Framework code takes the context as an argument. Only users read proxies.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any, cast, TYPE_CHECKING

from werkzeug.local import LocalProxy

if TYPE_CHECKING:
    from .app import Quart
    from .ctx import _AppCtxGlobals, AppContext
    from .sessions import SessionMixin
    from .typing import AppProxy as AppProxy
    from .wrappers import Request, Websocket

_NO_APP = """Working outside of application context.

This needs the current application, and none is active here. Inside a request, a websocket or a CLI
command one is. Elsewhere, open one around this code: `async with app.app_context():`.
"""
_NO_REQUEST = """Working outside of request context.

This needs an active request, and none is being handled here. In a test, open one around this code:
`async with app.test_request_context("/"):`. In a background task, pass the values in instead.
"""
_NO_WEBSOCKET = """Working outside of websocket context.

This needs an active websocket, and none is being handled here. In a task that a handler starts,
wrap the function with `copy_current_websocket_context`.
"""

_cv_app: ContextVar[AppContext] = ContextVar("quart.app_ctx")


def _proxy(attribute: str | None, message: str) -> Any:
    return LocalProxy(_cv_app, attribute, unbound_message=message)


app_ctx: AppContext = cast("AppContext", _proxy(None, _NO_APP))
current_app: Quart = cast("Quart", _proxy("app", _NO_APP))
g: _AppCtxGlobals = cast("_AppCtxGlobals", _proxy("g", _NO_APP))
request: Request = cast("Request", _proxy("request", _NO_REQUEST))
websocket: Websocket = cast("Websocket", _proxy("websocket", _NO_WEBSOCKET))
session: SessionMixin = cast("SessionMixin", _proxy("session", _NO_REQUEST))

# Earlier releases had a context, and a variable, for each kind of connection.
request_ctx = websocket_ctx = app_ctx
_cv_request = _cv_websocket = _cv_app
