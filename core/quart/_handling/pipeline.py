"""Take a connection to its response, for requests and websockets alike.

`handle` chooses the place and enters it; `_in_place` is all that happens there. Each stage goes
through the application's public method of that name, so an override takes effect, even a plain
function. Where requests and websockets differ, `ctx.kind` says how.

A stage that often has nothing to wait for is a plain function. It returns its result, or an
awaitable that gives it: see `resolve_here`.
"""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, cast, TYPE_CHECKING

from werkzeug.exceptions import BadRequestKeyError, HTTPException
from werkzeug.routing import RoutingException
from werkzeug.wrappers import Response as WSGIResponse

from .._connection.disclosure import SHOWN, VARIABLES
from .._connection.outbound import called, is_called
from .._flask import find_error_handler, has_served, mark_served
from .._kind import WEBSOCKET
from .._loops.mailbox import shielded
from .._loops.raised import as_raised
from .._loops.strays import is_stray
from .._types import CoroutineOf, Function, Result, Scope
from ..wrappers.base import only_says_gone
from ..wrappers.websocket import State
from . import endings, session, straight
from .advice import advise
from .hooks import returned_no_response
from .overrides import log_exception
from .results import emit, resolve, resolve_here
from .teardown import close_context

if TYPE_CHECKING:
    from .._threads.strategy import Place
    from ..app import Quart
    from ..ctx import AppContext


_ENDED = State.CLOSED, State.DENIED

# A connection's whole life


def handle(app: Quart, ctx: AppContext, connection: Any) -> Awaitable[Result]:
    """Handle *connection* in its context *ctx*, which this enters; await the result at once.

    That is the response, or None if none is needed.
    """
    ctx.enter()
    try:
        if connection.routing_exception is None:
            try:
                ctx.match_request()
            except Exception as error:  # A URL converter may raise anything.
                ctx.failure = error
        plan = ctx.find_plan()
    except BaseException:
        ctx.exit()
        raise
    place = plan.place
    work = _straight if ctx.answers_whole and plan.is_straight else _in_place
    # Spare a coroutine where the work begins with its first step.
    return place.enter(ctx, work) if place.begins_at_once else _enter(place, ctx, work)


async def _enter(
    place: Place, ctx: AppContext, work: Callable[[AppContext], CoroutineOf[Result]]
) -> Result:
    try:
        return await place.enter(ctx, work)
    finally:
        if not ctx.handled:
            # The work has not begun: the client left before a thread was free, for example.
            ctx.exit()


async def _in_place(ctx: AppContext, begun: straight.Begun | None = None) -> Result:
    """Do all of the work, in the place that was entered for it, or what is left if it has *begun*.

    Each part must run whatever the part before it raised: first the stages, then error handlers,
    then the start of a WSGI response, and last the teardown. Each error is chained to the last one.
    """
    app, kind, stages = ctx.app, ctx.kind, ctx.plan.stages
    full_dispatch, ctx.handled = stages.full_dispatch, True
    raised: BaseException | None = None
    response: Result = None
    try:
        try:
            if ctx.failure is not None:
                raise ctx.failure
            if begun is not None:
                full_dispatch = partial(_conclude, begun)
            elif stages.context_pushed.receivers or not stages.opens_late(app.session_interface):
                await open_context(app, ctx)
            response = await full_dispatch(app, ctx)
        except Exception as error:
            raised = as_raised(error)
            response = await stages.handle_exception(app, ctx, raised)
        except BaseException as error:
            raised = error
            if not is_stray(error):
                if not kind.must_answer:  # type: ignore[union-attr]  # a connection has a kind
                    # The client left or the server stops. Clean up what was set up.
                    with shielded():
                        await resolve_here(finalize(app, ctx, None, from_error_handler=True))
                raise
            # The cancellation is not meant for this task, so handle it as any error.
            response = await stages.handle_exception(app, ctx, cast(Exception, error))
        is_called = isinstance(response, WSGIResponse) and _is_called(response, ctx)
        return await called(ctx, response) if is_called else response
    finally:
        if raised is not None:
            _give_up_streams(ctx)
        scope: Scope = ctx.connection.scope  # type: ignore[union-attr]  # it has one
        try:
            if "quart.closing" in scope:
                _start(ctx, scope["quart.closing"], response)
        finally:
            if (rest := close_context(app, ctx, raised)) is not None:
                with shielded(None if raised is None else type(raised)):
                    await rest


_straight = partial(straight.work, _in_place)


