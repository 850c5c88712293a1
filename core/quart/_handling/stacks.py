"""The order in which contexts may be left: that of Flask 3.1, which has two stacks.

One is of application contexts and one of requests. Each of them is left in order, but neither waits
for the other: an application context that was entered first may be left before the requests within
it, and the other way round. A request that brought its application context with it takes part in
both.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

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
