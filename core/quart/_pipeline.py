"""From connection to response, for requests and websockets alike.

`handle` chooses the place and enters it; `_in_place` is all that happens there. Each step goes
through the application's public method of that name, so an override, be it a plain function,
takes effect; what differs between the kinds of connection is asked of `ctx.kind`.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, cast, TYPE_CHECKING

from blinker import Signal
from werkzeug.exceptions import BadRequestKeyError, HTTPException, InternalServerError
from werkzeug.routing import RoutingException

from . import _session
from ._flask import find_error_handler, mark_served
from ._kind import REQUEST
from ._mailbox import shielded
from .signals import appcontext_popped, appcontext_pushed, appcontext_tearing_down
from .wrappers.base import ClientDisconnectedError
from .wrappers.request import Request

if TYPE_CHECKING:
    from types import TracebackType

    from .app import Quart
    from .ctx import AppContext


async def resolve(ctx: AppContext, result: Any) -> Any:
    """Wait for what a function returned, if it has to be waited for."""
    if hasattr(result, "__await__"):
        return await ctx.plan.place.resolve(result)
    return result


async def emit(app: Quart, ctx: AppContext | None, signal: Signal, **values: Any) -> None:
    """Send *signal*; plain receivers run as any plain function does."""
    if not signal.receivers or signal.is_muted:
        return
    for receiver in signal.receivers_for(app):
        if ctx is None:
            await app.ensure_async(receiver)(app, **values)
        else:
            await resolve(ctx, ctx.plan.place.adapt(receiver)(app, **values))


# A connection's whole life


async def handle(app: Quart, ctx: AppContext, connection: Any) -> Any:
    """Handle *connection* in its context *ctx*; return the response (None: none is needed)."""
    ctx.enter()
    try:
        ctx.failure = _match(ctx)
        return await ctx.plan.place.enter(ctx, _in_place)
    finally:
        if not ctx.handled:
            # Not even begun: there was no place, or the client left before a thread was free.
            ctx.exit()


def _match(ctx: AppContext) -> Exception | None:
    """Match the URL, and return what a converter raised if it is no HTTP error."""
    if ctx.connection.routing_exception is None:  # type: ignore[union-attr]  # it has one
        try:
            ctx.match_request()
        except Exception as error:
            return error
    return None


async def _in_place(ctx: AppContext) -> Any:
    app, kind, steps = ctx.app, ctx.kind, ctx.plan.steps
    ctx.handled = True
    raised: BaseException | None = None
    response: Any = None
    try:
        try:
            if ctx.failure is not None:
                raise ctx.failure
            if appcontext_pushed.receivers or not _session.is_lazy(app):
                await open_context(app, ctx)
            response = await steps.full_dispatch(app, ctx)
        except Exception as error:
            raised = error
            response = await steps.handle_exception(app, ctx, error)
        except BaseException as error:
            raised = error
            if not _is_stray(error):
                if not kind.must_answer:  # type: ignore[union-attr]  # a connection has a kind
                    # The client left or the server stops. Who set something up wants to clean up.
                    with shielded():
                        await finalize(app, ctx, None, from_error_handler=True)
                raise
            response = await steps.handle_exception(app, ctx, error)
        return response
    finally:
        # A stream that was to keep the context will not be sent.
        while raised is not None and len(ctx._tokens) > 1:
            ctx.exit()
        closing = cast(Any, ctx.connection).scope.get("quart.closing")
        if closing is not None:
            closing(ctx, response)
        if raised is None or isinstance(raised, Exception):
            await close_context(app, ctx, raised)
        else:
            with shielded():
                await close_context(app, ctx, raised)


def _is_stray(error: BaseException) -> bool:
    """Whether this is a cancellation, but not of this task.

    A view that awaits what somebody else cancelled raises it. The server would take it for the end
    of its own task, and leave the client without an answer.
    """
    if not isinstance(error, asyncio.CancelledError):
        return False
    try:
        task = asyncio.current_task()
    except RuntimeError:
        return False  # Under Trio, or in a worker thread, which is told of a real one only.
    return task is not None and not task.cancelling()


async def open_context(app: Quart, ctx: AppContext) -> None:
    """Do what follows upon `ctx.enter()`."""
    if appcontext_pushed.receivers and ctx.owns_app_context:
        await emit(app, ctx, appcontext_pushed)
    await _session.open_eagerly(app, ctx)


async def close_context(app: Quart, ctx: AppContext, exc: BaseException | None) -> None:
    """Run all teardown functions, if this is *ctx*'s last pop, and leave it.

    Raises:
        BaseException: what a teardown function raised; as a group if several did.
    """
    if exc is not None and app.should_ignore_error(exc):
        exc = None
    errors: list[BaseException] = []
    if len(ctx._tokens) == 1 and _has_teardown(app, ctx):
        await _run_teardown(app, ctx, exc, errors)
    ctx.exit()
    if appcontext_popped.receivers and ctx.owns_app_context:
        await _collect(errors, emit(app, ctx, appcontext_popped))
    if errors:
        _raise(errors)


def _has_teardown(app: Quart, ctx: AppContext) -> bool:
    """Whether anything follows; to find that out costs less than five steps that do nothing."""
    kind, plan = ctx.kind, ctx.plan
    steps = plan.steps
    return bool(
        plan.teardown
        or app.teardown_appcontext_funcs
        or appcontext_tearing_down.receivers
        or (kind is not None and kind.tearing_down.receivers)
        or steps.do_teardown is not do_teardown
        or steps.do_teardown_appcontext is not do_teardown_appcontext
        or _has_files(ctx)
    )


def _has_files(ctx: AppContext) -> bool:
    if ctx.kind is not REQUEST:
        return False
    request = ctx.connection
    return "files" in request.__dict__ or type(request).close is not Request.close  # type: ignore[union-attr]  # a request has it


async def _run_teardown(
    app: Quart, ctx: AppContext, exc: BaseException | None, errors: list[BaseException]
) -> None:
    steps = ctx.plan.steps
    if ctx.kind is not None:
        await _collect(errors, steps.do_teardown(app, ctx, exc))
    if _has_files(ctx):
        await _collect(errors, ctx.request.close())
    if ctx.owns_app_context:
        await _collect(errors, steps.do_teardown_appcontext(app, ctx, exc))


async def _collect(errors: list[BaseException], step: Awaitable[Any]) -> None:
    try:
        await step
    except BaseException as error:
        errors.append(error)


def _raise(errors: list[BaseException]) -> None:
    if len(errors) == 1:
        raise errors[0]
    raise BaseExceptionGroup("Several teardown functions failed.", errors)


# The steps


async def full_dispatch(app: Quart, ctx: AppContext) -> Any:
    mark_served(app)
    kind, plan, result = ctx.kind, ctx.plan, None
    assert kind is not None
    steps = plan.steps
    try:
        if kind.started.receivers:
            await emit(app, ctx, kind.started)
        if plan.before or plan.preprocessors or steps.preprocess is not preprocess:
            result = await steps.preprocess(app, ctx)
        if result is None:
            result = await steps.dispatch(app, ctx)
    except Exception as error:
        if not kind.must_answer and only_says_gone(error):
            result = None  # The ordinary end of a websocket.
        else:
            result = await steps.handle_user_exception(app, ctx, error)
    return await steps.finalize(app, ctx, result)


def only_says_gone(error: Exception) -> bool:
    """Whether nothing else is wrong than that the client has left."""
    if isinstance(error, ExceptionGroup):  # That of a task group in the handler.
        return error.split(ClientDisconnectedError)[1] is None
    return isinstance(error, ClientDisconnectedError)


async def preprocess(app: Quart, ctx: AppContext) -> Any:
    plan, connection = ctx.plan, ctx.connection
    assert connection is not None
    for preprocessor in plan.preprocessors:
        preprocessor(connection.endpoint, connection.view_args)
    for func in plan.before:
        result = func()
        if result is not None:
            result = await resolve(ctx, result)
            if result is not None:
                return result
    return None


async def dispatch(app: Quart, ctx: AppContext) -> Any:
    connection = ctx.connection
    assert connection is not None
    if connection.routing_exception is not None:
        app.raise_routing_exception(app._face_of(ctx))
    rule = connection.url_rule
    if connection.method == "OPTIONS" and getattr(rule, "provide_automatic_options", False):
        return await ctx.plan.steps.make_default_options_response(app, ctx)
    view = ctx.plan.view
    if view is None:
        raise KeyError(
            f"There is no view function for the endpoint {connection.endpoint!r}; register one with"
            " @app.endpoint or pass view_func to add_url_rule."
        )
    result = view(**connection.view_args)  # type: ignore[arg-type]  # set by match_request
    if hasattr(result, "__await__"):
        result = await ctx.plan.place.resolve(result)
    return result


async def finalize(
    app: Quart, ctx: AppContext, result: Any, from_error_handler: bool = False
) -> Any:
    kind, steps = ctx.kind, ctx.plan.steps
    assert kind is not None
    response = None
    if result is not None or kind.must_answer:
        response = steps.make_response(app, ctx, result)
        if hasattr(response, "__await__"):
            response = await response
    try:
        response = await steps.process(app, ctx, response)
        if kind.finished.receivers:
            await emit(app, ctx, kind.finished, response=response)
    except Exception:
        if not from_error_handler:
            raise
        app.logger.exception("Finalizing failed while an error was being handled.")
    return response


async def process(app: Quart, ctx: AppContext, response: Any) -> Any:
    plan = ctx.plan
    if ctx._after is not None:
        for func in ctx._after:
            response = await resolve(ctx, plan.place.adapt_after(app, func)(response))
    for func in plan.after:
        response = func(response)
        if hasattr(response, "__await__"):
            response = await plan.place.resolve(response)
    if _session.is_concerned(app, ctx):
        await _session.save(app, ctx, response)
    return response


async def make_default_options_response(app: Quart, ctx: AppContext) -> Any:
    assert ctx.url_adapter is not None
    response = app.response_class()
    response.allow.update(ctx.url_adapter.allowed_methods())
    return response


# Errors


async def handle_http_exception(app: Quart, ctx: AppContext, error: HTTPException) -> Any:
    # Without a code, or from routing, it stands for a response already.
    if error.code is None or isinstance(error, RoutingException):
        return error
    handler = find_error_handler(app, error, ctx.plan.blueprints)
    if handler is None:
        return error
    return await resolve(ctx, ctx.plan.place.adapt(handler)(error))


async def handle_user_exception(app: Quart, ctx: AppContext, error: Exception) -> Any:
    if isinstance(error, BadRequestKeyError) and (
        app.debug or app.config["TRAP_BAD_REQUEST_ERRORS"]
    ):
        error.show_exception = True
    if isinstance(error, HTTPException) and not app.trap_http_exception(error):
        return await ctx.plan.steps.handle_http_exception(app, ctx, error)
    handler = find_error_handler(app, error, ctx.plan.blueprints)
    if handler is None:
        raise error
    return await resolve(ctx, ctx.plan.place.adapt(handler)(error))


async def handle_exception(app: Quart, ctx: AppContext, error: Exception) -> Any:
    exc_info = sys.exc_info()
    kind = ctx.kind
    assert kind is not None
    await emit(app, ctx, kind.failed, exception=error)
    if app._propagates(ctx):
        raise error
    if exc_info[1] is not error:
        exc_info = type(error), error, cast("TracebackType", error.__traceback__)
    log_exception: Callable[..., Any] = app.log_exception
    await resolve(ctx, log_exception(exc_info))
    if app._shows_tracebacks():
        from .debug import traceback_response

        return await traceback_response(error)
    return await server_error(app, ctx, error)


async def server_error(app: Quart, ctx: AppContext, error: Exception) -> Any:
    failure = InternalServerError(original_exception=error)
    result: Any = failure
    handler = find_error_handler(app, failure, ctx.plan.blueprints)
    if handler is not None:
        result = await resolve(ctx, ctx.plan.place.adapt(handler)(failure))
    return await ctx.plan.steps.finalize(app, ctx, result, True)


# Teardown


async def do_teardown(app: Quart, ctx: AppContext, exc: BaseException | None) -> None:
    assert ctx.kind is not None
    await _tear_down(app, ctx, ctx.plan.teardown, ctx.kind.tearing_down, exc)


async def do_teardown_appcontext(app: Quart, ctx: AppContext, exc: BaseException | None) -> None:
    funcs = map(ctx.plan.place.adapt, reversed(app.teardown_appcontext_funcs))
    await _tear_down(app, ctx, funcs, appcontext_tearing_down, exc)


async def _tear_down(
    app: Quart,
    ctx: AppContext,
    funcs: Iterable[Callable[..., Any]],
    signal: Signal,
    exc: BaseException | None,
) -> None:
    errors: list[BaseException] = []
    for func in funcs:
        try:
            result = func(exc)
            if hasattr(result, "__await__"):
                await ctx.plan.place.resolve(result)
        except BaseException as error:
            errors.append(error)
    if signal.receivers:
        await _collect(errors, emit(app, ctx, signal, exc=exc))
    if errors:
        _raise(errors)
