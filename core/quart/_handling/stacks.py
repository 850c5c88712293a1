"""The order in which contexts may be left: Flask 3.1's, which has two stacks.

One stack is of application contexts, the other of requests. Within each stack contexts are left in
order, but neither stack waits for the other. So you may leave an application context before the
requests within it, and the other way round. A request that brought its own application context is
part of both. If it was pushed once more, as `stream_with_context` does it for the application
context of a request within it, that push may be undone before the request within is left.
"""

from __future__ import annotations

from contextvars import Token
from typing import TYPE_CHECKING

from .._threads import strategy
from ..globals import _cv_app

if TYPE_CHECKING:
    from ..ctx import AppContext


def right_above(ctx: AppContext, current: AppContext | None) -> AppContext | None:
    """Return the context that was entered right after *ctx*, if *ctx* may be left before it.

    *current* is the innermost context.
    """
    above = current
    while above is not None and _is_of_the_other_stack(above, ctx):
        if above._around is ctx:
            return above
        above = above._around
    return None


def _is_of_the_other_stack(above: AppContext, ctx: AppContext) -> bool:
    if above._outer is ctx and ctx.is_pushed:
        return True
    if (above.kind is None) is (ctx.kind is None):
        return False
    connected = ctx if above.kind is None else above
    return not connected.owns_app_context


def put_off(ctx: AppContext, token: Token[AppContext], mark: object, above: AppContext) -> object:
    """Keep *token*, of a pop of *ctx*, until *above* is popped.

    Return *mark*, of what the strategy has to undo now, or None if it has to wait as well.
    """
    if not ctx.is_pushed:
        above._beneath = (*above._beneath, (ctx, token, None))
        return mark
    above._beneath = (*above._beneath, (ctx, token, mark))
    return None


def catch_up(ctx: AppContext) -> None:
    """Do what was put off until *ctx* is popped."""
    popped = strategy.installed.popped
    for earlier, token, mark in ctx._beneath:
        _cv_app.reset(token)
        if popped is not None and mark is not None:
            popped(earlier, mark)
    ctx._beneath = ()


# A WSGI server may close a stream in another thread than the one that iterated over it. Each thread
# has its own context variables, and a token resets only those of the thread that made it.


def adopt(ctx: AppContext) -> None:
    """Make *ctx*, which another thread has pushed, current in this thread, to be popped here."""
    current = _cv_app.get(None)
    while current is not None:
        if current is ctx:
            return  # It was pushed in this thread, and another context is on top of it.
        current = current._around
    token, mark = ctx._tokens[-1]
    here = _cv_app.set(ctx)
    try:
        _cv_app.reset(token)
    except ValueError:
        pushed = strategy.installed.pushed
        ctx._tokens[-1] = here, None if pushed is None else pushed(ctx)
    else:
        # It was pushed in this thread, so something else is wrong. Restore everything; only the
        # token is a new one, as the old one is used up.
        ctx._tokens[-1] = _cv_app.set(ctx), mark
        _cv_app.reset(here)


def reset_here(ctx: AppContext, token: Token[AppContext], mark: object) -> object:
    """Undo the latest push of *ctx* that was made in this thread, if any; return that push's mark.

    *token* and *mark* are those of the latest push, which another thread has made. They take the
    place of the one that is undone.
    """
    for number, (earlier, its_mark) in reversed([*enumerate(ctx._tokens)]):
        try:
            _cv_app.reset(earlier)
        except ValueError:
            continue
        ctx._tokens[number] = token, mark
        return its_mark
    return mark