def _start(ctx: AppContext, closing: Function, response: object) -> None:
    """Give *response* to the WSGI server, which may refuse it."""
    try:
        closing(ctx, response)
    except BaseException:
        _give_up_streams(ctx)
        raise


def _give_up_streams(ctx: AppContext) -> None:
    """Leave *ctx* once for each stream that keeps it, as none will be sent."""
    while len(ctx._tokens) > 1:
        ctx.exit()
        ctx.given_up += 1


def _is_called(response: WSGIResponse, ctx: AppContext) -> bool:
    """Whether *response* has its own `__call__`, and nobody else will call it."""
    return is_called(response) and "quart.calling" not in ctx.connection.scope  # type: ignore[union-attr]  # as above


async def open_context(app: Quart, ctx: AppContext) -> None:
    """Send the signal that *ctx* was pushed, and open its session."""
    pushed = ctx.plan.stages.context_pushed
    if pushed.receivers and ctx.owns_app_context and (ctx.kind is None or len(ctx._tokens) == 1):
        with app._application_alone(ctx):
            await emit(app, ctx, pushed)
    await session.open_eagerly(app, ctx)


# The stages


async def full_dispatch(app: Quart, ctx: AppContext) -> Result:
    if not has_served(app):
        mark_served(app)
    plan, result = ctx.plan, None
    stages = plan.stages
    dispatch, finalize = stages.dispatch, stages.finalize
    try:
        if stages.started.receivers:
            await emit(app, ctx, stages.started)
        if plan.preprocesses:
            rule = ctx.connection.url_rule  # type: ignore[union-attr]  # it has one
            result = await stages.preprocess(app, ctx)
            if not plan.stands or ctx.connection.url_rule is not rule:  # type: ignore[union-attr]  # as above
                dispatch = ctx.find_plan(plan.place).stages.dispatch
        if result is None and not (plan.preprocesses and _ended(ctx)):
            result = dispatch(app, ctx)
            if hasattr(result, "__await__"):
                result = await result
            if plan.accepts:
                endings.check(app, ctx, result)
    except Exception as error:
        if not ctx.kind.must_answer and only_says_gone(error):  # type: ignore[union-attr]  # as above
            result = None  # The ordinary end of a websocket.
        else:
            result = await stages.handle_user_exception(app, ctx, as_raised(error))
    response = finalize(app, ctx, result)
    return await response if hasattr(response, "__await__") else response


async def _conclude(begun: straight.Begun, app: Quart, ctx: AppContext) -> Result:
    """Do what is left of `full_dispatch` once the view was called."""
    stages = ctx.plan.stages
    try:
        result = begun.result()
    except Exception as error:
        result = await stages.handle_user_exception(app, ctx, as_raised(error))
    begun.check()
    if begun.response is not None:
        return await resolve_here(finalize(app, ctx, None, made=begun.response))
    return await resolve_here(stages.finalize(app, ctx, result))


async def preprocess(app: Quart, ctx: AppContext) -> Result:
    plan, connection = ctx.plan, ctx.connection
    assert connection is not None
    for preprocessor in plan.preprocessors:
        preprocessor(connection.endpoint, connection.view_args)
    may_end = ctx.kind is WEBSOCKET
    for func in plan.before:
        result = func()
        if result is not None:
            result = await resolve(ctx, result)
            if result is not None:
                return result
        if may_end and _ended(ctx):
            return None
    if may_end:
        # Remember whether hooks have changed the session. A hook that does so for each request does
        # not expect a websocket to save it, so no warning is due.
        ctx.session_touched = ctx._session is not None and ctx._session.modified
    return None


def _ended(ctx: AppContext) -> bool:
    """Whether this is a websocket that the application has ended already, in a hook."""
    return ctx.kind is WEBSOCKET and ctx.websocket.state in _ENDED


def dispatch(app: Quart, ctx: AppContext) -> Result:
    connection, plan = ctx.connection, ctx.plan
    assert connection is not None
    if connection.routing_exception is not None:
        app.raise_routing_exception(app._face_of(ctx))
    if connection.method == "OPTIONS" and getattr(
        connection.url_rule, "provide_automatic_options", False
    ):
        return plan.stages.make_default_options_response(app, ctx)
    view = plan.view
    if view is None:
        raise KeyError(
            f"Expected a view function for the endpoint {connection.endpoint!r}, got none."
            " Register one with @app.endpoint, or pass view_func to add_url_rule."
        )
    result = view(**connection.view_args)  # type: ignore[arg-type]  # set by match_request
    return plan.place.resolve(result) if hasattr(result, "__await__") else result


