"""Functions that use the current context: add a hook to it, copy it, or ask whether it exists."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TYPE_CHECKING

from .._kind import Kind, REQUEST, WEBSOCKET
from ..globals import _cv_app

if TYPE_CHECKING:
    from ..ctx import AppContext
    from ..typing import AfterRequestCallable, AfterWebsocketCallable

P = ParamSpec("P")


def _current(kind: Kind | None, caller: str) -> AppContext:
    ctx = _cv_app.get(None)
    if ctx is not None and kind is not None:
        ctx = ctx.connected
    if ctx is None or (kind is not None and ctx.kind is not kind):
        name = "application" if kind is None else kind.name
        raise RuntimeError(
            f"Expected an active {name} context for {caller!r}, got none. Call it in a view"
            " function, for example."
        )
    return ctx


def after_this_request(func: AfterRequestCallable) -> AfterRequestCallable:
    """Run *func* on the response of the current request only.

    Raises:
        RuntimeError: if no request is being handled.
    """
    _current(REQUEST, "after_this_request").after_this().append(func)
    return func


def after_this_websocket(func: AfterWebsocketCallable) -> AfterWebsocketCallable:
    """Run *func* when this websocket's handler has ended, on its response or None.

    Raises:
        RuntimeError: if no websocket is being handled.
    """
    _current(WEBSOCKET, "after_this_websocket").after_this().append(func)
    return func


def _copying(kind: Kind | None, caller: str) -> Callable[[Callable[P, Any]], Callable[P, Any]]:
    def decorate(func: Callable[P, Any]) -> Callable[P, Any]:
        ctx = _current(kind, caller).copy()

        @wraps(func)
        async def in_context(*args: P.args, **kwargs: P.kwargs) -> Any:
            # Copy again for each call, as several calls may run at once.
            async with ctx.copy() as copied:
                return await copied.app.ensure_async(func)(*args, **kwargs)

        return in_context

    return decorate


def copy_current_app_context(func: Callable[P, Any]) -> Callable[P, Any]:
    """Return *func* so that it runs in the current application context, in any later task.

    Raises:
        RuntimeError: if there is no application context.
    """
    return _copying(None, "copy_current_app_context")(func)


def copy_current_request_context(func: Callable[P, Any]) -> Callable[P, Any]:
    """Return *func* so that it runs in the current request's context, in any later task.

    Raises:
        RuntimeError: if no request is being handled.
    """
    return _copying(REQUEST, "copy_current_request_context")(func)


def copy_current_websocket_context(func: Callable[P, Any]) -> Callable[P, Any]:
    """Return *func* so that it runs in the current websocket's context, in any later task.

    Raises:
        RuntimeError: if no websocket is being handled.
    """
    return _copying(WEBSOCKET, "copy_current_websocket_context")(func)


def has_app_context() -> bool:
    """Whether `current_app` and `g` can be used here."""
    return _cv_app.get(None) is not None


def _has(kind: Kind) -> bool:
    ctx = _cv_app.get(None)
    return ctx is not None and ctx.has(kind)


def has_request_context() -> bool:
    """Whether `request` and `session` can be used here."""
    return _has(REQUEST)


def has_websocket_context() -> bool:
    """Whether `websocket` and `session` can be used here."""
    return _has(WEBSOCKET)
