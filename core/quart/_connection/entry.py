"""A connection's own context variables, apart from those of the server.

A server calls an application in a task of its own making. Which context variables that task begins
with is chance: what a callback of the event loop does, it does in the context of whoever has
registered it, and that may have been an earlier request that waited in the server's `receive`. So a
connection gets a `Context` that has none of an application's contexts in it. And what the server
does for it, the server does in the context in which it called us. Nothing is left there.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import Context, ContextVar, copy_context
from typing import Any

from greenlet import getcurrent

from .._flask import flask_cv_app, flask_cv_request
from .._loops.resume import resume, run_in, Through
from ..globals import _cv_app

App = Callable[[Any, Any, Any], Awaitable[None]]
Receive = Callable[[], Awaitable[Any]]
Send = Callable[[Any], Awaitable[None]]

#: In a scope: the caller's context is the connection's, as it is for Flask over WSGI.
SHARED = "quart.shares_context"
_OURS = _cv_app, flask_cv_app, flask_cv_request


class _Claim:
    """A context that waits for the connection for which it was made."""

    __slots__ = ("is_open",)

    def __init__(self) -> None:
        self.is_open = True


_claim: ContextVar[_Claim] = ContextVar("quart.claim")


def clean_context() -> Context:
    """Return a copy of the current context variables without any application's context."""
    context = copy_context()
    if not len(context) or not any(variable in context for variable in _OURS):
        return context
    # A variable that is set to None is not the same as one that is not set.
    clean = Context()
    for variable, value in context.items():
        if variable not in _OURS:
            clean.run(variable.set, value)
    return clean


def is_expected() -> bool:
    """Whether the context here is a connection's own, which has not arrived yet.

    It is not where middleware, or a view, calls an application once more.
    """
    claim = _claim.get(None)
    return claim is not None and claim.is_open


async def go_on(app: App, scope: Any, receive: Receive, send: Send) -> None:
    """Call *app*, in a context of the connection's own; no task is made for that."""
    if SHARED in scope or scope["type"] == "lifespan" or is_expected():
        await app(scope, receive, send)
        return
    claim, (receive, send) = _Claim(), outside(receive, send)
    try:
        await run_in(clean_context(), _claimed, claim, app, scope, receive, send)
    finally:
        claim.is_open = False


def _claimed(claim: _Claim, app: App, *args: Any) -> Awaitable[None]:
    _claim.set(claim)
    return app(*args)


def arrive(scope: Any, receive: Receive, send: Send) -> tuple[Context | None, Receive, Send]:
    """Return the context for a connection, None if it is in that, and how to receive and send."""
    if SHARED in scope:
        return None, receive, send
    if is_expected():
        _claim.get().is_open = False
        return None, receive, send
    return clean_context(), *outside(receive, send)


def outside(receive: Receive, send: Send) -> tuple[Receive, Send]:
    """Return both so that they are awaited in the context here, by whichever task asks."""
    context = getcurrent().gr_context

    async def receive_outside() -> Any:
        this = getcurrent()
        inside, this.gr_context = this.gr_context, context
        try:
            steps = receive().__await__()
            future = next(steps)
        except StopIteration as stop:
            return stop.value
        finally:
            this.gr_context = inside
        return await resume(steps, future, _through(context))

    async def send_outside(message: Any) -> None:
        this = getcurrent()
        inside, this.gr_context = this.gr_context, context
        try:
            steps = send(message).__await__()
            # It seldom waits, and this is the quickest way to find out.
            for future in steps:  # noqa: B007
                break
            else:
                return
        finally:
            this.gr_context = inside
        await resume(steps, future, _through(context))

    return receive_outside, send_outside


def _through(context: Context | None) -> Through:
    """Return what takes a step in *context*, which may be entered already.

    Such a one cannot be entered again. So it is made the current one as a greenlet's is.
    """

    def through(step: Callable[[Any], Any], value: Any) -> Any:
        this = getcurrent()
        inside, this.gr_context = this.gr_context, context
        try:
            return step(value)
        finally:
            this.gr_context = inside

    return through
