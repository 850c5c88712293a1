"""Decide when a connection's session is opened and saved."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, cast, TYPE_CHECKING

from flask.sessions import SecureCookieSessionInterface as FlaskCookieSessions

from .._formats.cookies import cookie_of
from .._formats.headers import first_value, Undecoded
from .._kind import WEBSOCKET
from .._types import Result
from ..sessions import asked_for_late, Late, report_lost
from ..wrappers.websocket import State
from .results import resolve

if TYPE_CHECKING:
    from ..app import Quart
    from ..ctx import AppContext

_FLASKS = asked_for_late(FlaskCookieSessions)


def _late(app: Quart) -> Late | None:
    interface_class: type = type(app.session_interface)
    if interface_class is FlaskCookieSessions:
        return _FLASKS
    return cast("Late | None", vars(interface_class).get("opens_lazily"))


def is_lazy(app: Quart) -> bool:
    """Whether the session may be opened as late as at its first use.

    The interface's own class must say so, since a subclass might do anything; and nobody may have
    replaced its methods.
    """
    late = _late(app)
    return late is not None and late.all.within(app.session_interface)


def lazy_if_unused(app: Quart) -> Callable[[object], bool]:
    """Return what says, at each request, whether its session need not be opened before the hooks.

    That is asked of the interface, and has to hold until another interface is set.
    """
    late = _late(app)
    return _never if late is None or not is_lazy(app) else late.unused.compiled().within


def _never(interface: object) -> bool:
    return False


async def open_eagerly(app: Quart, ctx: AppContext) -> None:
    """Open the session now, unless it may be opened at its first use."""
    if ctx.connection is not None and ctx._session is None and not is_lazy(app):
        opened = ctx.plan.adapted(app.session_interface.open_session)(app, app._face_of(ctx))
        ctx.keep_session(await resolve(ctx, opened))


def is_concerned(app: Quart, ctx: AppContext) -> bool:
    """Whether there is a session to save."""
    if ctx._session is not None:
        return True
    # Nobody has used it. Only a cookie that the client sent may have to be renewed.
    connection: Any = ctx.connection
    headers = connection.headers
    if type(headers) is Undecoded and b"cookie" not in headers.first:
        return False
    return (
        first_value(headers, b"cookie") is not None
        and cookie_of(connection, app.session_interface.get_cookie_name(app)) is not None
    )


def save(app: Quart, ctx: AppContext, response: object) -> Awaitable[object] | None:
    """Save the session; if this returns an awaitable, await it."""
    interface, session = app.session_interface, ctx.opened_session()
    if interface.is_null_session(session):
        return None
    if not is_lazy(app):
        given = app._response_for_session() if response is None else response
        saving: Result = ctx.plan.adapted(interface.save_session)(app, session, given)
        return ctx.plan.place.resolve(saving) if hasattr(saving, "__await__") else None
    if response is not None:
        # `_save` is the plain part of `save_session`.
        plain_save: Any = getattr(interface, "_save", interface.save_session)
        plain_save(app, session, response)
    if ctx.kind is WEBSOCKET and session.modified and not ctx.session_touched:
        _report_if_lost(app, ctx, response)
    return None


def _report_if_lost(app: Quart, ctx: AppContext, response: Any) -> None:
    websocket = ctx.websocket
    refused = response is not None and websocket.state is State.CONNECTING
    if not (refused and "websocket.http.response" in (websocket.scope.get("extensions") or {})):
        report_lost(app, f"The websocket view {websocket.endpoint!r}", accepted=not refused)