def finalize(
    app: Quart,
    ctx: AppContext,
    result: Result,
    from_error_handler: bool = False,
    made: Result = None,
) -> Result:
    plan, response = ctx.plan, made
    if not plan.stands:
        plan = ctx.find_plan(plan.place)
    if made is None and (result is not None or ctx.kind.must_answer):  # type: ignore[union-attr]  # as above
        response = plan.stages.make_response(app, ctx, result)
        if not plan.stands:  # To write JSON may run code of the application, which adds a hook.
            plan = ctx.find_plan(plan.place)
    stages = plan.stages
    if (
        plan.processes
        or ctx._after is not None
        or stages.finished.receivers
        or hasattr(response, "__await__")
        or from_error_handler
    ):
        return _finalize(app, ctx, response, from_error_handler)
    if session.is_concerned(app, ctx):
        saving = session.save(app, ctx, response)
        if saving is not None:
            return _after(saving, response)
    return response


async def _after(saving: Awaitable[object], response: Result) -> Result:
    await saving
    return response


async def _finalize(
    app: Quart, ctx: AppContext, response: Result, from_error_handler: bool
) -> Result:
    stages = ctx.plan.stages
    response = await resolve_here(response)
    try:
        response = await stages.process(app, ctx, response)
        if stages.finished.receivers:
            await emit(app, ctx, stages.finished, response=response)
    except Exception:
        if not from_error_handler:
            raise
        app.logger.exception("Finalizing failed while an error was being handled.")
    return response


async def process(app: Quart, ctx: AppContext, response: Result) -> Result:
    plan = ctx.plan
    if ctx._after is not None:
        for func in ctx._after:
            response = await resolve(ctx, plan.place.adapt_after(app, func)(response))
    for func in plan.after:
        response = func(response)
        if hasattr(response, "__await__"):
            response = await plan.place.resolve(response)
        if response is None and ctx.kind.must_answer:  # type: ignore[union-attr]  # as above
            raise returned_no_response(func)
    if session.is_concerned(app, ctx):
        saving = session.save(app, ctx, response)
        if saving is not None:
            await saving
    return response


async def make_default_options_response(app: Quart, ctx: AppContext) -> Result:
    assert ctx.url_adapter is not None
    response = app.response_class()
    response.allow.update(ctx.url_adapter.allowed_methods())
    return response


# Errors


async def handle_http_exception(app: Quart, ctx: AppContext, error: HTTPException) -> Result:
    # An error without a code, and one from routing, is a response already.
    if error.code is None or isinstance(error, RoutingException):
        return error
    handler = find_error_handler(app, error, ctx.plan.blueprints)
    if handler is None:
        return error
    return await resolve(ctx, ctx.plan.adapt(handler)(error))


async def handle_user_exception(app: Quart, ctx: AppContext, error: Exception) -> Result:
    if isinstance(error, BadRequestKeyError) and (
        app.debug or app.config["TRAP_BAD_REQUEST_ERRORS"]
    ):
        error.show_exception = True
    if isinstance(error, HTTPException) and not app.trap_http_exception(error):
        return await ctx.plan.stages.handle_http_exception(app, ctx, error)
    handler = find_error_handler(app, error, ctx.plan.blueprints)
    if handler is None:
        raise error
    return await resolve(ctx, ctx.plan.adapt(handler)(error))


async def handle_exception(app: Quart, ctx: AppContext, error: Exception) -> Result:
    raised = sys.exc_info()
    advise(error)
    await emit(app, ctx, ctx.plan.stages.failed, exception=error)
    if app._propagates(ctx):
        raise error
    traceback = raised[2] if raised[1] is error else error.__traceback__
    await resolve(ctx, log_exception(app, ctx, error, traceback))
    shown = app.debug and ctx.connection.scope.get(SHOWN)  # type: ignore[union-attr]  # it has one
    if shown:
        from ..debug import traceback_response

        return await traceback_response(error, show_variables=shown == VARIABLES)
    return await server_error(app, ctx, error)


async def server_error(app: Quart, ctx: AppContext, error: Exception) -> Result:
    failure = app._server_error_for(error)
    result: Result = failure
    handler = find_error_handler(app, failure, ctx.plan.blueprints)
    if handler is not None:
        result = await resolve(ctx, ctx.plan.adapt(handler)(failure))
    return await resolve_here(ctx.plan.stages.finalize(app, ctx, result, from_error_handler=True))
