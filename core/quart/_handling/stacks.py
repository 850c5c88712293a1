"""The order in which contexts may be left: that of Flask 3.1, which has two stacks.

One is of application contexts and one of requests. Each of them is left in order, but neither waits
for the other: an application context that was entered first may be left before the requests within
it, and the other way round. A request that brought its application context with it takes part in
both.
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

    *current* is the innermost one.
    """
    above = current
    while above is not None and _is_of_the_other_stack(above, ctx):
        if above._around is ctx:
            return above
        above = above._around
    return None


def _is_of_the_other_stack(above: AppContext, ctx: AppContext) -> bool:
    if (above.kind is None) is (ctx.kind is None):
        return False
    connected = ctx if above.kind is None else above
    return not connected.owns_app_context


# A WSGI server may close a stream in another thread than it iterated in. Each thread has context
# variables of its own, and a token is of those alone that it was made for.


def adopt(ctx: AppContext) -> None:
    """Take over what another thread has pushed, if one did, to pop it here."""
    current = _cv_app.get(None)
    while current is not None:
        if current is ctx:
            return  # Another one is on top of it.
        current = current._around
    token, mark = ctx._tokens[-1]
    here = _cv_app.set(ctx)
    try:
        _cv_app.reset(token)
    except ValueError:
        pushed = strategy.installed.pushed
        ctx._tokens[-1] = here, None if pushed is None else pushed(ctx)
    else:
        # It was pushed here, and something else is wrong. All is as before, but for a token that
        # can be used once more.
        ctx._tokens[-1] = _cv_app.set(ctx), mark
        _cv_app.reset(here)


def reset_here(ctx: AppContext, token: Token[AppContext], mark: object) -> object:
    """Undo a push of *ctx* that was made here, if any, and give its mark; the other one stays.

    *token* and *mark* are of the latest push, which another thread has made.
    """
    for number, (earlier, its_mark) in reversed([*enumerate(ctx._tokens)]):
        try:
            _cv_app.reset(earlier)
        except ValueError:
            continue
        ctx._tokens[number] = token, mark
        return its_mark
    return mark
