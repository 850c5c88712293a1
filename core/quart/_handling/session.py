"""When a connection's session is opened and saved."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TYPE_CHECKING

from flask.sessions import SecureCookieSessionInterface as FlaskCookieSessions

from .._formats.cookies import cookie_of
from .._formats.headers import first_value
from ..sessions import SecureCookieSessionInterface

if TYPE_CHECKING:
    from ..app import Quart
    from ..ctx import AppContext

_STOCK_SAVE = SecureCookieSessionInterface.save_session


def is_lazy(app: Quart) -> bool:
    """Whether the session is opened by the first who asks for it.

    Its own class has to say so: a subclass might do anything.
    """
    kind: type = type(app.session_interface)
    return kind is FlaskCookieSessions or "opens_lazily" in vars(kind)


async def open_eagerly(app: Quart, ctx: AppContext) -> None:
    """Open the session, unless that may wait."""
    if ctx.connection is not None and ctx._session is None and not is_lazy(app):
        opened = ctx.plan.open_session(app, app._face_of(ctx))
        ctx.keep_session(await _settle(ctx, opened))


async def _settle(ctx: AppContext, result: Any) -> Any:
    return await ctx.plan.place.resolve(result) if hasattr(result, "__await__") else result


def is_concerned(app: Quart, ctx: AppContext) -> bool:
    """Whether there is a session to save."""
    if ctx._session is not None:
        return True
    # Nobody asked for it. Only a cookie that came may still have to be renewed.
    connection: Any = ctx.connection
    return (
        first_value(connection.headers, b"cookie") is not None
        and cookie_of(connection, app.session_interface.get_cookie_name(app)) is not None
    )


def save(app: Quart, ctx: AppContext, response: Any) -> Awaitable[Any] | None:
    """Save the session; what this returns, if anything, has to be awaited for it."""
    interface, session = app.session_interface, ctx.opened_session()
    if interface.is_null_session(session):
        return None
    if response is None and is_lazy(app):
        if session.modified and not ctx.session_touched:
            app.logger.warning(
                "The session was modified in a websocket handler. That is lost: a cookie can only"
                " be set with a response, before the websocket is accepted."
            )
        return None
    if response is None:
        response = app._response_for_session()
    saving: Any = ctx.plan.close_session(app, session, response)
    return ctx.plan.place.resolve(saving) if hasattr(saving, "__await__") else None


def plain_save_of(app: Quart) -> Callable[..., None] | None:
    """Return the plain function that does what the interface's `save_session` would be awaited for.

    None if there is none: the interface is another, or that method was replaced.
    """
    interface: Any = app.session_interface
    is_stock = getattr(interface.save_session, "__func__", None) is _STOCK_SAVE
    return interface._save if is_stock and is_lazy(app) else None
