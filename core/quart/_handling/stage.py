"""Stages of the pipeline, of which each has a public method that an application may override."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from types import FunctionType, MethodType
from typing import cast, TYPE_CHECKING, TypeVar

from .._threads import strategy
from .._types import Function, Result
from .either import CallableByBoth
from .overrides import wants_context

if TYPE_CHECKING:
    from ..app import Quart
    from ..ctx import AppContext
    from ..wrappers import Request, Websocket

F = TypeVar("F", bound=Function)

#: For each public method of a stage: the internal function that does its work.
_internals: dict[FunctionType, Function] = {}


def stage_of(internal: Function) -> Callable[[F], F]:
    """Mark a method as the application's public method for the stage *internal*."""

    def mark(method: F) -> F:
        _internals[cast(FunctionType, method)] = internal
        return method

    return mark


def internal_of(method: Function) -> Function | None:
    """Return the stage behind the public *method*, bound or not; None if it was overridden."""
    function: Function = method.__func__ if type(method) is MethodType else method
    if type(function) is CallableByBoth:
        function = function.func
    # Check the type: a wrapper, such as wrapt's, hashes and compares like what it wraps.
    return _internals.get(function) if type(function) is FunctionType else None


def is_ours(stage: Function) -> bool:
    return stage in _internals.values()


def stage(method: Function, internal: F) -> F:
    """Return *method* as ``stage(app, ctx, *args)``, whose result may be awaitable.

    If nobody overrides the stage, that is *internal*, or the function that a face has in its place.
    """
    own = internal_of(method)
    if own is not None:
        return cast(F, own)
    ctx_first, is_async = wants_context(method), strategy.is_async(method)

    async def overridden(app: Quart, ctx: AppContext, *args: object, **named: object) -> Result:
        place = ctx.plan.place
        given = (app._context_face_of(ctx), *args) if ctx_first else args
        call = partial(method, **named) if named else method
        result = call(*given) if is_async else await place.run(ctx, call, *given)
        if hasattr(result, "__await__"):
            result = await place.resolve(result)
        return result

    return cast(F, overridden)


#: The scope's key of the context that was made for the connection, until it is entered.
PREPARED = "quart.context"


def first_stage(method: Function, internal: F) -> F:
    """Do the same for the stage that finds the place; before that there is no plan."""
    if internal_of(method) is not None:
        return internal

    async def overridden(app: Quart, ctx: AppContext, connection: Request | Websocket) -> Result:
        connection.scope[PREPARED] = ctx  # type: ignore[literal-required]  # a key of ours
        result = method(connection)
        return await result if hasattr(result, "__await__") else result

    return cast(F, overridden)
