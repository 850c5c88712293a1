"""End a context: run all its teardown functions, whatever some of them raise."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Iterable
from typing import cast, TYPE_CHECKING

from blinker import Signal

from .._connection.inbound import undisturbed
from .._flask import ignores_error, UNSET
from .._kind import REQUEST
from .._loops.raised import as_raised
from .._types import CoroutineOf, Function
from .results import emit, resolve_here

if TYPE_CHECKING:
    from ..app import Quart
    from ..ctx import AppContext

_UNSET = cast(BaseException, UNSET)


def close_context(
    app: Quart, ctx: AppContext, exc: BaseException | None
) -> CoroutineOf[None] | None:
    """Leave *ctx*; run the teardown functions first if this is its last pop.

    Returns None if that is done, or else an awaitable that does it.
    """
    plan, connection = ctx.plan, ctx.connection
    if not plan.stands:
        plan = ctx.find_plan(plan.place)
    stages = plan.stages
    if (
        plan.tears_down
        or app.teardown_appcontext_funcs
        or stages.context_tearing_down.receivers
        or stages.context_popped.receivers
        or (connection is not None and (connection.may_have_files or stages.tearing_down.receivers))
        # An overridden `close` of a request may do more than close the files of its form.
        or (ctx.kind is REQUEST and not app._only_closes_files(connection))
        # The application decides whether to ignore an error.
        or exc is not None
    ):
        return _close_context(app, ctx, exc)
    ctx.exit()
    return None


async def _close_context(app: Quart, ctx: AppContext, exc: BaseException | None) -> None:
    """Slow path of `close_context`: there is something to run.

    Raises:
        BaseException: what a teardown function raised, or a group if several raised something.
    """
    if exc is not None and ignores_error(app, exc):
        exc = None
    errors: list[BaseException] = []
    if len(ctx._tokens) == 1:
        with undisturbed(ctx.connection):
            await _run_teardown(app, ctx, exc, errors)
    ctx.exit()
    popped = ctx.plan.stages.context_popped
    if popped.receivers and ctx.owns_app_context and not (ctx.kind and ctx._tokens):
        await _collect(errors, emit(app, ctx, popped))
    if errors:
        _raise(app, errors)


async def _run_teardown(
    app: Quart, ctx: AppContext, exc: BaseException | None, errors: list[BaseException]
) -> None:
    stages = ctx.plan.stages
    if ctx.kind is not None:
        await _collect(errors, stages.do_teardown(app, ctx, exc))
    if ctx.kind is REQUEST:
        await _collect(errors, _close_request(app, ctx))
    if ctx.owns_app_context:
        await _collect(errors, _tear_down_app(app, ctx, exc))


async def _close_request(app: Quart, ctx: AppContext) -> None:
    if app._only_closes_files(ctx.request):
        await ctx.request.close()
    else:
        await resolve_here(ctx.plan.place.adapt(app._face_of(ctx).close)())


async def _tear_down_app(app: Quart, ctx: AppContext, exc: BaseException | None) -> None:
    stage = ctx.plan.stages.do_teardown_appcontext
    with app._application_alone(ctx):
        await stage(app, ctx, exc)


async def _collect(errors: list[BaseException], stage: Awaitable[object]) -> None:
    try:
        await stage
    except BaseException as error:
        errors.append(as_raised(error))


def _raise(app: Quart, errors: list[BaseException]) -> None:
    if len(errors) == 1 and not app._groups_single_errors:
        raise errors[0]
    raise BaseExceptionGroup("Several teardown functions failed.", errors)


# The stages


async def do_teardown(app: Quart, ctx: AppContext, exc: BaseException | None = _UNSET) -> None:
    plan = ctx.plan
    await _tear_down(app, ctx, plan.teardown, plan.stages.tearing_down, exc)


async def do_teardown_appcontext(
    app: Quart, ctx: AppContext, exc: BaseException | None = _UNSET
) -> None:
    plan = ctx.plan
    funcs = map(plan.adapt, reversed(app.teardown_appcontext_funcs))
    await _tear_down(app, ctx, funcs, plan.stages.context_tearing_down, exc)


async def _tear_down(
    app: Quart,
    ctx: AppContext,
    funcs: Iterable[Function],
    signal: Signal,
    exc: BaseException | None,
) -> None:
    if exc is _UNSET:  # Flask's default for a call without an argument.
        exc = sys.exc_info()[1]
    errors: list[BaseException] = []
    for func in funcs:
        try:
            result = func(exc)
            if hasattr(result, "__await__"):
                await ctx.plan.place.resolve(result)
        except BaseException as error:
            errors.append(as_raised(error))
    if signal.receivers:
        await _collect(errors, emit(app, ctx, signal, exc=exc))
    if errors:
        _raise(app, errors)
