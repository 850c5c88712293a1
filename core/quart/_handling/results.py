"""Wait for what an application's functions return, and for receivers of its signals."""

from __future__ import annotations

from typing import TYPE_CHECKING

from blinker import Signal

from .._types import Result

if TYPE_CHECKING:
    from ..app import Quart
    from ..ctx import AppContext


async def resolve(ctx: AppContext, result: Result) -> Result:
    """Return *result*, or what it gives if it is awaitable; awaits as the context's place does."""
    if hasattr(result, "__await__"):
        return await ctx.plan.place.resolve(result)
    return result


async def resolve_here(result: Result) -> Result:
    """Do the same without a place: await *result* in the current task."""
    return await result if hasattr(result, "__await__") else result


async def emit(app: Quart, ctx: AppContext | None, signal: Signal, **values: object) -> None:
    """Send *signal*; plain receivers run where plain functions run."""
    if not signal.receivers or signal.is_muted:
        return
    for receiver in signal.receivers_for(app):
        if ctx is None:
            await app.ensure_async(receiver)(app, **values)
        else:
            await resolve(ctx, ctx.plan.adapt(receiver)(app, **values))
